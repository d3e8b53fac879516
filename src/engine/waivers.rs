//! Waivers: known differences that somebody answers for, until a day.

use std::sync::atomic::{AtomicU64, Ordering};

use counterfoil_model::plan::Waiver;
use counterfoil_model::report::WaiverResult;
use counterfoil_model::{CheckOutcome, Finding, Level};
use jiff::civil::Date;

/// The waivers of a plan on a certain day.
#[derive(Debug)]
pub struct Waivers {
    waivers: Vec<(Waiver, bool, AtomicU64)>,
}

impl Waivers {
    /// The waivers of a plan; those whose last day is before `today` are expired.
    pub fn new(waivers: &[Waiver], today: Date) -> Self {
        let expired = |w: &Waiver| {
            let until = w.until.as_ref().map(|u| u.value.parse::<Date>());
            // A date that can't be read never stretches a waiver; the plan loader refuses it anyway.
            until.is_some_and(|u| u.map_or(true, |until| until < today))
        };
        Self { waivers: waivers.iter().map(|w| (w.clone(), expired(w), AtomicU64::new(0))).collect() }
    }

    /// Turns the findings that a waiver covers into warnings, and tells how many.
    pub fn apply(&self, table: &str, outcome: &mut CheckOutcome) -> u64 {
        let mut waived = 0;
        for finding in outcome.findings.iter_mut().filter(|f| f.level == Level::Error) {
            let hit = self.waivers.iter().find(|(w, expired, _)| !expired && covers(w, table, finding));
            if let Some((waiver, _, count)) = hit {
                finding.level = Level::Warning;
                finding.message = format!("{} (waived: {})", finding.message, waiver.id.value);
                count.fetch_add(1, Ordering::Relaxed);
                waived += 1;
            }
        }
        outcome.failed -= waived.min(outcome.failed);
        waived
    }

    /// What became of each waiver.
    pub fn results(&self) -> Vec<WaiverResult> {
        let result = |(waiver, expired, count): &(Waiver, bool, AtomicU64)| {
            let findings = count.load(Ordering::Relaxed);
            let status = match (expired, findings) {
                (true, _) => "expired",
                (false, 0) => "unused",
                (false, _) => "applied",
            };
            WaiverResult {
                id: waiver.id.value.clone(),
                owner: waiver.owner.clone(),
                reason: waiver.reason.clone(),
                until: waiver.until.as_ref().map(|u| u.value.clone()),
                findings,
                status: status.into(),
            }
        };
        self.waivers.iter().map(result).collect()
    }
}

fn covers(waiver: &Waiver, table: &str, finding: &Finding) -> bool {
    let same =
        |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|w| Some(w) == found);
    same(&waiver.table, Some(table))
        && same(&waiver.column, finding.column.as_deref())
        && same(&waiver.key, finding.key.as_deref())
        && waiver.outcome.is_none_or(|kind| kind == finding.kind)
}

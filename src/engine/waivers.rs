//! Waivers: known differences that somebody answers for, until a day.

use std::sync::atomic::{AtomicU64, Ordering};

use counterfoil_model::plan::Waiver;
use counterfoil_model::report::WaiverResult;
use counterfoil_model::{CheckOutcome, Finding, FindingKind, Level};
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
        // Of findings that weren't kept, only kind and column are known: a waiver of one key can't be held against them.
        for ((kind, column), number) in &outcome.beyond {
            let fits = |w: &Waiver| w.key.is_none() && covers_all(w, table, *kind, column.as_deref());
            if let Some((_, _, count)) = self.waivers.iter().find(|(w, expired, _)| !expired && fits(w)) {
                count.fetch_add(*number, Ordering::Relaxed);
                waived += number;
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
    covers_all(waiver, table, finding.kind, finding.column.as_deref())
        && same(waiver.key.as_deref(), finding.key.as_deref())
}

/// Whether it covers findings of this kind in this column, whatever their key.
fn covers_all(waiver: &Waiver, table: &str, kind: FindingKind, column: Option<&str>) -> bool {
    same(waiver.table.as_deref(), Some(table))
        && same(waiver.column.as_deref(), column)
        && waiver.outcome.is_none_or(|wanted| wanted == kind)
}

/// What a waiver doesn't say may be anything.
fn same(wanted: Option<&str>, found: Option<&str>) -> bool {
    wanted.is_none_or(|w| Some(w) == found)
}

#[cfg(test)]
mod tests {
    use counterfoil_model::finding::FINDINGS_KEPT;
    use counterfoil_model::plan::Spanned;

    use super::*;

    fn waiver(key: Option<&str>) -> Waiver {
        Waiver {
            id: Spanned::new("W-1".into(), Default::default()),
            table: Some("users".into()),
            column: Some("bio".into()),
            outcome: Some(FindingKind::Changed),
            key: key.map(str::to_owned),
            owner: "data".into(),
            reason: "known".into(),
            until: None,
        }
    }

    #[test]
    fn findings_beyond_those_that_are_kept_are_waived_too() {
        let finding = |column: &str| Finding {
            kind: FindingKind::Changed,
            level: Level::Error,
            key: Some("[1]".into()),
            column: Some(column.into()),
            expected: None,
            actual: None,
            rule: None,
            message: String::new(),
        };
        let outcome = || {
            let mut outcome = CheckOutcome::default();
            (0..FINDINGS_KEPT + 5).for_each(|_| outcome.push(finding("bio")));
            outcome.push(finding("name"));
            outcome
        };
        let today = Date::constant(2026, 1, 5);
        let mut all = outcome();
        let waivers = Waivers::new(&[waiver(None)], today);
        assert_eq!(waivers.apply("users", &mut all), FINDINGS_KEPT as u64 + 5);
        assert_eq!((all.failed, waivers.results()[0].findings), (1, FINDINGS_KEPT as u64 + 5));
        let mut one = outcome();
        Waivers::new(&[waiver(Some("[2]"))], today).apply("users", &mut one);
        assert_eq!(one.failed, FINDINGS_KEPT as u64 + 6);
    }
}

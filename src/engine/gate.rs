//! The gate: from verdicts to an exit code.

use counterfoil_model::Verdict;
use counterfoil_model::plan::Gate;
use counterfoil_model::report::{CheckResult, GateResult};

/// Applies the gate. 1: failed checks break it; else 2: it could not be decided; else 0.
pub fn apply(gate: Gate, checks: &[CheckResult], coverage: Verdict, waived: u64) -> GateResult {
    let count = |verdict| checks.iter().filter(|c| c.verdict == verdict).count() as u64;
    let (passed, failed, inconclusive) =
        (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Inconclusive));
    let decided = passed + failed;
    let total = decided + inconclusive;
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let (exit_code, reason) = if failed > 0 && share(passed, decided) < gate.pass_rate {
        (1, format!("{failed} of {total} checks failed"))
    } else if decided == 0 {
        (2, "no check could be decided".to_owned())
    } else if passed == 0 {
        (1, "no check passed".to_owned())
    } else if gate.inconclusive_blocks && inconclusive > 0 {
        (2, format!("{inconclusive} of {total} checks are inconclusive"))
    } else if gate.inconclusive_blocks && coverage == Verdict::Inconclusive {
        (2, "some data was not compared and is not ignored by the plan".to_owned())
    } else if failed > 0 {
        (0, format!("{failed} of {total} checks failed, which the gate allows"))
    } else if inconclusive > 0 || coverage == Verdict::Inconclusive {
        (0, "not everything was compared, which the gate allows".to_owned())
    } else {
        (0, format!("all {total} checks passed"))
    };
    GateResult {
        pass_rate: share(passed, decided),
        required: gate.pass_rate,
        passed,
        failed,
        inconclusive,
        waived,
        exit_code,
        reason,
    }
}

/// The verdict of a run: any failed check fails it, whatever the gate allows.
pub fn verdict(checks: &[CheckResult], coverage: Verdict) -> Verdict {
    let any = |verdict| checks.iter().any(|c| c.verdict == verdict);
    if any(Verdict::Fail) {
        Verdict::Fail
    } else if any(Verdict::Inconclusive) || coverage == Verdict::Inconclusive || checks.is_empty() {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    }
}

//! Any text is a plan or a list of problems, each of which can be shown.
#![no_main]

use counterfoil_plan::{Known, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let validators = [("row_count".to_owned(), vec![]), ("row_diff".to_owned(), vec!["columns".to_owned()])];
    let env = |name: &str| (name == "HOME").then(|| "/home".to_owned());
    match parse("plan.yaml", text, &[], &env, &Known { validators: &validators }) {
        Ok(loaded) => {
            // What was resolved is a plan itself.
            let again = parse("resolved.yaml", &loaded.resolved_yaml, &[], &env, &Known { validators: &validators });
            assert!(again.is_ok(), "{}\nof\n{text}\n{:?}", loaded.resolved_yaml, again.err());
        }
        Err(errors) => {
            assert!(!errors.problems.is_empty());
            let _ = format!("{errors}{errors:?}");
        }
    }
});

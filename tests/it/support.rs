//! Running the program, and small databases to run it on.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The program, in the repository's folder, without colours or inherited settings.
pub fn counterfoil() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    command.current_dir(root()).env("NO_COLOR", "1").env_remove("RUST_LOG");
    command
}

/// What a run said.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let ran = Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }
}

/// Runs a plan into a folder of its own.
pub fn run_plan(plan: &Path, out: &Path, more: &[&str]) -> Ran {
    counterfoil().arg("run").arg(plan).arg("--out").arg(out).args(more).output().expect("it starts").into()
}

/// The report of a run.
pub fn report(out: &Path) -> Value {
    let text = std::fs::read_to_string(out.join("report.json")).expect("a report");
    serde_json::from_str(&text).expect("JSON")
}

/// A folder with two SQLite databases, `source.db` and `target.db`, and a plan of them.
pub struct Twins {
    pub folder: TempDir,
}

impl Twins {
    /// Makes both databases from SQL, and a plan whose `tables` are given.
    pub fn new(source: &str, target: &str, tables: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        for (name, sql) in [("source.db", source), ("target.db", target)] {
            let db = rusqlite::Connection::open(folder.path().join(name)).expect("a database");
            db.execute_batch(sql).expect("SQL");
        }
        let plan = format!(
            "version: 1\nname: twins\nconnections:\n  old: {{ url: \"sqlite:source.db\" }}\n  new: {{ url: \"sqlite:target.db\" }}\ntarget: new\ntables:\n{tables}"
        );
        std::fs::write(folder.path().join("plan.yaml"), plan).expect("a plan");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, more: &[&str]) -> Ran {
        let _ = std::fs::remove_dir_all(self.path("out"));
        run_plan(&self.path("plan.yaml"), &self.path("out"), more)
    }

    pub fn report(&self) -> Value {
        report(&self.path("out"))
    }

    pub fn check(&self, id: &str) -> Value {
        let report = self.report();
        let checks = report["checks"].as_array().expect("checks");
        checks.iter().find(|c| c["id"] == id).unwrap_or_else(|| panic!("no check {id} in {report:#}")).clone()
    }
}

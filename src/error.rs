//! What stops a run, shown through miette: what happened, where, and how to mend it. A stopped run is no
//! verdict: it exits with 2.

use std::path::{Path, PathBuf};

use counterfoil_connectors::{ConnectorError, ErrorKind};
use counterfoil_plan::{PlanError, PlanErrors};
use counterfoil_snapshots::SnapshotError;
use miette::Diagnostic;
use thiserror::Error;

/// A run could not be done.
#[derive(Debug, Error, Diagnostic)]
pub enum Error {
    /// The plan file is wrong; every problem is listed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(Box<PlanErrors>),
    /// A place in the plan turned out wrong once the data was known.
    #[error(transparent)]
    #[diagnostic(transparent)]
    AtPlanLine(Box<PlanError>),
    /// A connection could not be opened or read.
    #[error("connection '{connection}': {problem}")]
    Connection {
        /// The connection's name in the plan.
        connection: String,
        /// What went wrong.
        problem: Box<ConnectorError>,
        /// How to mend it.
        #[help]
        help: Option<String>,
    },
    /// The snapshot store failed.
    #[error(transparent)]
    #[diagnostic(help(
        "is the disk full, or the folder read-only? Nothing was written to the source or the target"
    ))]
    Snapshot(#[from] SnapshotError),
    /// A file of ours could not be written or read.
    #[error("failed to {action} {}: {problem}", path.display())]
    Io {
        /// `write`, `read`, `create`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        problem: std::io::Error,
        /// How to mend it.
        #[help]
        help: Option<String>,
    },
    /// A check broke: not a finding.
    #[error("check '{check}' could not run: {problem}")]
    Check {
        /// The check's id.
        check: String,
        /// What happened.
        problem: String,
    },
    /// Anything else that a person can mend.
    #[error("{message}")]
    Other {
        /// What happened.
        message: String,
        /// How to mend it.
        #[help]
        help: Option<String>,
    },
}

impl Error {
    /// A file could not be handled.
    pub fn io(action: &'static str, path: &Path, problem: std::io::Error) -> Self {
        let help = match problem.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("choose a folder that can be written with --out DIR".into())
            }
            std::io::ErrorKind::StorageFull => {
                Some("the disk is full: free some space, or choose another with --out DIR".into())
            }
            _ => None,
        };
        Self::Io { action, path: path.into(), problem, help }
    }

    /// A connection could not be used.
    pub fn connection(name: &str, mut problem: ConnectorError) -> Self {
        problem.place = without_password(&problem.place);
        problem.problem = without_password(&problem.problem);
        let help = problem.help.clone().or_else(|| match problem.kind {
            ErrorKind::Locked => Some("a writer holds the database: run again when it has finished".into()),
            _ => None,
        });
        Self::Connection { connection: name.into(), problem: Box::new(problem), help }
    }

    /// Something a person can mend.
    pub fn other(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Self::Other { message: message.into(), help: help.into() }
    }
}

/// Text in which whatever looks like `user:password@` has lost its password.
pub fn without_password(text: &str) -> String {
    let clean = |word: &str| -> String {
        let Some(at) = word.rfind('@') else { return word.to_owned() };
        // The user starts after the last slash before it; `sqlite:user:pw@host` has none.
        let start = word[..at].rfind('/').map_or(0, |slash| slash + 1);
        match word[start..at].rfind(':') {
            Some(colon) => format!("{}:***{}", &word[..start + colon], &word[at..]),
            None => word.to_owned(),
        }
    };
    text.split(' ').map(clean).collect::<Vec<_>>().join(" ")
}

impl From<PlanErrors> for Error {
    fn from(errors: PlanErrors) -> Self {
        Self::Plan(Box::new(errors))
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn passwords_disappear_and_the_rest_stays() {
        assert_eq!(
            without_password("postgres://u:s3cret@host/db: refused"),
            "postgres://u:***@host/db: refused"
        );
        assert_eq!(without_password("sqlite:user:pw@x.db"), "sqlite:user:***@x.db");
        assert_eq!(without_password("/data/a@b.db, table 't'"), "/data/a@b.db, table 't'");
    }
}

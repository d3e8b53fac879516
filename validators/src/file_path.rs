//! `file_path`: rewritten to the new root, none left with an old one, and the files are there.

use counterfoil_model::wording::count;
use counterfoil_model::{CheckOutcome, FindingKind, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{Column, cell, cell_finding, each_chunk, one, row_key};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `file_path`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilePath {
    /// The column of paths.
    column: String,
    /// What every path starts with.
    #[serde(default)]
    prefix: Option<String>,
    /// What no path may start with any more.
    #[serde(default)]
    forbid: Vec<String>,
    /// A folder in which the files must be, at the path without `prefix`.
    #[serde(default)]
    store: Option<String>,
    /// With `store`: the column of sizes in bytes.
    #[serde(default)]
    size: Option<String>,
    /// With `store`: the column of BLAKE3 digests, hexadecimal.
    #[serde(default)]
    digest: Option<String>,
}

/// The page of `file_path`.
pub const DOCS: Documentation = Documentation {
    proves: "Paths are rewritten to the new root, none has an old prefix, and (given a store) the files are there.",
    matters: "A row that still points into the old bucket works until the bucket is deleted.",
    example: "```yaml\nfile_path: { column: path, prefix: /srv/files/, forbid: [\"gs://\"] }\n\
        file_path: { column: path, prefix: /srv/files/, store: ../files, size: bytes }\n```",
    finding: "```text\nold_prefix  [\"f3\"]  path  actual 'gs://old-bucket/a.pdf'\nstill starts with 'gs://'\n```\n\nAlso \
        `wrong_prefix` (another root, a path that climbs with `..`), `file_missing`, `file_differs`.",
    blind_spots: "Without `store`, whether the file exists. Files that no row names.",
    mend: "Rewrite the paths, copy the missing files.",
};

impl Check for FilePath {
    fn columns(&self) -> Vec<String> {
        vec![self.column.clone()]
    }

    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        if self.prefix.is_none() && self.forbid.is_empty() && self.store.is_none() {
            return Err(CheckError::Options("say what to check: 'prefix', 'forbid' or 'store'".into()));
        }
        if self.store.is_none() && (self.size.is_some() || self.digest.is_some()) {
            return Err(CheckError::Options("'size' and 'digest' need a 'store'".into()));
        }
        let column = one(pair, &self.column)?;
        let other = |name: &Option<String>| name.as_deref().map(|n| one(pair, n)).transpose();
        let (size, digest) = (other(&self.size)?, other(&self.digest)?);
        let mut outcome = CheckOutcome::default();
        each_chunk(pair.actual.as_ref(), |batch| {
            outcome.coverage.rows += batch.num_rows() as u64;
            for row in 0..batch.num_rows() {
                let value = cell(batch, &column, row);
                if value.is_null() {
                    continue;
                }
                outcome.checked += 1;
                let wanted =
                    |c: &Option<Column>| c.as_ref().map(|c| cell(batch, c, row)).filter(|v| !v.is_null());
                let problem = match self.form(&value) {
                    Some(problem) => Some(problem),
                    None => self.stored(&value, wanted(&size), wanted(&digest), input)?,
                };
                if let Some((kind, message)) = problem {
                    outcome.push(cell_finding(
                        kind,
                        row_key(pair, batch, row),
                        &self.column,
                        &value,
                        message,
                    ));
                }
            }
            Ok(())
        })?;
        outcome.coverage.cells = outcome.checked;
        outcome.message = format!(
            "{} checked, {}",
            count(outcome.checked, "path", "paths"),
            count(outcome.failed, "finding", "findings")
        );
        Ok(outcome)
    }
}

type Problem = (FindingKind, String);

impl FilePath {
    fn form(&self, value: &Value) -> Option<Problem> {
        let Value::Text(path) = value else {
            return Some((FindingKind::WrongPrefix, format!("{} instead of a path", value.type_name())));
        };
        if let Some(old) = self.forbid.iter().find(|old| path.starts_with(old.as_str())) {
            return Some((FindingKind::OldPrefix, format!("still starts with '{old}'")));
        }
        let prefix = self.prefix.as_deref().unwrap_or("");
        let Some(rest) = path.strip_prefix(prefix) else {
            return Some((FindingKind::WrongPrefix, format!("doesn't start with '{prefix}'")));
        };
        if rest.is_empty() {
            return Some((FindingKind::WrongPrefix, "names no file".into()));
        }
        let climbs = rest.split('/').any(|part| part == "..");
        (climbs || rest.contains('\\'))
            .then(|| (FindingKind::WrongPrefix, "leaves its root, or has a backslash".into()))
    }

    fn stored(
        &self,
        value: &Value,
        size: Option<Value>,
        digest: Option<Value>,
        input: &Input<'_>,
    ) -> Result<Option<Problem>, CheckError> {
        let (Some(store), Value::Text(path)) = (&self.store, value) else { return Ok(None) };
        let rest = path.strip_prefix(self.prefix.as_deref().unwrap_or("")).unwrap_or(path);
        let Some(found) = input.files.size(store, rest).map_err(CheckError::Other)? else {
            return Ok(Some((FindingKind::FileMissing, "the store has no such file".into())));
        };
        if let Some(size) = size.filter(|s| s.to_string() != found.to_string()) {
            return Ok(Some((
                FindingKind::FileDiffers,
                format!("the file has {found} bytes instead of {size}"),
            )));
        }
        if let Some(wanted) = digest {
            let found = input.files.digest(store, rest).map_err(CheckError::Other)?;
            if found.as_deref() != Some(wanted.to_string().to_ascii_lowercase().as_str()) {
                return Ok(Some((FindingKind::FileDiffers, "the file has another BLAKE3 digest".into())));
            }
        }
        Ok(None)
    }
}

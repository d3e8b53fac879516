//! LevelDB's log format: 32 KiB blocks of records with a masked CRC32C each
//! (<https://github.com/google/leveldb/blob/main/doc/log_format.md>).

/// The size of a block.
const BLOCK: usize = 32 * 1024;
/// Checksum, length and type before each fragment.
const HEADER: usize = 7;

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogError {
    /// Byte offset in the file.
    pub offset: usize,
    /// What is wrong there.
    pub problem: String,
}

/// Offset, type and data of a fragment.
type Fragment<'a> = (usize, u8, &'a [u8]);

fn wrong<T>(offset: usize, problem: impl Into<String>) -> Result<T, LogError> {
    Err(LogError { offset, problem: problem.into() })
}

/// Reads the records of a log one after another.
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    /// Starts at a byte offset where a record starts.
    pub(super) fn starting_at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next record with the offset where it starts; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Vec<u8>)>, LogError> {
        let mut whole: Option<(usize, Vec<u8>)> = None;
        loop {
            let Some((offset, kind, data)) = self.fragment()? else {
                return match whole {
                    None => Ok(None),
                    Some((start, _)) => wrong(start, "the file ends inside this record: it is truncated"),
                };
            };
            match (kind, &mut whole) {
                (1, None) => return Ok(Some((offset, data.to_vec()))),
                (2, None) => whole = Some((offset, data.to_vec())),
                (3, Some((_, all))) => all.extend_from_slice(data),
                (4, Some((_, all))) => {
                    all.extend_from_slice(data);
                    return Ok(whole);
                }
                (1 | 2, Some(_)) => {
                    return wrong(offset, "a record starts before the one before it has ended");
                }
                (3 | 4, None) => return wrong(offset, "a record goes on that never started"),
                (other, _) => return wrong(offset, format!("unknown fragment type {other}")),
            }
        }
    }

    fn fragment(&mut self) -> Result<Option<Fragment<'a>>, LogError> {
        loop {
            let left = BLOCK - self.at % BLOCK;
            if left < HEADER {
                self.at += left;
                continue;
            }
            if self.at >= self.bytes.len() {
                return Ok(None);
            }
            let offset = self.at;
            let Some(header) = self.bytes.get(offset..offset + HEADER) else {
                return wrong(offset, "the file ends inside a record's header: it is truncated");
            };
            let stored = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
            let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
            let kind = header[6];
            if stored == 0 && length == 0 && kind == 0 {
                // A zero header fills the rest of a block.
                self.at += left;
                continue;
            }
            if length > left - HEADER {
                return wrong(offset, format!("a record of {length} bytes doesn't fit its block"));
            }
            let Some(data) = self.bytes.get(offset + HEADER..offset + HEADER + length) else {
                return wrong(offset, "the file ends inside a record: it is truncated");
            };
            let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), data);
            if crc.rotate_right(15).wrapping_add(0xa282_ead8) != stored {
                return wrong(offset, "the checksum doesn't fit the record: it is corrupted");
            }
            self.at = offset + HEADER + length;
            return Ok(Some((offset, kind, data)));
        }
    }
}

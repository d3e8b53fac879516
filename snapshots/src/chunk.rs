//! Where chunks end.

/// The most rows of a chunk; then the next row with another key begins a new one.
pub const CAP_ROWS: usize = 1 << 18;
/// A key whose BLAKE3 ends in this many zero bits closes its chunk: 65,536 rows on average.
const ZERO_BITS: u32 = 16;

/// The row counts of the chunks of an ordered table, from its encoded keys alone, so that equal keys give equal
/// chunks whatever else a row holds. Equal keys never part. Without a key (a bag) the rows themselves are the
/// key.
pub fn boundaries(keys: &[Box<[u8]>]) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut start = 0;
    for at in 0..keys.len() {
        let last_of_key = keys.get(at + 1).is_none_or(|next| *next != keys[at]);
        if last_of_key && (closes(&keys[at]) || at + 1 - start >= CAP_ROWS) {
            sizes.push(at + 1 - start);
            start = at + 1;
        }
    }
    if start < keys.len() {
        sizes.push(keys.len() - start);
    }
    sizes
}

fn closes(key: &[u8]) -> bool {
    let hash = blake3::hash(key);
    let bytes = hash.as_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).trailing_zeros() >= ZERO_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Box<[u8]> {
        n.to_be_bytes().into()
    }

    #[test]
    fn a_local_change_moves_no_other_boundary() {
        let all: Vec<_> = (0..400_000).map(key).collect();
        let mut without = all.clone();
        without.remove(1_000);
        let (a, b) = (boundaries(&all), boundaries(&without));
        assert!(a.len() > 2, "{a:?}");
        assert_eq!(a[0], b[0] + 1);
        assert_eq!(a[1..], b[1..]);
        assert_eq!(a.iter().sum::<usize>(), all.len());
    }

    #[test]
    fn equal_keys_stay_together_beyond_the_cap() {
        let keys: Vec<_> = std::iter::repeat_n(key(7), CAP_ROWS + 10).chain([key(8)]).collect();
        assert_eq!(boundaries(&keys), vec![CAP_ROWS + 10, 1]);
        assert!(boundaries(&[]).is_empty());
    }
}

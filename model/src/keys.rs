//! The encoded keys of consecutive rows, side by side in one buffer.

/// Encoded keys, in the order of their rows; see [`crate::key::encode_ordered`] for the encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    /// No keys, with room for some.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(rows) }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key of a row. Keys are compared as bytes.
    pub fn get(&self, row: usize) -> &[u8] {
        &self.bytes[self.start(row)..self.ends[row]]
    }

    /// The first key.
    pub fn first(&self) -> Option<&[u8]> {
        (!self.is_empty()).then(|| self.get(0))
    }

    /// The last key.
    pub fn last(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|row| self.get(row))
    }

    /// All keys in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Appends a key.
    pub fn push(&mut self, key: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(key));
    }

    /// Appends a key that is written right into the buffer.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Forgets all keys and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Whether each key is greater than the one before: in order, and each once.
    pub fn ascend_strictly(&self) -> bool {
        (1..self.len()).all(|row| self.get(row - 1) < self.get(row))
    }

    /// Whether no key is less than the one before.
    pub fn ascend(&self) -> bool {
        (1..self.len()).all(|row| self.get(row - 1) <= self.get(row))
    }

    /// How many keys from `row` on are the same as the other's from `other_row` on.
    pub fn common(&self, row: usize, other: &Self, other_row: usize) -> usize {
        let most = (self.len() - row).min(other.len() - other_row);
        // In blocks first: one comparison of memory instead of thousands.
        let mut same = 0;
        while same < most {
            let block = (most - same).min(BLOCK);
            if !self.same_block(row + same, other, other_row + same, block) {
                break;
            }
            same += block;
        }
        let until = (same + BLOCK).min(most);
        while same < until && self.get(row + same) == other.get(other_row + same) {
            same += 1;
        }
        same
    }

    fn same_block(&self, row: usize, other: &Self, other_row: usize, count: usize) -> bool {
        let (start, other_start) = (self.start(row), other.start(other_row));
        let (end, other_end) = (self.ends[row + count - 1], other.ends[other_row + count - 1]);
        if self.bytes[start..end] != other.bytes[other_start..other_end] {
            return false;
        }
        // The same bytes, cut at the same places: an encoded key is no prefix of another, but bags of columns
        // that the kernel knows nothing about need not rely on that.
        let mine = self.ends[row..row + count].iter().map(|e| e - start);
        mine.eq(other.ends[other_row..other_row + count].iter().map(|e| e - other_start))
    }

    fn start(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.ends[row - 1] }
    }

    /// How many bytes of memory they take.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Keys that are compared at once.
const BLOCK: usize = 4_096;

impl<'a> FromIterator<&'a [u8]> for Keys {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(keys: I) -> Self {
        let mut all = Self::default();
        keys.into_iter().for_each(|key| all.push(key));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(all: &[Vec<u8>]) -> Keys {
        all.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn equal_bytes_cut_elsewhere_are_other_keys() {
        let (a, b) = (keys(&[b"ab".to_vec(), b"c".to_vec()]), keys(&[b"a".to_vec(), b"bc".to_vec()]));
        assert_eq!(a.common(0, &b, 0), 0);
        assert_eq!(a.common(0, &a, 0), 2);
    }

    proptest! {
        #[test]
        fn the_common_run_is_what_a_loop_finds(
            same in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 0..9_000),
            mut left in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 0..20),
            right in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 0..20),
            skip in 0_usize..5,
        ) {
            let mut other = vec![vec![9_u8]; skip];
            other.extend(same.iter().cloned().chain(right));
            let mut one = same;
            one.append(&mut left);
            let expected = one.iter().zip(&other[skip..]).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(keys(&one).common(0, &keys(&other), skip), expected);
        }
    }
}

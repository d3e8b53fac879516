//! How much memory sorting may take, over all tables that are sorted at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one sorter may always take, so that a small budget slows sorting down but never stops it.
const MINIMUM: usize = 8 << 20;

/// A budget that sorters share: what one holds, no other can take.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    limit: usize,
    used: Arc<AtomicUsize>,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Arc::default() }
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), held: 0 }
    }
}

/// What one sorter holds of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: MemoryBudget,
    held: usize,
}

impl Share {
    /// Takes some more; `false` where the budget has no more.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.budget.limit && self.held + bytes > MINIMUM {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.held += bytes;
        true
    }

    /// How many bytes it holds.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Gives all of it back.
    pub(crate) fn clear(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
        self.held = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_holds_no_other_can_take() {
        let budget = MemoryBudget::new(100 << 20);
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.take(90 << 20));
        assert!(!two.take(20 << 20));
        assert!(two.take(MINIMUM), "a little is always there");
        drop(one);
        assert!(two.take(80 << 20));
    }
}

//! How much a table may hold that clients fill. Java's tables have no limits.

use remoting::{Refusal, ResponseCode};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counts what a table holds. The first refusal after there was room is a line in the log.
pub struct Limit {
    /// Of what there may be so much, as a plural with its unit.
    what: &'static str,
    max: usize,
    count: AtomicUsize,
    is_said: AtomicBool,
}

/// A table has no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    what: &'static str,
    max: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker keeps {} {} at most", self.max, self.what)
    }
}

impl std::error::Error for Full {}

impl From<Full> for Refusal {
    fn from(full: Full) -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_BUSY, full.to_string())
    }
}

impl Limit {
    /// Nothing is there yet.
    pub fn new(what: &'static str, max: usize) -> Limit {
        Limit { what, max, count: AtomicUsize::new(0), is_said: AtomicBool::new(false) }
    }

    /// Counts `more`, which are added then; an error where there is no room for all of them.
    pub fn take(&self, more: usize) -> Result<(), Full> {
        let add = |count: usize| count.checked_add(more).filter(|count| *count <= self.max);
        if self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok() {
            return Ok(());
        }
        let full = Full { what: self.what, max: self.max };
        if !self.is_said.swap(true, Ordering::Relaxed) {
            tracing::warn!("{full}: more are refused until some are gone");
        }
        Err(full)
    }

    /// Counts `more` whether there is room or not: what a file holds, or the broker's own.
    pub fn take_anyhow(&self, more: usize) {
        self.count.fetch_add(more, Ordering::Relaxed);
    }

    /// `fewer` of those that were counted are gone.
    pub fn free(&self, fewer: usize) {
        if fewer > 0 {
            self.count.fetch_sub(fewer, Ordering::Relaxed);
            self.is_said.store(false, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_may_be_so_many() {
        let limit = Limit::new("things", 10);
        assert_eq!((limit.take(4), limit.take(6)), (Ok(()), Ok(())));
        let full = limit.take(1).unwrap_err();
        assert_eq!(Refusal::from(full).remark, "the broker keeps 10 things at most");
        limit.free(2);
        assert!(limit.take(3).is_err() && limit.take(usize::MAX).is_err());
        assert_eq!(limit.take(2), Ok(()));
        limit.take_anyhow(1);
        assert_eq!(limit.count(), 11);
    }
}

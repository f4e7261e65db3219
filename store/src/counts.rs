//! How much was put into the store and read from it since it was opened (`StoreStatsService`).

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that the hot path adds to.
#[derive(Debug, Default)]
pub(super) struct Counters {
    put_messages: AtomicU64,
    put_bytes: AtomicU64,
    put_failed: AtomicU64,
    get_found: AtomicU64,
    get_missed: AtomicU64,
    got_messages: AtomicU64,
}

/// What was counted until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Messages that were put, each of a batch counted.
    pub put_messages: u64,
    /// Bytes of their records.
    pub put_bytes: u64,
    /// Appends that the log did not take.
    pub put_failed: u64,
    /// Reads of a queue that found messages.
    pub get_found: u64,
    /// Reads of a queue that found none.
    pub get_missed: u64,
    /// Messages that were read.
    pub got_messages: u64,
}

impl Counters {
    /// With the append lock held, so that nobody else adds.
    pub fn put(&self, messages: usize, bytes: usize) {
        let add = |counter: &AtomicU64, more: usize| {
            counter.store(counter.load(Ordering::Relaxed) + more as u64, Ordering::Relaxed);
        };
        add(&self.put_messages, messages);
        add(&self.put_bytes, bytes);
    }

    pub fn put_failed(&self) {
        self.put_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn got(&self, messages: usize) {
        match messages {
            0 => self.get_missed.fetch_add(1, Ordering::Relaxed),
            _ => {
                self.got_messages.fetch_add(messages as u64, Ordering::Relaxed);
                self.get_found.fetch_add(1, Ordering::Relaxed)
            }
        };
    }

    pub fn read(&self) -> StoreCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreCounts {
            put_messages: read(&self.put_messages),
            put_bytes: read(&self.put_bytes),
            put_failed: read(&self.put_failed),
            get_found: read(&self.get_found),
            get_missed: read(&self.get_missed),
            got_messages: read(&self.got_messages),
        }
    }
}

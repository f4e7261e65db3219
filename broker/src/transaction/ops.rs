//! Ends of half messages on their way into op messages: many in one. Java: `MessageQueueOpContext`,
//! `TransactionalOpBatchService`.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};

/// Java: `TransactionalMessageUtil.OFFSET_SEPARATOR`.
const OFFSET_SEPARATOR: char = ',';
/// Ends of one queue that wait; further ones are written one by one. Java: `deletePrepareMessage`.
const PENDING_MAX: usize = 20_000;

/// By queue of half messages.
#[derive(Default)]
pub(super) struct Ops(Mutex<BTreeMap<i32, Pending>>);

struct Pending {
    /// Offsets of half messages.
    offsets: VecDeque<i64>,
    /// Of all offsets as text, with separators.
    bytes: usize,
    /// When the last op message was written, on the monotonic clock.
    written_ms: u64,
}

impl Ops {
    /// Returns the bytes that wait for the queue; `None` if they are too many already.
    pub(super) fn add(&self, queue_id: i32, offset: i64, now_ms: u64) -> Option<usize> {
        let mut queues = self.0.lock();
        let new = || Pending { offsets: VecDeque::new(), bytes: 0, written_ms: now_ms };
        let pending = queues.entry(queue_id).or_insert_with(new);
        if pending.offsets.len() >= PENDING_MAX {
            return None;
        }
        pending.offsets.push_back(offset);
        pending.bytes += text_bytes(offset);
        Some(pending.bytes)
    }

    /// For each queue whose last op message is `interval_ms` old or that has enough for a whole one: all that waits, in
    /// pieces of `bytes_max` or a bit more.
    pub(super) fn take_due(&self, now_ms: u64, interval_ms: u64, bytes_max: usize) -> Vec<(i32, Vec<i64>)> {
        let mut taken = Vec::new();
        for (queue_id, pending) in self.0.lock().iter_mut() {
            while !pending.offsets.is_empty()
                && (pending.bytes >= bytes_max || now_ms.saturating_sub(pending.written_ms) >= interval_ms)
            {
                taken.push((*queue_id, pending.take(bytes_max)));
                if pending.offsets.is_empty() {
                    pending.written_ms = now_ms;
                }
            }
        }
        taken
    }

    pub(super) fn is_pending(&self, queue_id: i32, offset: i64) -> bool {
        self.0.lock().get(&queue_id).is_some_and(|pending| pending.offsets.contains(&offset))
    }

    /// These were not written: they come first the next time, if there is room for them.
    pub(super) fn put_back(&self, queue_id: i32, offsets: &[i64]) {
        let mut queues = self.0.lock();
        if let Some(pending) = queues.get_mut(&queue_id).filter(|pending| pending.offsets.len() < PENDING_MAX)
        {
            for offset in offsets.iter().rev() {
                pending.offsets.push_front(*offset);
                pending.bytes += text_bytes(*offset);
            }
        }
    }

    /// Of the queue that has waited longest; `None` if none waits.
    pub(super) fn oldest_write_ms(&self) -> Option<u64> {
        let queues = self.0.lock();
        let waiting = queues.values().filter(|pending| !pending.offsets.is_empty());
        waiting.map(|pending| pending.written_ms).min()
    }
}

impl Pending {
    fn take(&mut self, bytes_max: usize) -> Vec<i64> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(offset) = self.offsets.pop_front() {
            taken.push(offset);
            bytes += text_bytes(offset);
            if bytes >= bytes_max {
                break;
            }
        }
        self.bytes -= bytes;
        taken
    }
}

fn text_bytes(offset: i64) -> usize {
    offset.checked_ilog10().map_or(1, |log| log as usize + 1) + 1
}

/// An op message's body.
pub(super) fn body(offsets: &[i64]) -> String {
    offsets.iter().map(|offset| format!("{offset}{OFFSET_SEPARATOR}")).collect()
}

/// The offsets in an op message's body: 5.x writes many, each closed; 4.9 writes one.
pub(super) fn offsets(body: &[u8]) -> impl Iterator<Item = i64> {
    let separator = OFFSET_SEPARATOR as u8;
    body.split(move |byte| *byte == separator).filter_map(|text| str::from_utf8(text).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_wait_for_the_interval_or_for_a_whole_message() {
        let ops = Ops::default();
        assert_eq!(ops.oldest_write_ms(), None);
        assert_eq!([ops.add(0, 7, 1000), ops.add(0, 10, 1500)], [Some(2), Some(5)]);
        assert_eq!(ops.take_due(3999, 3000, 4096), []);
        assert_eq!(ops.oldest_write_ms(), Some(1000));
        assert_eq!(ops.take_due(4000, 3000, 4096), [(0, vec![7, 10])]);
        ops.add(0, 11, 4001);
        ops.add(0, 12, 4001);
        assert_eq!(ops.add(0, 13, 4001), Some(9));
        assert_eq!(ops.take_due(4001, 3000, 6), [(0, vec![11, 12])], "a whole one goes, the rest waits");
        ops.put_back(0, &[11, 12]);
        assert_eq!(ops.take_due(4001, 0, 4096), [(0, vec![11, 12, 13])]);
        ops.add(0, 14, 4001);
        assert_eq!(ops.take_due(4002, 3000, 4096), []);
        assert_eq!(ops.take_due(7001, 3000, 4096), [(0, vec![14])]);
        assert_eq!(ops.oldest_write_ms(), None);
    }

    #[test]
    fn more_than_fit_do_not_wait() {
        let ops = Ops::default();
        assert!((0..PENDING_MAX as i64).all(|offset| ops.add(3, offset, 0).is_some()));
        assert_eq!(ops.add(3, 1, 0), None);
        assert!(ops.add(4, 1, 0).is_some());
    }

    #[test]
    fn bodies_of_both_versions() {
        assert_eq!(body(&[0, 12]), "0,12,");
        assert_eq!(offsets(b"0,12,").collect::<Vec<_>>(), [0, 12]);
        assert_eq!(offsets(b"7").collect::<Vec<_>>(), [7]);
        assert_eq!(offsets(b"x,,\xff,5").collect::<Vec<_>>(), [5]);
        for offset in [0, 9, 10, 12_345] {
            assert_eq!(text_bytes(offset), body(&[offset]).len());
        }
    }
}

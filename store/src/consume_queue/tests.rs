//! One queue by itself: offsets that do not begin at 0, gaps, repetition, the min offset.

use std::fs;

use super::*;
use crate::disk::Disk;
use crate::sparse_files::Mappings;

struct Place {
    _dir: tempfile::TempDir,
    dirs: QueueDirs,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("consumequeue");
        let mappings = Mappings::new(100);
        let entries =
            Arc::new(SparseDir { path, file_bytes: 10 * ENTRY_BYTES, disk: Disk::real(), mappings });
        Self { _dir: root, dirs: QueueDirs { entries, ext: None } }
    }

    fn queue(&self) -> Arc<ConsumeQueue> {
        Arc::new(ConsumeQueue::new(&self.dirs, "T".into(), 3))
    }

    fn reopen(&self, trust: Trust) -> Arc<ConsumeQueue> {
        let queue = self.queue();
        queue.load(trust).unwrap();
        queue
    }
}

/// Of the message with this queue offset: 100 bytes at 100 times the offset.
fn entry(offset: i64) -> QueueEntry {
    QueueEntry { physical_offset: offset * 100, size: 100, tags_code: -offset }
}

fn put(queue: &Arc<ConsumeQueue>, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        assert!(queue.put(offset, entry(offset), None).unwrap(), "{offset}");
    }
}

fn range(queue: &ConsumeQueue) -> (i64, i64) {
    (queue.min_offset(), queue.max_offset())
}

#[test]
fn begins_where_the_log_begins() {
    let place = Place::new();
    let queue = place.queue();
    put(&queue, 13..25);
    assert_eq!(range(&queue), (13, 25));
    assert_eq!(queue.entry(12).unwrap(), None);
    assert_eq!(
        queue.entries(13).unwrap().unwrap().map(Result::unwrap).collect::<Vec<_>>(),
        (13..20).map(entry).collect::<Vec<_>>()
    );
    assert_eq!(queue.entry(24).unwrap(), Some(entry(24)));
    assert_eq!(queue.entry(25).unwrap(), None);
    let file = fs::read(queue.files.file_path(10 * ENTRY_BYTES)).unwrap();
    assert_eq!(file[..20], QueueEntry::PRE_BLANK.encode(), "as Java fills it");
    assert_eq!(file.len(), 200);
    assert_eq!(queue.dirty_pages(), 1);
    queue.flush().unwrap();
    assert_eq!(queue.dirty_pages(), 0);

    let queue = place.reopen(Trust::All);
    assert_eq!(range(&queue), (0, 25));
    queue.correct_min_offset(1300).unwrap();
    assert_eq!(range(&queue), (13, 25));
    assert_eq!(queue.max_physical_offset(), 2500);
    put(&queue, 25..31);
    assert_eq!(queue.entry(30).unwrap(), Some(entry(30)));
}

#[test]
fn repetition_and_gaps() {
    let place = Place::new();
    let queue = place.queue();
    put(&queue, 0..5);
    assert!(!queue.put(4, entry(4), None).unwrap());
    assert!(!queue.put(2, entry(50), None).unwrap(), "an offset that is taken");
    put(&queue, 8..9);
    assert_eq!((queue.max_offset(), queue.entry(6).unwrap()), (9, Some(QueueEntry::PRE_BLANK)));
    queue.put(1 << 50, entry(60), None).unwrap();
    assert_eq!(
        (queue.max_offset(), queue.entry(9).unwrap()),
        (10, Some(entry(60))),
        "a damaged offset goes to the end"
    );
}

#[test]
fn ends_at_the_first_hole_unless_known_to_be_whole() {
    let place = Place::new();
    put(&place.queue(), 0..38);
    let path = place.queue().files.file_path(30 * ENTRY_BYTES);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40..60].fill(0);
    fs::write(&path, &bytes).unwrap();
    // Written after what is trusted: the hole is found, and what stood behind it is gone for good.
    assert_eq!(place.reopen(Trust::UpTo(2500)).max_offset(), 32);
    assert_eq!(place.reopen(Trust::All).max_offset(), 32);
    assert_eq!(place.reopen(Trust::UpTo(-1)).max_offset(), 32);
}

#[test]
fn truncation_goes_over_files() {
    let place = Place::new();
    put(&place.queue(), 0..35);
    for (cut, max) in [(3550, 35), (3450, 35), (3400, 34), (3000, 30), (1950, 20), (0, 0)] {
        let queue = place.reopen(Trust::All);
        queue.truncate(cut).unwrap();
        assert_eq!(queue.max_offset(), max, "cut at {cut}");
        assert_eq!(place.reopen(Trust::All).max_offset(), max, "cut at {cut}, reopened");
    }
    let queue = place.reopen(Trust::All);
    put(&queue, 0..1);
    assert_eq!(range(&queue), (0, 1));
}

#[test]
fn the_min_offset_follows_the_log() {
    let place = Place::new();
    let queue = place.queue();
    put(&queue, 0..10);
    for (log_begin, min) in [(0, 0), (1, 1), (100, 1), (350, 4), (900, 9), (901, 10), (5000, 10)] {
        queue.correct_min_offset(log_begin).unwrap();
        assert_eq!(queue.min_offset(), min, "log begins at {log_begin}");
    }
}

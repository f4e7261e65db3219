//! One batch queue by itself.

use super::*;
use crate::disk::Disk;
use crate::layout::QueueEntry;
use crate::sparse_files::Mappings;

struct Place {
    _root: tempfile::TempDir,
    dir: Arc<SparseDir>,
}

impl Place {
    /// Ten entries a file.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (path, mappings) = (root.path().join("queue"), Mappings::new(100));
        let disk = Disk::real();
        let dir = Arc::new(SparseDir { path, file_bytes: 10 * ENTRY_BYTES, disk, mappings });
        Self { _root: root, dir }
    }

    fn reopen(&self, trust: Trust) -> BatchConsumeQueue {
        let queue = BatchConsumeQueue::new(Arc::clone(&self.dir), "T".into(), 3);
        queue.load(trust).unwrap();
        queue
    }
}

/// The entry with this index: 3 messages in 100 bytes, stored at ten times the index.
fn entry(index: i64) -> BatchQueueEntry {
    BatchQueueEntry {
        entry: QueueEntry { physical_offset: index * 100, size: 100, tags_code: -index },
        store_timestamp_ms: index * 10,
        base_offset: index * 3,
        batch_size: 3,
        rest: BatchQueueEntry::PLAIN_REST,
    }
}

fn put(queue: &BatchConsumeQueue, indexes: std::ops::Range<i64>) {
    indexes.for_each(|index| assert!(queue.put(entry(index)).unwrap(), "{index}"));
}

fn range(queue: &BatchConsumeQueue) -> (i64, i64) {
    (queue.min_offset(), queue.max_offset())
}

#[test]
fn an_offset_is_found_in_the_record_that_holds_it() {
    let place = Place::new();
    let queue = place.reopen(Trust::All);
    assert_eq!(range(&queue), (-1, 0));
    assert!(queue.entries(0).unwrap().is_none());
    put(&queue, 0..25);
    assert!(!queue.put(entry(24)).unwrap(), "known");
    for trust in [Trust::All, Trust::UpTo(1000), Trust::UpTo(-1)] {
        let queue = place.reopen(trust);
        assert_eq!(range(&queue), (0, 75));
        assert_eq!(queue.max_physical_end().unwrap(), 2500);
        for offset in 0..75 {
            assert_eq!(
                queue.entries(offset).unwrap().unwrap().next().unwrap().unwrap(),
                entry(offset / 3),
                "{offset}"
            );
        }
        assert!(queue.entries(75).unwrap().is_none() && queue.entries(-1).unwrap().is_none());
        assert_eq!(
            queue.entries(28).unwrap().unwrap().map(|entry| entry.unwrap().base_offset).collect::<Vec<_>>(),
            [27]
        );
    }
    let queue = place.reopen(Trust::All);
    put(&queue, 25..26);
    assert_eq!(queue.dirty_pages(), 1);
    queue.flush().unwrap();
    assert_eq!((queue.dirty_pages(), queue.max_offset()), (0, 78));
}

#[test]
fn truncation_goes_over_files() {
    let place = Place::new();
    put(&place.reopen(Trust::All), 0..25);
    for (cut, max) in [(2450, 75), (2400, 72), (2000, 60), (950, 30), (0, 0)] {
        let queue = place.reopen(Trust::All);
        queue.truncate(cut).unwrap();
        assert_eq!(queue.max_offset(), max, "cut at {cut}");
        assert_eq!(place.reopen(Trust::All).max_offset(), max, "cut at {cut}, reopened");
    }
    let queue = place.reopen(Trust::All);
    put(&queue, 0..1);
    assert_eq!(range(&queue), (0, 3));
}

#[test]
fn the_min_offset_follows_the_log() {
    let place = Place::new();
    let queue = place.reopen(Trust::All);
    queue.correct_min_offset(100).unwrap();
    put(&queue, 0..25);
    for (log_begin, min) in [(0, 0), (1, 3), (100, 3), (350, 12), (5000, 30)] {
        queue.correct_min_offset(log_begin).unwrap();
        assert_eq!(queue.min_offset(), min, "log begins at {log_begin}");
    }
}

#[test]
fn offsets_by_time_go_over_files() {
    let place = Place::new();
    let queue = place.reopen(Trust::All);
    assert_eq!(
        queue.offset_by_time(5, Boundary::Lower).unwrap(),
        -1,
        "as Java says of a queue without messages"
    );
    put(&queue, 0..25);
    let lower =
        [(-1, 0), (0, 0), (1, 3), (40, 12), (85, 27), (95, 27), (100, 30), (235, 72), (240, 72), (999, 72)];
    for (time, offset) in lower {
        assert_eq!(queue.offset_by_time(time, Boundary::Lower).unwrap(), offset, "{time}");
    }
}

/// What Java's `BatchConsumeQueue.binarySearchRight` says of these store times (5.5.0, run on a buffer of such entries).
#[test]
fn times_within_a_file_as_java_finds_them() {
    const TIMES: [i64; 8] = [0, 10, 10, 10, 20, 30, 30, 40];
    const LOWER: [(i64, i64); 10] =
        [(-1, 0), (0, 0), (5, 1), (10, 1), (15, 4), (20, 4), (25, 5), (30, 5), (35, 7), (39, 7)];
    const UPPER: [(i64, i64); 10] =
        [(-1, 0), (0, 0), (5, -1), (10, 3), (15, 4), (20, 4), (25, -1), (30, 6), (35, 7), (39, 7)];
    let place = Place::new();
    let queue = place.reopen(Trust::All);
    for (index, store_timestamp_ms) in TIMES.into_iter().enumerate() {
        queue.put(BatchQueueEntry { store_timestamp_ms, ..entry(index as i64) }).unwrap();
    }
    for (boundary, expected) in [(Boundary::Lower, LOWER), (Boundary::Upper, UPPER)] {
        for (time, index) in expected {
            let found = queue.search_file_by_time(0..7, time, boundary).unwrap().unwrap_or(-1);
            assert_eq!(found, index, "{boundary:?} {time}");
        }
    }
}

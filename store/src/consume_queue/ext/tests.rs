//! A queue with an extension: end markers, reopening, what was lost.

use std::fs;

use super::*;
use crate::consume_queue::{ConsumeQueue, QueueDirs, Trust};
use crate::disk::Disk;
use crate::layout::QueueEntry;
use crate::sparse_files::Mappings;

/// Four units of 22 bytes and the end marker fit in.
const FILE_BYTES: i64 = 100;

struct Place {
    root: tempfile::TempDir,
    dirs: QueueDirs,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mappings = Mappings::new(100);
        let dir = |name: &str, file_bytes| {
            let path = root.path().join(name);
            Arc::new(SparseDir { path, file_bytes, disk: Disk::real(), mappings: Arc::clone(&mappings) })
        };
        let dirs = QueueDirs { entries: dir("queue", 400), ext: Some(dir("ext", FILE_BYTES)) };
        Self { root, dirs }
    }

    fn reopen(&self, trust: Trust) -> ConsumeQueue {
        let queue = ConsumeQueue::new(&self.dirs, "T".into(), 3);
        queue.load(trust).unwrap();
        queue
    }

    fn ext_file(&self, start: i64) -> Vec<u8> {
        fs::read(self.ext_path(start)).unwrap()
    }

    fn ext_path(&self, start: i64) -> std::path::PathBuf {
        self.root.path().join(format!("ext/T/3/{start:020}"))
    }
}

/// The tags code is the queue offset.
fn put(queue: &ConsumeQueue, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let entry = QueueEntry { physical_offset: offset * 100, size: 100, tags_code: offset };
        let unit = ExtUnit { tags_code: offset, store_timestamp_ms: 1000 + offset, bit_map: &[7, 8] };
        assert!(queue.put(offset, entry, Some(&unit)).unwrap(), "{offset}");
    }
}

fn address(queue: &ConsumeQueue, offset: i64) -> i64 {
    queue.entry(offset).unwrap().unwrap().tags_code
}

fn tags_codes(queue: &ConsumeQueue) -> Vec<Option<i64>> {
    let entries = (0..queue.max_offset()).map(|offset| queue.entry(offset).unwrap().unwrap());
    entries.map(|entry| queue.look_ext(&entry, |unit| unit.tags_code).unwrap()).collect()
}

fn all(count: i64) -> Vec<Option<i64>> {
    (0..count).map(Some).collect()
}

#[test]
fn units_lie_as_java_puts_them() {
    let place = Place::new();
    let queue = place.reopen(Trust::All);
    put(&queue, 0..6);
    let unit = [&[0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 2][..], &[7, 8]].concat();
    let first = place.ext_file(0);
    assert_eq!(first[..22], unit);
    assert_eq!(first[88..], [&[0xff, 0xff][..], &[0; 10]].concat(), "the end marker");
    assert_eq!(place.ext_file(100)[44..], [0; 56]);
    assert_eq!([0, 3, 4, 5].map(|offset| address(&queue, offset) - i64::MIN), [0, 66, 100, 122]);
    assert_eq!(tags_codes(&queue), all(6));
    let entry = queue.entry(5).unwrap().unwrap();
    assert_eq!(
        queue.look_ext(&entry, |unit| (unit.store_timestamp_ms, unit.bit_map.to_vec())).unwrap(),
        Some((1005, vec![7, 8]))
    );
    assert_eq!(queue.look_ext(&QueueEntry { tags_code: i64::MIN + 144, ..entry }, |_| ()).unwrap(), None);
    assert_eq!(queue.look_ext(&QueueEntry { tags_code: i64::MIN + 1, ..entry }, |_| ()).unwrap(), None);
    assert_eq!(queue.look_ext(&QueueEntry { tags_code: 5, ..entry }, |_| ()).unwrap(), None);
    queue.flush().unwrap();
    assert_eq!(queue.dirty_pages(), 0);
}

#[test]
fn a_reopened_queue_goes_on_behind_its_last_unit() {
    for trust in [Trust::All, Trust::UpTo(200), Trust::UpTo(-1)] {
        let place = Place::new();
        put(&place.reopen(trust), 0..6);
        let queue = place.reopen(trust);
        put(&queue, 6..9);
        assert_eq!(tags_codes(&queue), all(9), "{trust:?}");
        assert_eq!(address(&queue, 6) - i64::MIN, 144, "{trust:?}");
    }
}

#[test]
fn a_message_that_is_told_again_gets_no_unit_again() {
    let place = Place::new();
    put(&place.reopen(Trust::All), 0..6);
    // As after a crash, which has the log told from some place before the end.
    let queue = place.reopen(Trust::UpTo(200));
    for offset in 2..6 {
        let entry = QueueEntry { physical_offset: offset * 100, size: 100, tags_code: offset };
        let unit = ExtUnit { tags_code: offset, store_timestamp_ms: 1000 + offset, bit_map: &[7, 8] };
        assert!(!queue.put(offset, entry, Some(&unit)).unwrap(), "{offset}");
    }
    put(&queue, 6..7);
    assert_eq!(address(&queue, 6), address(&queue, 5) + 22);
    assert_eq!(tags_codes(&queue), all(7));
}

#[test]
fn what_is_cut_off_the_queue_is_cut_off_the_extension() {
    let place = Place::new();
    put(&place.reopen(Trust::All), 0..9);
    let queue = place.reopen(Trust::All);
    queue.truncate(350).unwrap();
    assert_eq!(tags_codes(&queue), all(4));
    assert!(!place.ext_path(100).exists());
    put(&queue, 4..9);
    assert_eq!(tags_codes(&queue), all(9));
}

#[test]
fn an_entry_without_its_unit_is_made_again() {
    let place = Place::new();
    put(&place.reopen(Trust::All), 0..6);
    // As a power cut may leave it: the entries came to disk, the second file of the extension did not.
    fs::write(place.ext_path(100), [0; FILE_BYTES as usize]).unwrap();
    let queue = place.reopen(Trust::UpTo(200));
    assert_eq!(queue.max_offset(), 4);
    put(&queue, 4..6);
    assert_eq!(tags_codes(&queue), all(6));
}

#[test]
fn a_lost_unit_s_address_is_not_given_away() {
    let place = Place::new();
    put(&place.reopen(Trust::All), 0..6);
    fs::write(place.ext_path(100), [0; FILE_BYTES as usize]).unwrap();
    let queue = place.reopen(Trust::All);
    put(&queue, 6..7);
    assert_eq!(tags_codes(&queue), [Some(0), Some(1), Some(2), Some(3), None, None, Some(6)]);
}

#[test]
fn old_files_go_with_the_log() {
    let place = Place::new();
    let queue = place.reopen(Trust::All);
    put(&queue, 0..14);
    queue.correct_min_offset(450).unwrap();
    assert_eq!(queue.min_offset(), 5);
    assert!(!place.ext_path(0).exists() && place.ext_path(100).exists());
    assert_eq!(tags_codes_from(&queue, 5), (5..14).map(Some).collect::<Vec<_>>());
}

fn tags_codes_from(queue: &ConsumeQueue, first: i64) -> Vec<Option<i64>> {
    let entries = (first..queue.max_offset()).map(|offset| queue.entry(offset).unwrap().unwrap());
    entries.map(|entry| queue.look_ext(&entry, |unit| unit.tags_code).unwrap()).collect()
}

#[test]
fn what_does_not_fit_stays_in_the_entry() {
    let place = Place::new();
    let queue = place.reopen(Trust::All);
    let entry = QueueEntry { physical_offset: 0, size: 100, tags_code: 5 };
    let bit_map = vec![1; 200];
    let unit = ExtUnit { tags_code: 5, store_timestamp_ms: 1, bit_map: &bit_map };
    assert!(queue.put(0, entry, Some(&unit)).unwrap());
    assert_eq!(queue.entry(0).unwrap(), Some(entry));
    let bit_map = vec![1; UNIT_BYTES_MAX];
    assert_eq!(ExtUnit { bit_map: &bit_map, ..unit }.encode(), None);
}

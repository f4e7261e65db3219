use super::*;
use crate::disk::Disk;
use crate::layout::{TIMER_SLOT_BYTES, TimerSlot, file_name, timer_blank};
use crate::testing::golden::unpack;
use std::fs;
use std::path::Path;

const NOW_MS: i64 = 1_800_000_000_000;
const LOG_END: i64 = 1 << 40;
/// Three records and a blank.
const FILE_BYTES: usize = 3 * TIMER_LOG_RECORD_BYTES + timer_blank::BYTES + 5;

fn config(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig {
        store_path_root_dir: root.to_owned(),
        mapped_file_size_timer_log_bytes: FILE_BYTES,
        ..MessageStoreConfig::of_defaults()
    }
}

fn open(root: &Path, log_end: i64, clean: bool) -> TimerFiles {
    TimerFiles::open(&config(root), &Disk::real(), StoreEnd { log_end, clean }).unwrap()
}

/// Enters a message of a number that is also its physical offset.
fn enter(files: &TimerFiles, number: i64, in_seconds: i64) {
    let entry = TimerEntry {
        slot_ms: NOW_MS + in_seconds * 1000,
        write_time_ms: NOW_MS,
        rolls: false,
        deletes: false,
        physical_offset: number,
        message_bytes: 100,
        topic_hash: 7,
    };
    files.enter(&entry).unwrap();
}

/// Numbers of the messages of a slot.
fn numbers(files: &TimerFiles, in_seconds: i64) -> Vec<i64> {
    let places = files.places(NOW_MS + in_seconds * 1000).unwrap();
    places.iter().map(|place| files.record(*place).unwrap().unwrap().physical_offset).collect()
}

fn first_ten(files: &TimerFiles) {
    for number in 0..10 {
        enter(files, number, number % 3);
    }
}

fn assert_first_ten(files: &TimerFiles) {
    assert_eq!(numbers(files, 0), [0, 3, 6, 9]);
    assert_eq!(numbers(files, 1), [1, 4, 7]);
    assert_eq!(numbers(files, 2), [2, 5, 8]);
    assert_eq!(numbers(files, 3), [0; 0]);
    assert_eq!([0, 1, 2, 3].map(|seconds| files.count(NOW_MS + seconds * 1000).unwrap()), [4, 3, 3, 0]);
}

#[test]
fn slots_keep_their_messages_over_several_files_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), LOG_END, true);
    first_ten(&files);
    assert_first_ten(&files);
    assert_eq!(fs::read_dir(dir.path().join("timerlog")).unwrap().count(), 4);
    assert_eq!(files.last_physical_offset().unwrap(), Some(9));
    assert_eq!(files.entered_since(7).unwrap(), HashSet::from([7, 8, 9]));
    let checkpoint = TimerCheckpoint { last_read_time_ms: NOW_MS, counter: 3, ..TimerCheckpoint::default() };
    files.flush(checkpoint).unwrap();
    drop(files);
    let files = open(dir.path(), LOG_END, true);
    let flushed = TimerCheckpoint { last_timer_log_flush_pos: 3 * FILE_BYTES as i64 + 52, ..checkpoint };
    assert_eq!(files.checkpoint(), flushed);
    assert_first_ten(&files);
    enter(&files, 10, 1);
    assert_eq!(numbers(&files, 1), [1, 4, 7, 10]);
    // A later round of the wheel takes the slot.
    let round = span_ms(1000) / 1000;
    enter(&files, 11, round);
    assert_eq!((numbers(&files, 0), numbers(&files, round)), (vec![], vec![11]));
}

#[test]
fn emptied_slots_take_new_messages_and_no_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), LOG_END, true);
    first_ten(&files);
    files.empty(NOW_MS, NOW_MS + 2000).unwrap();
    let assert_emptied = |files: &TimerFiles| {
        assert_eq!([0, 1, 2].map(|seconds| numbers(files, seconds)), [vec![], vec![10], vec![2, 5, 8]]);
        assert_eq!([0, 1, 2].map(|seconds| files.count(NOW_MS + seconds * 1000).unwrap()), [0, 1, 3]);
        let mut pending = Vec::new();
        files.for_each_pending(NOW_MS, |record| pending.push(record.physical_offset)).unwrap();
        assert_eq!(pending, [2, 5, 8, 10]);
    };
    enter(&files, 10, 1);
    assert_emptied(&files);
    files.flush(TimerCheckpoint::default()).unwrap();
    drop(files);
    for clean in [true, false] {
        assert_emptied(&open(dir.path(), LOG_END, clean));
    }
    open(dir.path(), LOG_END, true).empty(0, i64::MAX).unwrap();
    assert_emptied(&open(dir.path(), LOG_END, true));
}

#[test]
fn a_missing_wheel_is_made_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), LOG_END, true);
    first_ten(&files);
    files.flush(TimerCheckpoint::default()).unwrap();
    drop(files);
    fs::remove_file(dir.path().join("timerwheel")).unwrap();
    assert_first_ten(&open(dir.path(), LOG_END, true));
    let copies = MessageStoreConfig { timer_wheel_snapshot_flush: true, ..config(dir.path()) };
    let store = StoreEnd { log_end: LOG_END, clean: true };
    let files = TimerFiles::open(&copies, &Disk::real(), store).unwrap();
    assert_first_ten(&files);
    files.flush(TimerCheckpoint::default()).unwrap();
    let names =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let wheels: Vec<_> = names.filter(|name| name.starts_with("timerwheel")).collect();
    assert_eq!(wheels, ["timerwheel"], "no copies");
}

#[test]
fn a_wheel_behind_the_log_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let wheel = dir.path().join("timerwheel");
    let files = open(dir.path(), LOG_END, true);
    for number in 0..6 {
        enter(&files, number, number % 3);
    }
    let old = fs::read(&wheel).unwrap();
    for number in 6..10 {
        enter(&files, number, number % 3);
    }
    drop(files);
    fs::write(&wheel, old).unwrap();
    assert_first_ten(&open(dir.path(), LOG_END, false));
}

#[test]
fn records_of_lost_messages_go_and_their_slots_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), LOG_END, true);
    first_ten(&files);
    for (number, seconds) in [(20, 0), (21, 1), (22, 5)] {
        enter(&files, number, seconds);
    }
    drop(files);
    let files = open(dir.path(), 20, false);
    assert_first_ten(&files);
    assert_eq!(numbers(&files, 5), [0; 0]);
    enter(&files, 20, 4);
    drop(files);
    let files = open(dir.path(), LOG_END, false);
    assert_first_ten(&files);
    assert_eq!(numbers(&files, 4), [20], "and nothing of the old ones behind it");
    assert_eq!(files.last_physical_offset().unwrap(), Some(20));
}

#[test]
fn a_log_that_is_gone_leaves_no_slots() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), LOG_END, true);
    first_ten(&files);
    files.flush(TimerCheckpoint::default()).unwrap();
    drop(files);
    fs::remove_dir_all(dir.path().join("timerlog")).unwrap();
    let files = open(dir.path(), LOG_END, true);
    assert_eq!(numbers(&files, 0), [0; 0]);
    first_ten(&files);
    assert_first_ten(&files);
}

#[test]
fn files_of_messages_that_are_gone_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), LOG_END, true);
    first_ten(&files);
    let names = || {
        let mut names: Vec<_> = fs::read_dir(dir.path().join("timerlog"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    files.remove_expired(5).unwrap();
    assert_eq!(names().len(), 3);
    files.remove_expired(100).unwrap();
    assert_eq!(names(), [file_name(3 * FILE_BYTES as i64).as_str()], "the last one stays");
    assert_eq!(numbers(&files, 0), [9]);
}

#[test]
fn another_size_of_the_wheel_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("timerwheel"), [0; 320]).unwrap();
    let error = TimerFiles::open(&config(dir.path()), &Disk::real(), StoreEnd { log_end: 0, clean: true })
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::WrongFileSize { bytes: 320, .. }), "{error}");
}

/// Slots of a wheel's file that are in use.
fn slots(root: &Path) -> Vec<TimerSlot> {
    let bytes = fs::read(root.join("timerwheel")).unwrap();
    let slots = bytes.chunks_exact(TIMER_SLOT_BYTES).filter_map(TimerSlot::decode);
    slots.filter(|slot| slot.time != 0).collect()
}

#[test]
fn java_s_wheel_is_read_and_made_anew_as_it_was() {
    let (golden, _) = unpack("5.5.0", "five");
    let root = golden.config.store_path_root_dir.as_path();
    let log_file = root.join("timerlog").join(file_name(0));
    let config = MessageStoreConfig {
        mapped_file_size_timer_log_bytes: fs::metadata(log_file).unwrap().len() as usize,
        ..config(root)
    };
    let store = StoreEnd { log_end: LOG_END, clean: true };
    let java = slots(root);
    assert!(java.len() > 3);
    let files = TimerFiles::open(&config, &Disk::real(), store).unwrap();
    assert!(files.checkpoint().last_timer_queue_offset > 0);
    let mut entered = 0;
    for slot in &java {
        let places = files.places(slot.time * 1000).unwrap();
        assert_eq!((places.first(), places.last()), (Some(&slot.first), Some(&slot.last)));
        entered += places.len();
    }
    assert_eq!(files.entered_since(0).unwrap().len(), entered);
    drop(files);
    assert_eq!(slots(root), java);
    fs::remove_file(root.join("timerwheel")).unwrap();
    TimerFiles::open(&config, &Disk::real(), store).unwrap();
    assert_eq!(slots(root), java);
}

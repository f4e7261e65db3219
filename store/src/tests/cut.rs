//! The log cut off and damaged at every byte of its last record.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

use super::*;

const KEPT: usize = 5;

/// A store that a crash left behind, with `KEPT` messages and one more: the bytes of the log and where that one begins.
fn crashed(scratch: &Scratch) -> (Vec<u8>, usize, usize) {
    let store = scratch.start();
    fill(&store, 0, KEPT);
    let last = store.append(&message("T", 0, b"the last message", "A")).unwrap();
    derived(&store);
    drop(store);
    let log = fs::read(log_path(scratch)).unwrap();
    (log, last.physical_offset as usize, last.size)
}

fn log_path(scratch: &Scratch) -> std::path::PathBuf {
    scratch.config.commit_log_dir().join(layout::file_name(0))
}

fn small() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_commit_log_bytes = 8 << 10;
    scratch
}

#[test]
fn cut_at_every_byte_of_the_last_record() {
    let scratch = small();
    let (log, start, size) = crashed(&scratch);
    for cut in start..start + size {
        let mut torn = log.clone();
        torn[cut..].fill(0);
        fs::write(log_path(&scratch), &torn).unwrap();
        fs::write(scratch.config.root().join("abort"), b"1").unwrap();
        let store = scratch.start();
        // No checksum covers the properties, which come last: but none ends with a zero.
        assert_eq!(store.max_phy_offset() as usize, start, "cut at {cut}");
        check(&store, KEPT);
        // The place is free again, for the log and for the queue.
        let again = store.append(&message("T", 0, &body(KEPT), "A")).unwrap();
        assert_eq!((again.physical_offset as usize, again.queue_offset), (start, KEPT as i64));
        derived(&store);
        check(&store, KEPT + 1);
        drop(store);
    }
}

#[test]
fn flip_every_byte_of_the_last_record() {
    let scratch = small();
    let (log, start, size) = crashed(&scratch);
    let file = OpenOptions::new().write(true).open(log_path(&scratch)).unwrap();
    for at in start..start + size {
        let mut damaged = log.clone();
        damaged[at] ^= 0x55;
        file.write_all_at(&damaged, 0).unwrap();
        let _ = fs::remove_dir_all(scratch.config.consume_queue_dir());
        fs::write(scratch.config.root().join("abort"), b"1").unwrap();
        let store = scratch.start();
        let end = store.max_phy_offset() as usize;
        assert!(end == start || end == start + size, "flip at {at}: {end}");
        let found = drain(&store, "T", 0);
        assert!(
            found.len() >= KEPT && found[..KEPT] == (0..KEPT).map(body).collect::<Vec<_>>()[..],
            "flip at {at}"
        );
        assert!(found[KEPT..].iter().all(|found| found == b"the last message"), "flip at {at}");
        drop(store);
    }
}

#[test]
fn what_was_cut_off_does_not_come_back() {
    let scratch = small();
    let (log, start, size) = crashed(&scratch);
    // The record before the last is damaged; a new one of its very size must not make the last one valid again.
    let before = {
        let mut at = 0;
        while let Ok(Record::Message(record)) = Record::decode(&log[at..])
            && at + record.size < start
        {
            at += record.size;
        }
        at
    };
    let mut damaged = log.clone();
    damaged[before + 4] ^= 1;
    fs::write(log_path(&scratch), &damaged).unwrap();
    for reopened in 0..2 {
        let store = scratch.start();
        if reopened == 0 {
            assert_eq!(store.max_phy_offset() as usize, before);
            let same_size = store.append(&message("T", 0, &body(KEPT - 1), "A")).unwrap();
            assert_eq!(same_size.end_offset() as usize, start);
        }
        assert_eq!(store.max_phy_offset() as usize, start, "not {}", start + size);
        derived(&store);
        check(&store, KEPT);
    }
}

#[test]
fn a_hole_in_a_queue_is_filled_from_the_log() {
    let scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0, 40);
    derived(&store);
    drop(store);
    let queue = scratch.config.consume_queue_dir().join("T/0").join(layout::file_name(0));
    let file = OpenOptions::new().write(true).open(&queue).unwrap();
    file.write_all_at(&[0; 100], 200).unwrap();
    check(&scratch.open(), 40);
}

/// A crashed store of 40 messages of which the first 30 are known to be durable, damaged in the body of the tenth.
fn damaged_before_the_checkpoint(scratch: &mut Scratch) {
    scratch.config.flush_interval_consume_queue_ms = 5;
    scratch.config.flush_consume_queue_thorough_interval_ms = 5;
    let store = scratch.start();
    fill(&store, 0, 30);
    let end = store.max_phy_offset();
    wait_until("the checkpoint knows them", || {
        let durable = store.parts.checkpoint.fields().durable();
        durable.and_then(|at| store.look_message_by_offset(at).unwrap().map(|last| at + last.len() as i64))
            == Some(end)
    });
    scratch.config.flush_consume_queue_thorough_interval_ms = 60_000;
    fill(&store, 30, 10);
    derived(&store);
    let tenth = store.commit_log_offset_in_queue("T", 0, 10).unwrap() as u64;
    drop(store);
    let file = OpenOptions::new().write(true).open(log_path(scratch)).unwrap();
    file.write_all_at(b"?", tenth + 90).unwrap();
}

#[test]
fn recovery_begins_at_the_checkpoint() {
    let mut scratch = Scratch::default();
    damaged_before_the_checkpoint(&mut scratch);
    assert_eq!(scratch.open().max_offset_in_queue("T", 0), 40);
}

#[test]
fn a_queue_that_misses_what_the_checkpoint_says_is_rebuilt() {
    let mut scratch = Scratch::default();
    damaged_before_the_checkpoint(&mut scratch);
    fs::remove_dir_all(scratch.config.consume_queue_dir()).unwrap();
    // From the file's begin, and up to the damage, as Java.
    assert_eq!(scratch.open().max_offset_in_queue("T", 0), 10);
}

/// Names of queue files come to disk at once, their sizes and contents when they are flushed.
#[test]
fn the_last_queue_files_came_to_disk_empty_or_short() {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_consume_queue_bytes = 200;
    let store = scratch.start();
    fill(&store, 0, 75);
    derived(&store);
    drop(store);
    let path = |start: i64| scratch.config.consume_queue_dir().join("T/0").join(layout::file_name(start));
    assert!(path(1400).exists() && !path(1600).exists());
    for (start, bytes) in [(600, 0), (800, 100), (1000, 0), (1200, 199), (1400, 0), (1600, 0)] {
        fs::write(path(start), vec![0; bytes]).unwrap();
    }
    let store = scratch.start();
    check(&store, 75);
    let next = store.append(&message("T", 0, b"one more", "A")).unwrap();
    assert_eq!(next.queue_offset, 75);
}

/// Sizes of queue files come to disk by the file system's own turn, what stands in them with a flush: after a power cut, or a
/// disk that went away, files of zeros stand before others.
#[test]
fn queue_files_came_to_disk_without_their_entries() {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_consume_queue_bytes = 200;
    scratch.config.mapped_file_size_commit_log_bytes = 4 << 10;
    scratch.config.commit_log_recover_max_num = 2;
    let store = scratch.start();
    fill(&store, 0, 200);
    derived(&store);
    assert!(store.parts.log.files.len() > 4 * scratch.config.commit_log_recover_max_num);
    drop(store);
    let path =
        |number: i64| scratch.config.consume_queue_dir().join("T/0").join(layout::file_name(number * 200));
    for zeros in [&[2, 3, 9][..], &[0], &[15, 16, 17, 18, 19], &[19, 7]] {
        for &number in zeros {
            fs::write(path(number), [0; 200]).unwrap();
        }
        fs::write(scratch.config.root().join("abort"), b"1").unwrap();
        let store = scratch.start();
        check(&store, 200);
        assert_eq!(store.max_offset_in_queue("T", 0), 200);
        drop(store);
    }
}

/// What a sender wrote is kept, whatever it ends with: after a clean stop and after a crash.
#[test]
fn the_last_message_may_have_properties_that_end_with_a_zero() {
    let scratch = small();
    let odd = Message { properties: "a\u{1}\0".into(), ..message("T", 0, b"odd", "") };
    for round in 1..=4 {
        let store = scratch.start();
        store.append(&odd).unwrap();
        derived(&store);
        if round % 2 == 0 {
            store.shutdown();
        }
        drop(store);
        assert_eq!(drain(&scratch.start(), "T", 0).len(), round);
    }
}

/// Java's broker leaves such a value open. Followed by another record or by a blank, a record is what it is.
#[test]
fn properties_may_end_with_a_zero_but_for_the_last() {
    let scratch = small();
    let store = scratch.start();
    let odd = Message { properties: "a\u{1}\0".into(), ..message("T", 0, &[b'x'; 3000], "") };
    // Two a file, and a blank.
    for _ in 0..5 {
        store.append(&odd).unwrap();
    }
    store.append(&message("T", 0, b"last", "A")).unwrap();
    derived(&store);
    assert!(store.max_phy_offset() > 2 * (8 << 10), "two blanks");
    drop(store);
    for file in fs::read_dir(scratch.config.commit_log_dir()).unwrap() {
        let path = file.unwrap().path();
        let mut log = fs::read(&path).unwrap();
        while let Some(at) = log.windows(4).position(|bytes| bytes == b"a\x01\0\x02") {
            log[at + 3] = 0;
        }
        fs::write(&path, log).unwrap();
    }
    fs::remove_dir_all(scratch.config.consume_queue_dir()).unwrap();
    let store = scratch.start();
    derived(&store);
    assert_eq!(drain(&store, "T", 0).len(), 6);
}

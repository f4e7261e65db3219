//! A slave's log: a master's bytes in pieces of every kind.

use super::*;
use crate::ReplicaError;

/// A master's log of several files, byte for byte, and where its records begin and end.
pub(super) fn masters_log(scratch: &Scratch) -> (Vec<u8>, Vec<usize>) {
    let store = scratch.start();
    fill(&store, 0, 60);
    let end = store.max_phy_offset();
    store.shutdown();
    drop(store);
    let mut bytes = Vec::new();
    let file_bytes = scratch.config.mapped_file_size_commit_log_bytes as i64;
    for start in (0..end).step_by(file_bytes as usize) {
        let path = scratch.config.commit_log_dir().join(layout::file_name(start));
        bytes.extend(std::fs::read(path).unwrap());
    }
    bytes.truncate(end as usize);
    let mut boundaries = vec![0];
    let mut at = 0;
    while at < bytes.len() {
        let size = i32::from_be_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
        at += size;
        boundaries.push(at);
    }
    assert_eq!(at, bytes.len(), "records and blanks fill the log");
    (bytes, boundaries)
}

pub(super) fn small() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_commit_log_bytes = 8 << 10;
    scratch
}

pub(super) fn slave() -> Scratch {
    let mut scratch = small();
    scratch.config.broker_role = BrokerRole::Slave;
    scratch
}

#[test]
fn cut_at_every_boundary_and_reopened() {
    let (log, boundaries) = masters_log(&small());
    for cut in boundaries {
        // At the boundary, and a few bytes on: the rest of that record is yet to come.
        for over in [0, 3, 4, 40] {
            let cut = (cut + over).min(log.len());
            let scratch = slave();
            let store = scratch.start();
            assert_eq!(store.append_to_commit_log(0, &log[..cut]), Ok(cut as i64));
            let end = cut as i64;
            assert_eq!(
                store.append_to_commit_log(end + 1, b"x"),
                Err(ReplicaError::NotTheEnd { at: end + 1, end })
            );
            wait_until("whole records are derived", || store.parts.derive.is_done(end));
            store.shutdown();
            drop(store);
            let store = scratch.start();
            let end = store.max_phy_offset() as usize;
            assert!(end <= cut && boundaries_hold(&log, end), "cut at {cut}, reopened at {end}");
            store.append_to_commit_log(end as i64, &log[end..]).unwrap();
            derived(&store);
            check(&store, 60);
        }
    }
}

/// Whether a record, a blank or nothing begins at `at`.
fn boundaries_hold(log: &[u8], at: usize) -> bool {
    at == log.len() || Record::decode(&log[at..]).is_ok()
}

#[test]
fn in_pieces_of_any_size() {
    let (log, _) = masters_log(&small());
    for seed in Random::seeds(20) {
        let mut random = Random::new(seed);
        let mut scratch = slave();
        if random.below(2) == 0 {
            scratch.config.flush_disk_type = FlushDiskType::SyncFlush;
        }
        let store = scratch.start();
        let mut at = 0;
        while at < log.len() {
            let piece = (1 + random.below(3000) as usize).min(log.len() - at);
            let end = store.append_to_commit_log(at as i64, &log[at..at + piece]);
            assert_eq!(end, Ok((at + piece) as i64), "seed {seed}");
            at += piece;
        }
        derived(&store);
        check(&store, 60);
    }
}

#[test]
fn an_empty_log_begins_where_the_master_says() {
    let scratch = slave();
    let store = scratch.start();
    let file_bytes = 8 << 10;
    assert_eq!(store.append_to_commit_log(5, b"x"), Err(ReplicaError::NoFileStart { at: 5, file_bytes }));
    assert_eq!(store.append_to_commit_log(3 * file_bytes as i64, b""), Ok(3 * file_bytes as i64));
    assert_eq!((store.min_phy_offset(), store.flushed_where()), (24576, 24576));
}

#[test]
fn a_master_takes_no_bytes() {
    let store = small().start();
    assert_eq!(store.append_to_commit_log(0, b"x"), Err(ReplicaError::NotASlave));
}

#[test]
fn bytes_that_are_no_records_cost_the_rest_of_their_file() {
    let (log, _) = masters_log(&small());
    let file_bytes = 8 << 10;
    let scratch = slave();
    let store = scratch.start();
    let half = file_bytes / 2;
    store.append_to_commit_log(0, &log[..half]).unwrap();
    wait_until("whole records are derived", || store.parts.derive.is_done(half as i64));
    let before = store.max_offset_in_queue("T", 0);
    store.append_to_commit_log(half as i64, &vec![b'?'; half]).unwrap();
    store.append_to_commit_log(file_bytes as i64, &log[file_bytes..]).unwrap();
    derived(&store);
    let first_behind = Record::decode(&log[file_bytes..]);
    let Ok(Record::Message(first_behind)) = first_behind else { panic!("{first_behind:?}") };
    assert!(before > 0 && before < first_behind.queue_offset);
    assert_eq!(store.max_offset_in_queue("T", 0), 60, "offsets are the master's");
    let found = drain_from(&store, first_behind.queue_offset);
    assert_eq!(found, (first_behind.queue_offset as usize..60).map(body).collect::<Vec<_>>());
    assert!(store.parts.running.is_on());
}

fn drain_from(store: &MessageStore, mut offset: i64) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while offset < store.max_offset_in_queue("T", 0) {
        let result = get(store, "T", 0, offset);
        offset = result.next_begin_offset;
        found.extend(bodies(result));
    }
    found
}

#[test]
fn a_master_that_went_on_is_told_where_to_go_on() {
    let (log, _) = masters_log(&small());
    let scratch = slave();
    let store = scratch.start();
    store.append_to_commit_log(0, &log[..100]).unwrap();
    for at in [0, 99, 101] {
        assert_eq!(
            store.append_to_commit_log(at, &log[100..200]),
            Err(ReplicaError::NotTheEnd { at, end: 100 })
        );
    }
    assert_eq!(store.append_to_commit_log(100, &log[100..]), Ok(log.len() as i64));
    derived(&store);
    check(&store, 60);
    store.shutdown();
    let late = store.append_to_commit_log(log.len() as i64, b"x");
    assert!(matches!(late, Err(ReplicaError::Put(PutError::ServiceNotAvailable(_)))), "{late:?}");
}

#[test]
fn a_full_disk_takes_a_part_and_says_so() {
    let (log, _) = masters_log(&small());
    let mut scratch = slave();
    let full = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_full = Arc::clone(&full);
    scratch.surroundings.disk = crate::disk::Disk::real().failing(move |call, _| match call {
        crate::disk::DiskCall::Allocate if is_full.load(Ordering::Relaxed) => {
            Err(std::io::Error::from_raw_os_error(libc::ENOSPC))
        }
        _ => Ok(()),
    });
    let store = scratch.start();
    store.append_to_commit_log(0, &log[..100]).unwrap();
    full.store(true, Ordering::Relaxed);
    let refused = store.append_to_commit_log(100, &log[100..]);
    assert!(matches!(refused, Err(ReplicaError::Put(PutError::CreateMappedFileFailed(_)))), "{refused:?}");
    full.store(false, Ordering::Relaxed);
    let at = store.max_phy_offset();
    assert!(at > 100, "what fitted is kept");
    wait_until("there is room again", || store.append_to_commit_log(at, &log[at as usize..]).is_ok());
    derived(&store);
    check(&store, 60);
}

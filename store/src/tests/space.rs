//! Space: what is removed when, and where new files go.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::UNIX_EPOCH;

use super::disk::{Disk, DiskSpace};
use super::*;

const HOUR_MS: i64 = 3_600_000;

/// As if the zone were UTC.
fn utc_hour(epoch_ms: i64) -> u32 {
    (epoch_ms / HOUR_MS % 24) as u32
}

/// Percent used of every disk.
fn disk(used: &Arc<AtomicU64>) -> Disk {
    let used = Arc::clone(used);
    Disk::new(move |_| {
        let free = 100 - used.load(Ordering::Relaxed);
        Ok(DiskSpace { total: 100, free, usable: free })
    })
}

/// No pauses, and a disk and an hour that tests move.
fn scratch(used: &Arc<AtomicU64>) -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_commit_log_bytes = 4096;
    scratch.surroundings.local_hour = utc_hour;
    scratch.surroundings.disk = disk(used);
    without_pauses(&mut scratch);
    // Tests begin at 22:13 UTC.
    assert_eq!(utc_hour(scratch.clock.wall_ms()), 22);
    scratch
}

fn without_pauses(scratch: &mut Scratch) {
    scratch.config.delete_commit_log_files_interval_ms = 0;
    scratch.config.delete_consume_queue_files_interval_ms = 0;
}

fn round(store: &MessageStore) {
    store.parts.expire.round(&store.parts);
}

fn log_starts(store: &MessageStore) -> Vec<i64> {
    let files = store.parts.log.files.snapshot();
    assert!(files.iter().all(|file| file.path().exists()));
    files.iter().map(|file| file.start()).collect()
}

/// Says that the first `count` log files were last written `hours` ago, the others just now.
fn age(scratch: &Scratch, store: &MessageStore, count: usize, hours: i64) {
    let now_ms = scratch.clock.wall_ms();
    for (index, file) in store.parts.log.files.snapshot().iter().enumerate() {
        let at_ms = if index < count { now_ms - hours * HOUR_MS } else { now_ms };
        let file = File::options().write(true).open(file.path()).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_millis(at_ms as u64)).unwrap();
    }
}

/// A started store with five log files and a few queue files.
fn five_files(scratch: &Scratch) -> Arc<MessageStore> {
    let store = scratch.start();
    let mut count = 0;
    while store.parts.log.files.len() < 5 {
        store.append(&message("T", 0, &[b'x'; 100], "A")).unwrap();
        store.append(&message(if count < 10 { "Old" } else { "New" }, 0, b"y", "A")).unwrap();
        count += 1;
    }
    derived(&store);
    store.parts.flusher.want();
    wait_until("the log is flushed", || store.flushed_where() == store.max_phy_offset());
    store
}

/// `TOPIC/QUEUE MIN..MAX FILES` of every queue that has one or the other.
fn queues(store: &MessageStore, names: &[(String, i32)]) -> Vec<String> {
    let state = |(topic, id): &(String, i32)| {
        let (min, max) = (store.min_offset_in_queue(topic, *id), store.max_offset_in_queue(topic, *id));
        let dir = store.config().consume_queue_dir().join(topic).join(id.to_string());
        let mut files: Vec<i64> = fs::read_dir(dir)
            .into_iter()
            .flatten()
            .map(|entry| layout::parse_file_name(entry.unwrap().file_name().to_str().unwrap()).unwrap())
            .collect();
        files.sort_unstable();
        format!("{topic}/{id} {min}..{max} {files:?}")
    };
    names.iter().map(state).collect()
}

/// What Java 5.5.0 made of the golden store `core` with `deleteWhen` of every hour, `deleteFileBatchMax=1`,
/// `mappedFileSizeConsumeQueue=200`, no `consumequeue` (built anew at start) and the first two log files 73 hours old
/// (seen on a broker of its own, asked with GET_MIN_OFFSET and GET_MAX_OFFSET after each of its rounds).
const JAVA_AFTER_TWO: &[&str] = &[
    "Sh_Auto/0 1..1 [0]",
    "Sh_Auto/1 2..2 [0]",
    "Sh_Auto/2 1..1 [0]",
    "Sh_Auto/3 1..1 [0]",
    "Sh_Batch/0 0..22 [0, 200, 400]",
    "Sh_Batch/1 0..11 [0, 200]",
    "Sh_Keys/0 65..65 [1200]",
    "Sh_Keys/1 65..65 [1200]",
    "Sh_Keys/2 65..65 [1200]",
    "Sh_Plain/0 98..98 [1800]",
    "Sh_Plain/1 98..98 [1800]",
    "Sh_Plain/2 98..98 [1800]",
    "Sh_Plain/3 98..98 [1800]",
    "Sh_Rolls/0 16..34 [200, 400, 600]",
    "Sh_Zip/0 0..16 [0, 200]",
];
/// Then with the other two that old: the last stays.
const JAVA_AFTER_THREE: &str = "Sh_Rolls/0 25..34 [400, 600]";
/// Then after CLEAN_EXPIRED_CONSUMEQUEUE, those that are not as before.
const JAVA_AFTER_CLEANING: &[&str] = &[
    "Sh_Auto/0 0..0 []",
    "Sh_Auto/1 0..0 []",
    "Sh_Auto/2 0..0 []",
    "Sh_Auto/3 0..0 []",
    "Sh_Keys/0 0..0 []",
    "Sh_Keys/1 0..0 []",
    "Sh_Keys/2 0..0 []",
    "Sh_Plain/0 0..0 []",
    "Sh_Plain/1 0..0 []",
    "Sh_Plain/2 0..0 []",
    "Sh_Plain/3 0..0 []",
];

#[test]
fn what_is_left_is_what_java_leaves() {
    let (mut scratch, _) = crate::testing::golden::unpack("5.5.0", "core");
    fs::remove_dir_all(scratch.config.consume_queue_dir()).unwrap();
    without_pauses(&mut scratch);
    scratch.config.mapped_file_size_consume_queue_bytes = 200;
    scratch.surroundings.disk = disk(&Arc::default());
    scratch.config.delete_file_batch_max = 1;
    scratch.surroundings.local_hour = |_| 4;
    let store = scratch.start();
    let mut names: Vec<_> = store
        .queues()
        .into_iter()
        .flat_map(|(topic, ids)| ids.into_iter().map(move |id| (topic.clone(), id)))
        .collect();
    names.sort();
    age(&scratch, &store, 2, 73);
    let mut left = Vec::new();
    for _ in 0..3 {
        round(&store);
        left.push(log_starts(&store));
    }
    assert_eq!(
        left,
        [&[524_288, 1_048_576, 1_572_864][..], &[1_048_576, 1_572_864], &[1_048_576, 1_572_864]]
    );
    assert_eq!(queues(&store, &names), JAVA_AFTER_TWO);
    assert_eq!(store.earliest_message_time("Sh_Rolls", 0).unwrap(), 1_795_366_103_798);
    assert_eq!(store.earliest_message_time("Sh_Plain", 0).unwrap(), -1);

    age(&scratch, &store, 4, 73);
    round(&store);
    round(&store);
    assert_eq!(log_starts(&store), [1_572_864]);
    let mut expected: Vec<_> = JAVA_AFTER_TWO.to_vec();
    expected[13] = JAVA_AFTER_THREE;
    assert_eq!(queues(&store, &names), expected);
    let result = get(&store, "Sh_Rolls", 0, 3);
    assert_eq!((result.status, result.next_begin_offset), (GetMessageStatus::OffsetTooSmall, 25));
    assert_eq!(drain(&store, "Sh_Rolls", 0).len(), 9);

    store.clean_expired_consumer_queue(&|_| false);
    let removed: Vec<_> = names
        .iter()
        .filter(|(topic, _)| ["Sh_Auto", "Sh_Keys", "Sh_Plain"].contains(&&**topic))
        .cloned()
        .collect();
    assert_eq!(queues(&store, &removed), JAVA_AFTER_CLEANING);
    assert!(!scratch.config.consume_queue_dir().join("Sh_Plain").exists());
    store.clean_unused_topic(&|topic| topic == "Sh_Zip");
    assert_eq!(store.queues(), [("Sh_Zip".to_owned(), vec![0])]);
    assert_eq!(drain(&store, "Sh_Zip", 0).len(), 16);
}

#[test]
fn age_counts_at_the_hour_or_by_request() {
    let scratch = scratch(&Arc::default());
    let store = five_files(&scratch);
    age(&scratch, &store, 2, 72);
    let all = log_starts(&store);
    round(&store);
    assert_eq!(log_starts(&store), all, "not the hour");
    store.delete_files_manually();
    round(&store);
    assert_eq!(log_starts(&store), all[2..]);
    // 04:13 UTC.
    scratch.clock.advance(Duration::from_millis(6 * HOUR_MS as u64));
    age(&scratch, &store, 3, 71);
    round(&store);
    assert_eq!(log_starts(&store), all[2..], "too young");
    age(&scratch, &store, 3, 72);
    round(&store);
    assert_eq!(log_starts(&store), all[4..], "the last stays whatever its age");
    scratch.clock.advance(Duration::from_millis(HOUR_MS as u64));
    let again = five_files_more(&store);
    age(&scratch, &store, 0, 0);
    for _ in 1..MANUAL_ROUNDS_LEFT {
        round(&store);
    }
    age(&scratch, &store, 1, 72);
    round(&store);
    assert_eq!(log_starts(&store), again[1..], "a request lasts for 20 rounds");
    age(&scratch, &store, 1, 72);
    round(&store);
    assert_eq!(log_starts(&store), again[1..], "and no longer");
}

/// The clock was far ahead when the first two were written.
#[test]
fn no_file_is_younger_than_those_behind_it() {
    let scratch = scratch(&Arc::default());
    let store = five_files(&scratch);
    age(&scratch, &store, 2, -1000);
    let all = log_starts(&store);
    scratch.clock.advance(Duration::from_millis(54 * HOUR_MS as u64));
    round(&store);
    assert_eq!(log_starts(&store), all, "too young");
    scratch.clock.advance(Duration::from_millis(24 * HOUR_MS as u64));
    round(&store);
    assert_eq!(log_starts(&store), all[4..]);
}

/// Of the 20 that a request lasts for, behind the three rounds before.
const MANUAL_ROUNDS_LEFT: usize = 17;

fn five_files_more(store: &MessageStore) -> Vec<i64> {
    let wanted = store.parts.log.files.len() + 4;
    while store.parts.log.files.len() < wanted {
        store.append(&message("T", 0, &[b'x'; 100], "A")).unwrap();
    }
    derived(store);
    store.parts.flusher.want();
    wait_until("the log is flushed", || store.flushed_where() == store.max_phy_offset());
    log_starts(store)
}

#[test]
fn a_fuller_disk_takes_more() {
    let used = Arc::new(AtomicU64::new(75));
    let mut scratch = scratch(&used);
    scratch.config.delete_file_batch_max = 2;
    let store = five_files(&scratch);
    age(&scratch, &store, 1, 72);
    let all = log_starts(&store);
    round(&store);
    assert_eq!(log_starts(&store), all);
    used.store(76, Ordering::Relaxed);
    round(&store);
    assert_eq!(log_starts(&store), all[1..], "only what is old");
    used.store(86, Ordering::Relaxed);
    round(&store);
    assert_eq!(log_starts(&store), all[3..], "whatever its age, so many at once");
    round(&store);
    assert_eq!(log_starts(&store), all[4..]);
}

#[test]
fn young_files_stay_where_they_must_not_be_forced_out() {
    let used = Arc::new(AtomicU64::new(95));
    let mut scratch = scratch(&used);
    scratch.config.clean_file_forcibly_enable = false;
    let store = five_files(&scratch);
    round(&store);
    assert_eq!(log_starts(&store).len(), 5);
}

#[test]
fn appends_are_refused_beyond_the_warning_level() {
    let used = Arc::new(AtomicU64::new(90));
    let scratch = scratch(&used);
    let store = five_files(&scratch);
    let mut answers = Vec::new();
    // Java takes appends again only where no file would be forced out any more.
    for percent in [90, 91, 86, 85, 89, 92] {
        used.store(percent, Ordering::Relaxed);
        round(&store);
        answers.push(store.append(&message("T", 0, b"z", "A")).is_ok());
    }
    assert_eq!(answers, [true, false, false, true, true, false]);
    let refused = store.append(&message("T", 0, b"z", "A")).unwrap_err();
    assert!(matches!(refused, PutError::ServiceNotAvailable(_)), "{refused}");
    let used = store.used_ratios();
    assert_eq!((used.log, used.queues, used.index), (0.92, 0.92, 0.92));
    assert!(!drain(&store, "T", 0).is_empty(), "reads go on");
}

#[test]
fn appends_go_on_soon_after_there_is_space() {
    let used = Arc::new(AtomicU64::new(95));
    let mut scratch = scratch(&used);
    scratch.config.clean_resource_interval_ms = 3_600_000;
    let store = scratch.start();
    let cleaner = std::thread::spawn({
        let parts = Arc::clone(&store.parts);
        move || parts.expire.run_from(&parts, Instant::now())
    });
    wait_until("appends are refused", || store.append(&message("T", 0, b"z", "A")).is_err());
    let begin = Instant::now();
    used.store(10, Ordering::Relaxed);
    wait_until("appends are taken", || store.append(&message("T", 0, b"z", "A")).is_ok());
    assert!(begin.elapsed() < Duration::from_secs(5));
    store.shutdown();
    cleaner.join().unwrap();
}

#[test]
fn brokers_that_share_a_disk_count_their_own_files() {
    let mut scratch = scratch(&Arc::default());
    scratch.config.replicas_per_disk_partition = 2;
    scratch.config.message_index_enable = false;
    let store = five_files(&scratch);
    let total = Arc::new(AtomicU64::new(0));
    let bytes = 5 * 4096 + store.parts.queues.total_bytes();
    let parts_of = |percent: u64| {
        total.store(bytes * 2 * 100 / percent, Ordering::Relaxed);
        let total = Arc::clone(&total);
        let disk = Disk::new(move |_| {
            let total = total.load(Ordering::Relaxed);
            Ok(DiskSpace { total, free: total, usable: total })
        });
        store.shutdown();
        let surroundings = Surroundings { disk, ..scratch.surroundings.clone() };
        let store = MessageStore::open(
            scratch.config.clone(),
            surroundings,
            process::clock::Clock::test(1_700_000_000_000),
        )
        .unwrap();
        round(&store);
        let left = log_starts(&store).len();
        store.shutdown();
        left
    };
    assert_eq!(parts_of(70), 5);
    assert_eq!(parts_of(82), 1);
}

#[test]
fn who_reads_a_removed_file_goes_on() {
    let used = Arc::new(AtomicU64::new(0));
    let scratch = scratch(&used);
    let store = five_files(&scratch);
    let result = get(&store, "T", 0, 0);
    used.store(86, Ordering::Relaxed);
    round(&store);
    assert_eq!(log_starts(&store).len(), 1);
    assert!(bodies(result).iter().all(|body| *body == [b'x'; 100]));
    assert_eq!(store.min_phy_offset(), log_starts(&store)[0]);
    let now = get(&store, "T", 0, 0);
    assert_eq!((now.status, now.next_begin_offset), (GetMessageStatus::OffsetTooSmall, now.min_offset));
    assert!(now.min_offset > 0);
    stop(store);
    let store = scratch.open();
    assert_eq!(store.min_offset_in_queue("T", 0), now.min_offset, "found again");
}

#[test]
fn what_is_not_flushed_stays() {
    let used = Arc::new(AtomicU64::new(0));
    let mut scratch = scratch(&used);
    let never_ms = 3_600_000;
    scratch.config.flush_interval_commit_log_ms = never_ms;
    scratch.config.flush_interval_consume_queue_ms = never_ms;
    let store = scratch.start();
    let all = five_files_of(&store);
    assert_eq!(store.flushed_where(), 0);
    used.store(95, Ordering::Relaxed);
    round(&store);
    assert_eq!(log_starts(&store), all, "however full the disk is");
    store.parts.flusher.want();
    wait_until("the log is flushed", || store.flushed_where() == store.max_phy_offset());
    round(&store);
    assert_eq!(log_starts(&store), all[4..]);
}

/// As [`five_files`], in a store that flushes when it wants to.
fn five_files_of(store: &MessageStore) -> Vec<i64> {
    while store.parts.log.files.len() < 5 {
        store.append(&message("T", 0, &[b'x'; 100], "A")).unwrap();
    }
    derived(store);
    log_starts(store)
}

#[test]
fn every_queue_learns_its_min_offset_before_files_go() {
    let used = Arc::new(AtomicU64::new(0));
    let mut scratch = scratch(&used);
    scratch.config.mapped_file_size_consume_queue_bytes = 20 * 5;
    scratch.config.delete_consume_queue_files_interval_ms = 3_600_000;
    let store = five_files(&scratch);
    let of_all = |look: &dyn Fn(&str) -> i64| ["T", "Old", "New"].map(look);
    assert_eq!(of_all(&|topic| store.min_offset_in_queue(topic, 0)), [0, 0, 0]);
    used.store(86, Ordering::Relaxed);
    let cleaning = std::thread::spawn({
        let store = Arc::clone(&store);
        move || round(&store)
    });
    wait_until("the first queue has lost its files", || {
        let dir = store.config().consume_queue_dir();
        let files = |topic: &str| fs::read_dir(dir.join(topic).join("0")).unwrap().count() as i64;
        let entries = |topic: &str| store.max_offset_in_queue(topic, 0);
        of_all(&|topic| (files(topic) * 5 < entries(topic)).into()).iter().sum::<i64>() == 1
    });
    // The second would lose its own an hour later.
    assert!(of_all(&|topic| store.min_offset_in_queue(topic, 0)).iter().all(|offset| *offset > 0));
    store.shutdown();
    cleaning.join().unwrap();
}

#[test]
fn a_queue_whose_message_is_on_its_way_is_not_cleaned() {
    let used = Arc::new(AtomicU64::new(0));
    let scratch = scratch(&used);
    let store = scratch.open();
    let gate = Arc::new(Mutex::new(()));
    let derive_waits = Arc::clone(&gate);
    store.start(Box::new(move |_| drop(derive_waits.lock()))).unwrap();
    store.append(&message("Old", 0, b"old", "A")).unwrap();
    five_files_of(&store);
    store.parts.flusher.want();
    wait_until("the log is flushed", || store.flushed_where() == store.max_phy_offset());
    used.store(86, Ordering::Relaxed);
    round(&store);
    assert_eq!((store.min_offset_in_queue("Old", 0), store.max_offset_in_queue("Old", 0)), (1, 1));

    let closed = gate.lock();
    let told = store.append(&message("T", 0, b"stops the thread", "A")).unwrap().queue_offset;
    wait_until("the thread stands", || store.max_offset_in_queue("T", 0) > told);
    assert_eq!(store.append(&message("Old", 0, b"on its way", "A")).unwrap().queue_offset, 1);
    store.clean_expired_consumer_queue(&|_| false);
    drop(closed);
    derived(&store);
    assert_eq!(drain(&store, "Old", 0), [b"on its way"]);
    assert_eq!(store.append(&message("Old", 0, b"next", "A")).unwrap().queue_offset, 2);
    store.shutdown();
}

#[test]
fn a_queue_without_messages_begins_anew_once_it_is_cleaned() {
    let used = Arc::new(AtomicU64::new(86));
    let scratch = scratch(&used);
    let store = five_files(&scratch);
    round(&store);
    let offset = store.max_offset_in_queue("Old", 0);
    assert_eq!((offset, store.min_offset_in_queue("Old", 0)), (10, 10));
    let stale = store.parts.queues.find("Old", 0).unwrap();
    store.clean_expired_consumer_queue(&|topic| topic == "Old");
    assert_eq!(store.max_offset_in_queue("Old", 0), 10, "kept");
    store.clean_expired_consumer_queue(&|_| false);
    assert_eq!(store.max_offset_in_queue("Old", 0), 0);
    assert!(store.max_offset_in_queue("New", 0) > 0);
    assert_eq!(stale.next_offset(), consume_queue::RETIRED);
    assert_eq!(store.append(&message("Old", 0, b"again", "A")).unwrap().queue_offset, 0);
    derived(&store);
    assert_eq!(drain(&store, "Old", 0), [b"again"]);
}

#[test]
fn a_stop_does_not_wait_for_pauses() {
    let used = Arc::new(AtomicU64::new(86));
    let mut scratch = scratch(&used);
    scratch.config.delete_commit_log_files_interval_ms = 3_600_000;
    let store = five_files(&scratch);
    let cleaned = std::thread::spawn({
        let store = Arc::clone(&store);
        move || round(&store)
    });
    wait_until("the first file is gone", || store.parts.log.files.len() == 4);
    store.shutdown();
    cleaned.join().unwrap();
    assert_eq!(log_starts(&store).len(), 4);
}

#[test]
fn several_directories_hold_one_log() {
    let used = Arc::new(AtomicU64::new(0));
    let mut scratch = scratch(&used);
    let dir = |name: &str| scratch.dir.path().join(name);
    let paths = ["b", "a", "old"].map(|name| dir(name).display().to_string());
    scratch.config.store_path_commit_log = Some(paths.join(","));
    scratch.config.read_only_commit_log_store_paths = Some(paths[2].clone());
    let store = five_files(&scratch);
    let placed = |store: &MessageStore| -> Vec<PathBuf> {
        let files = store.parts.log.files.snapshot();
        files.iter().map(|file| file.path().parent().unwrap().to_owned()).collect()
    };
    assert_eq!(placed(&store), [dir("a"), dir("b"), dir("a"), dir("b"), dir("a")]);
    let bodies = drain(&store, "T", 0);
    stop(store);
    // An operator makes room: what is in the read-only directory is read, and removed when its time has come.
    let name = layout::file_name(0);
    fs::rename(dir("a").join(&name), dir("old").join(&name)).unwrap();
    let full = dir("a");
    scratch.surroundings.disk = Disk::new(move |path| {
        let free = if path == full { 10 } else { 30 };
        Ok(DiskSpace { total: 100, free, usable: free })
    });
    let store = scratch.start();
    assert_eq!(drain(&store, "T", 0), bodies);
    round(&store);
    assert_eq!(log_starts(&store).len(), 5, "the emptiest disk counts");
    five_files_more(&store);
    assert_eq!(placed(&store)[5..], [dir("b"), dir("b"), dir("b"), dir("b")], "the full one gets no more");
    age(&scratch, &store, 2, 72);
    store.delete_files_manually();
    round(&store);
    assert_eq!(log_starts(&store)[0], 2 * 4096);
    assert_eq!(fs::read_dir(dir("old")).unwrap().count(), 0);
}

//! Every way that a read ends, limits, offsets by time.

use message::record;

use super::*;
use crate::get::Piece;
use crate::queue::Queue;

fn store_of(scratch: &Scratch, count: usize) -> Arc<MessageStore> {
    let store = scratch.start();
    for index in 0..count {
        let tags = if index % 2 == 0 { "A" } else { "B" };
        store.append(&message("T", 0, &[index as u8; 100], tags)).unwrap();
    }
    derived(&store);
    store
}

#[test]
fn every_status() {
    let scratch = Scratch::default();
    let store = store_of(&scratch, 10);
    let ask = |offset| {
        let result = get(&store, "T", 0, offset);
        (result.status, result.next_begin_offset, result.min_offset, result.max_offset)
    };
    assert_eq!(ask(0), (GetMessageStatus::Found, 10, 0, 10));
    assert_eq!(ask(-1), (GetMessageStatus::OffsetTooSmall, 0, 0, 10));
    assert_eq!(ask(10), (GetMessageStatus::OffsetOverflowOne, 10, 0, 10));
    assert_eq!(ask(11), (GetMessageStatus::OffsetOverflowBadly, 10, 0, 10));
    assert_eq!(ask(i64::MAX), (GetMessageStatus::OffsetOverflowBadly, 10, 0, 10));
    let nobody = get(&store, "T", 1, 5);
    assert_eq!((nobody.status, nobody.next_begin_offset), (GetMessageStatus::NoMessageInQueue, 0));
}

struct Tag(i64);

impl MessageFilter for Tag {
    fn matches_queue_entry(&self, tags_code: i64) -> bool {
        tags_code == self.0
    }
}

struct LastByte(u8);

impl MessageFilter for LastByte {
    fn matches_queue_entry(&self, _: i64) -> bool {
        true
    }

    fn matches_record(&self, record: &[u8]) -> bool {
        let Ok(Record::Message(record)) = Record::decode(record) else { return false };
        record.message.body.last() == Some(&self.0)
    }
}

#[test]
fn filters_move_on_past_what_they_leave_out() {
    let scratch = Scratch::default();
    let store = store_of(&scratch, 10);
    let request = GetRequest { topic: "T", queue_id: 0, offset: 0, count_max: 32, bytes_max: 1 << 20 };
    let tagged = store.get_message(request, &Tag(i64::from(b'B'))).unwrap();
    assert_eq!(
        (tagged.status, tagged.message_count, tagged.next_begin_offset),
        (GetMessageStatus::Found, 5, 10)
    );
    assert_eq!(tagged.into_pieces(|_| true).unwrap().len(), 5, "no neighbours");
    let none = store.get_message(request, &Tag(7)).unwrap();
    assert_eq!((none.status, none.next_begin_offset), (GetMessageStatus::NoMatchedMessage, 10));
    let by_record = store.get_message(request, &LastByte(9)).unwrap();
    assert_eq!(bodies(by_record), [[9; 100]]);
}

/// Small records that lie apart make one copy; neighbours that make enough bytes stay where they are.
#[test]
fn records_go_out_as_copies_or_in_place() {
    let scratch = Scratch::default();
    let store = scratch.start();
    for (queue_id, bytes) in
        [(0, 10), (1, 10), (0, 10), (1, 10), (0, 500), (0, 500), (1, 10), (0, 10), (1, 10), (0, 10)]
    {
        store.append(&message("T", queue_id, &vec![7; bytes], "A")).unwrap();
    }
    derived(&store);
    let whole = get(&store, "T", 0, 0).into_copy().unwrap();
    let pieces = get(&store, "T", 0, 0).into_pieces(|bytes| bytes > 1000).unwrap();
    let (mut kinds, mut bytes) = (String::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Mapped(range) => {
                kinds += "mapped ";
                bytes.extend(range.to_vec().unwrap());
            }
            Piece::Copied(copy) => {
                assert!(copy.capacity() < whole.len() / 2);
                kinds += "copied ";
                bytes.extend(copy);
            }
        }
    }
    assert_eq!((kinds.as_str(), bytes), ("copied mapped copied ", whole));
}

#[test]
fn limits_of_count_bytes_and_scanning() {
    let mut scratch = Scratch::default();
    scratch.config.max_filter_message_size_bytes = 20 * 40;
    let store = store_of(&scratch, 50);
    let record_bytes = store.look_message_by_offset(0).unwrap().unwrap().len();
    let ask = |count_max, bytes_max| {
        let request = GetRequest { topic: "T", queue_id: 0, offset: 0, count_max, bytes_max };
        let result = store.get_message(request, &Everything).unwrap();
        (result.message_count, result.next_begin_offset)
    };
    assert_eq!(ask(3, 1 << 20), (3, 3));
    assert_eq!(ask(100, 1 << 20), (32, 32), "maxTransferCountOnMessageInMemory");
    assert_eq!(ask(100, record_bytes * 2 + 1), (2, 2));
    assert_eq!(ask(100, 1), (1, 1), "never less than one");
    assert_eq!(ask(0, 1 << 20), (1, 1));
    let request = GetRequest { topic: "T", queue_id: 0, offset: 0, count_max: 32, bytes_max: 1 << 20 };
    let scanned = store.get_message(request, &Tag(7)).unwrap();
    assert_eq!((scanned.status, scanned.next_begin_offset), (GetMessageStatus::NoMatchedMessage, 40));
    let beyond_reason = GetRequest { count_max: i32::MAX as usize, ..request };
    assert_eq!(store.get_message(beyond_reason, &Tag(7)).unwrap().next_begin_offset, 40);
}

#[test]
fn what_an_earlier_process_wrote_is_cold() {
    let scratch = Scratch::default();
    let store = store_of(&scratch, 2);
    assert!(!store.is_cold("T", 0, 0) && !store.is_cold("T", 0, 2) && !store.is_cold("None", 0, 0));
    stop(store);
    let store = store_of(&scratch, 1);
    assert!(store.is_cold("T", 0, 1) && !store.is_cold("T", 0, 2));
}

/// Matches nothing, and lets the messages before an offset expire meanwhile.
struct Expiring<'a>(&'a MessageStore, i64);

impl MessageFilter for Expiring<'_> {
    fn matches_queue_entry(&self, _: i64) -> bool {
        let min_physical_offset = self.0.commit_log_offset_in_queue("T", 0, self.1).unwrap();
        let Some(Queue::Simple(queue)) = self.0.parts.queues.queue("T", 0) else { panic!("no such queue") };
        queue.correct_min_offset(min_physical_offset).unwrap();
        false
    }
}

#[test]
fn a_read_that_expiry_overtakes_goes_on_where_messages_are_left() {
    let mut scratch = Scratch::default();
    scratch.config.travel_cq_file_num_when_get_message = 2;
    let store = store_of(&scratch, 140);
    let request = GetRequest { topic: "T", queue_id: 0, offset: 0, count_max: 140, bytes_max: 1 << 20 };
    let overtaken = store.get_message(request, &Expiring(&store, 70)).unwrap();
    assert_eq!((overtaken.status, overtaken.next_begin_offset), (GetMessageStatus::OffsetTooSmall, 70));
    assert_eq!((overtaken.min_offset, overtaken.max_offset), (70, 140));
}

#[test]
fn a_read_ends_at_a_queue_file() {
    let scratch = Scratch::default();
    let store = store_of(&scratch, 60);
    let result = get(&store, "T", 0, 40);
    assert_eq!((result.message_count, result.next_begin_offset), (10, 50), "50 entries a file");
}

#[test]
fn more_queues_than_may_be_mapped() {
    let mut scratch = Scratch::default();
    scratch.surroundings.queue_mappings_max = 3;
    let store = scratch.start();
    for round in 0..4 {
        for queue_id in 0..20 {
            store.append(&message("T", queue_id, &[round; 10], "A")).unwrap();
        }
    }
    derived(&store);
    for queue_id in 0..20 {
        assert_eq!(drain(&store, "T", queue_id), [[0; 10], [1; 10], [2; 10], [3; 10]]);
    }
    stop(store);
    let store = scratch.open();
    assert_eq!(store.queues(), [("T".to_owned(), (0..20).collect())]);
}

#[test]
fn offsets_by_time() {
    let scratch = Scratch::default();
    let store = scratch.start();
    // Offsets 0..60 at 1000, 60..120 at 3000: the run of equal times crosses queue files of 50 entries.
    for time in [1000, 3000] {
        scratch.clock.set_wall_ms(time);
        for _ in 0..60 {
            store.append(&message("T", 0, b"x", "A")).unwrap();
        }
    }
    derived(&store);
    let ask = |time, boundary| store.offset_in_queue_by_time("T", 0, time, boundary).unwrap();
    let lower = [0, 1000, 2000, 3000, 4000].map(|time| ask(time, Boundary::Lower));
    assert_eq!(lower, [0, 0, 60, 60, 120]);
    // As Java: the search stays in one queue file, and behind the last message answers with it.
    let upper = [0, 1000, 2000, 3000, 4000].map(|time| ask(time, Boundary::Upper));
    assert_eq!(upper, [0, 59, 59, 119, 119]);
    assert_eq!(store.message_store_timestamp("T", 0, 60).unwrap(), 3000);
    assert_eq!(store.message_store_timestamp("T", 0, 120).unwrap(), -1);
    assert_eq!(store.earliest_message_time("T", 0).unwrap(), 1000);
    assert_eq!(store.earliest_message_time_of_store().unwrap(), 1000);
    assert_eq!(store.earliest_message_time("T", 1).unwrap(), -1);
    assert_eq!(store.offset_in_queue_by_time("U", 0, 1000, Boundary::Lower).unwrap(), 0);
}

#[test]
fn a_range_outlives_its_file() {
    let scratch = Scratch::default();
    let store = store_of(&scratch, 3);
    let result = get(&store, "T", 0, 0);
    stop(store);
    std::fs::remove_dir_all(scratch.config.root()).unwrap();
    assert_eq!(bodies(result).len(), 3);
}

#[test]
fn what_an_earlier_process_wrote_is_looked_at_before_it_is_served() {
    let scratch = Scratch::default();
    let store = scratch.start();
    store.append(&message("Other", 0, b"of another queue", "A")).unwrap();
    fill(&store, 0, 10);
    derived(&store);
    let damaged = store.commit_log_offset_in_queue("T", 0, 4).unwrap();
    stop(store);
    let log = scratch.config.commit_log_dir().join(layout::file_name(0));
    let overwrite = |path: &std::path::Path, bytes: &[u8], at: i64| {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, at as u64).unwrap();
    };
    overwrite(&log, b"?", damaged + 90);
    // The entry at 7 points to the first record of the log.
    let queue = scratch.config.consume_queue_dir().join("T/0").join(layout::file_name(0));
    overwrite(&queue, &[0; 8], 7 * 20);
    let store = scratch.start();
    fill(&store, 10, 2);
    derived(&store);
    let mut found = Vec::new();
    for record in record::messages(&get(&store, "T", 0, 0).into_copy().unwrap()) {
        found.push((record.queue_offset, record.message.body.to_vec()));
    }
    let sound = (0..12).filter(|index| ![4, 7].contains(index));
    assert_eq!(found, sound.map(|index| (index as i64, body(index))).collect::<Vec<_>>());
    assert!(store.look_message_by_offset(damaged).unwrap().is_none());
}

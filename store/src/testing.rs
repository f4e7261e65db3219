//! What tests of the store, and of those who use it, measure with. Only with the feature `testing`.

pub mod golden;

use std::sync::Arc;
use std::time::{Duration, Instant};

use message::{Message, Record, property};
use process::clock::Clock;

use super::*;
pub use crate::threads::PanicPoint;

/// After so long a test that waits has failed.
pub const DEADLINE: Duration = Duration::from_secs(20);

type PointOf = fn(&MessageStore) -> &PanicPoint;

/// The threads of a store, and the place in each where a test makes it panic.
pub const THREADS: [(&str, PointOf); 6] = [
    ("store-derive", |store| &store.parts.derive.panic_point),
    ("store-flush-log", |store| &store.parts.flusher.panic_point),
    ("store-safety", |store| &store.parts.safety.panic_point),
    ("store-ahead", |store| &store.parts.ahead.panic_point),
    ("store-flush-queues", |store| &store.parts.queue_flush.panic_point),
    ("store-expire", |store| &store.parts.expire.panic_point),
];

/// Has a thread panic again and again from its next turn on.
pub fn break_thread(store: &MessageStore, name: &str) {
    point_of(name)(store).arm(u32::MAX);
}

/// Has a thread panic once at its next turn.
pub fn disturb_thread(store: &MessageStore, name: &str) {
    point_of(name)(store).arm(1);
}

fn point_of(name: &str) -> PointOf {
    THREADS.into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// Waits until `done`, and fails if it takes too long.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up_at = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < give_up_at, "waited in vain: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Numbers that look random and are the same for one seed.
pub struct Random(u64);

impl Random {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// So many seeds, new ones in each run; `SEED=n` has a test try that one alone.
    pub fn seeds(count: u64) -> std::ops::Range<u64> {
        let given = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
        let first = given.unwrap_or_else(|| Clock::real().wall_ms().unsigned_abs() * 1000);
        first..first + given.map_or(count, |_| 1)
    }

    /// From 0 on, without the end.
    pub fn below(&mut self, end: u64) -> u64 {
        // xorshift64*.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

/// A directory, a small geometry, a clock that moves by hand.
pub struct Scratch {
    /// Holds all that the test writes; goes with it.
    pub dir: tempfile::TempDir,
    /// For the next store that is opened.
    pub config: MessageStoreConfig,
    /// For the next store that is opened.
    pub surroundings: Surroundings,
    /// Moved by the test; stores that are open follow it.
    pub clock: Clock,
}

impl Default for Scratch {
    fn default() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = MessageStoreConfig {
            store_path_root_dir: dir.path().join("store"),
            mapped_file_size_commit_log_bytes: 64 << 10,
            mapped_file_size_consume_queue_bytes: 20 * 50,
            max_hash_slot_num: 100,
            max_index_num: 1000,
            ..MessageStoreConfig::of_defaults()
        };
        Self { dir, config, surroundings: Surroundings::default(), clock: Clock::test(1_700_000_000_000) }
    }
}

impl Scratch {
    /// Opens a store with what the fields say now. Errors are those of [`MessageStore::open`].
    pub fn try_open(&self) -> Result<Arc<MessageStore>, OpenError> {
        MessageStore::open(self.config.clone(), self.surroundings.clone(), self.clock.clone())
    }

    /// As [`try_open`](Self::try_open), for a test that expects no error.
    pub fn open(&self) -> Arc<MessageStore> {
        self.try_open().unwrap()
    }

    /// As [`open`](Self::open), with its threads; nobody is told of messages.
    pub fn start(&self) -> Arc<MessageStore> {
        let store = self.open();
        store.start(Box::new(|_| ())).unwrap();
        store
    }
}

/// Stops the store as a broker does, and lets it go.
pub fn stop(store: Arc<MessageStore>) {
    store.shutdown();
}

/// A message of one property, `tags`, born at 1.
pub fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8], tags: &str) -> Message<'a> {
    let mut properties = String::new();
    property::append(&mut properties, property::TAGS, tags);
    Message {
        topic: topic.into(),
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1,
        born_host: "127.0.0.1:1".parse().unwrap(),
        store_host: "127.0.0.1:10911".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: properties.into(),
    }
}

/// What removes files does one round now, which a broker's first minute does not have.
pub fn remove_files(store: &MessageStore) {
    store.parts.expire.round(&store.parts);
}

/// Waits until the queues know the whole log.
pub fn derived(store: &MessageStore) {
    wait_until("the log is derived", || store.dispatch_behind_bytes() == 0);
}

/// A read of 32 messages at most, without a filter.
pub fn get(store: &MessageStore, topic: &str, queue_id: i32, offset: i64) -> GetMessageResult {
    let request = GetRequest { topic, queue_id, offset, count_max: 32, bytes_max: get::PULL_BYTES_MAX };
    store.get_message(request, &Everything).unwrap()
}

/// The bodies that a read returned.
pub fn bodies(result: GetMessageResult) -> Vec<Vec<u8>> {
    let count = result.message_count;
    let mut bodies = Vec::new();
    let records = result.into_copy().unwrap();
    let mut rest = &records[..];
    while !rest.is_empty() {
        let Ok(Record::Message(record)) = Record::decode(rest) else { panic!("no record in a result") };
        bodies.push(record.message.body.to_vec());
        rest = &rest[record.size..];
    }
    assert_eq!(bodies.len(), count);
    bodies
}

/// Every body of a queue, read from its min offset on.
pub fn drain(store: &MessageStore, topic: &str, queue_id: i32) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut offset = store.min_offset_in_queue(topic, queue_id);
    while offset < store.max_offset_in_queue(topic, queue_id) {
        let result = get(store, topic, queue_id, offset);
        assert_eq!(result.status, GetMessageStatus::Found, "at {offset}");
        offset = result.next_begin_offset;
        all.extend(bodies(result));
    }
    all
}

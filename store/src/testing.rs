//! What tests of the store, and of those who use it, measure with. Only with the feature `testing`.

pub mod golden;

use std::sync::Arc;
use std::time::{Duration, Instant};

use message::{Message, Record, property};
use process::clock::Clock;

use super::*;

pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `done`, and fails if it takes too long.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up_at = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < give_up_at, "waited in vain: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A directory, a small geometry, a clock that moves by hand.
pub struct Scratch {
    pub dir: tempfile::TempDir,
    pub config: MessageStoreConfig,
    pub surroundings: Surroundings,
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
    pub fn try_open(&self) -> Result<Arc<MessageStore>, OpenError> {
        MessageStore::open(self.config.clone(), self.surroundings.clone(), self.clock.clone())
    }

    pub fn open(&self) -> Arc<MessageStore> {
        self.try_open().unwrap()
    }

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

pub fn derived(store: &MessageStore) {
    wait_until("the log is derived", || store.dispatch_behind_bytes() == 0);
}

pub fn get(store: &MessageStore, topic: &str, queue_id: i32, offset: i64) -> GetMessageResult {
    let request = GetRequest { topic, queue_id, offset, count_max: 32, bytes_max: get::PULL_BYTES_MAX };
    store.get_message(request, &Everything)
}

/// The bodies that a read returned.
pub fn bodies(result: GetMessageResult) -> Vec<Vec<u8>> {
    let count = result.message_count;
    let mut bodies = Vec::new();
    for range in result.into_ranges() {
        let mut rest = range.as_ref();
        while !rest.is_empty() {
            let Ok(Record::Message(record)) = Record::decode(rest) else { panic!("no record in a result") };
            bodies.push(record.message.body.to_vec());
            rest = &rest[record.size..];
        }
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

//! What the benchmarks measure with. No benchmark uses all of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use message::Message;
use process::clock::Clock;
use store::{MessageStore, MessageStoreConfig, Surroundings};

/// With properties as a producer sends them.
pub fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> Message<'a> {
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
        properties: "UNIQ_KEY\u{1}C00002020A5E0C387F446FC0730D0000\u{2}CLUSTER\u{1}DefaultCluster\u{2}"
            .into(),
    }
}

pub fn start(config: &MessageStoreConfig) -> Arc<MessageStore> {
    let store = MessageStore::open(config.clone(), Surroundings::default(), Clock::real()).unwrap();
    store.start(Box::new(|_| ())).unwrap();
    store
}

/// CPU time of the process so far.
pub fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = text.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Waits until queues and index have what the log has.
pub fn wait_until_derived(store: &MessageStore) {
    while store.dispatch_behind_bytes() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

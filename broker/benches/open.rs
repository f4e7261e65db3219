//! How long a start takes: `cargo bench -p broker --bench open [-- QUEUES MEBIBYTES]`.
//!
//! Not a test: numbers depend on the machine. First a clean start of a store with so many queues, up to the first message
//! taken; then the start after a crash with so many mebibytes of log which no checkpoint covers.

use std::time::{Duration, Instant};

use broker::store::{MessageStore, StoreConfig, system_clock};
use remoting::message::Message;

fn message<'a>(queue_id: i32, topic: &'a str, body: &'a [u8]) -> Message<'a> {
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

fn start(config: &StoreConfig) -> std::sync::Arc<MessageStore> {
    let store = MessageStore::open(config.clone(), system_clock()).unwrap();
    store.start(Box::new(|_| ())).unwrap();
    store
}

fn derived(store: &MessageStore) {
    while store.dispatch_behind_bytes() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let queues = numbers.first().copied().unwrap_or(10_000);
    let mebibytes = numbers.get(1).copied().unwrap_or(1024);
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { store_path_root_dir: dir.path().to_owned(), ..StoreConfig::default() };

    let store = start(&config);
    for round in 0..3 {
        for queue in 0..queues {
            let topic = format!("Topic{}", queue / 8);
            store.append(&message((queue % 8) as i32, &topic, &[round; 100])).unwrap();
        }
    }
    derived(&store);
    store.shutdown();
    drop(store);
    for _ in 0..5 {
        let began = Instant::now();
        let store = start(&config);
        let opened = began.elapsed();
        store.append(&message(0, "Topic0", b"first")).unwrap();
        println!(
            "clean start with {queues} queues: open {opened:?}, first message after {:?}",
            began.elapsed()
        );
        store.shutdown();
    }

    let store = start(&config);
    let until = store.max_phy_offset() + ((mebibytes as i64) << 20);
    let mut count = 0;
    while store.max_phy_offset() < until {
        store.append(&message(count % 8, "Topic0", &[b'x'; 128])).unwrap();
        count += 1;
    }
    derived(&store);
    drop(store);
    let began = Instant::now();
    drop(start(&config));
    println!("start after a crash, {mebibytes} MiB unflushed, {count} messages: {:?}", began.elapsed());
}

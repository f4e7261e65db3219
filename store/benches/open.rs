//! How long a start takes: `cargo bench -p broker --bench open [-- QUEUES MEBIBYTES]`.
//!
//! Not a test: numbers depend on the machine. First a clean start of a store with so many queues, up to the first message
//! taken; then the start after a crash with so many mebibytes of log which no checkpoint covers.

mod sample;

use std::time::Instant;

use sample::{message, start, wait_until_derived};
use store::MessageStoreConfig;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let queues = numbers.first().copied().unwrap_or(10_000);
    let mebibytes = numbers.get(1).copied().unwrap_or(1024);
    let dir = tempfile::tempdir().unwrap();
    let config = MessageStoreConfig {
        store_path_root_dir: dir.path().to_owned(),
        ..MessageStoreConfig::of_defaults()
    };

    let store = start(&config);
    for round in 0..3 {
        for queue in 0..queues {
            let topic = format!("Topic{}", queue / 8);
            store.append(&message(&topic, (queue % 8) as i32, &[round; 100])).unwrap();
        }
    }
    wait_until_derived(&store);
    store.shutdown();
    drop(store);
    for _ in 0..5 {
        let began = Instant::now();
        let store = start(&config);
        let opened = began.elapsed();
        store.append(&message("Topic0", 0, b"first")).unwrap();
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
        store.append(&message("Topic0", count % 8, &[b'x'; 128])).unwrap();
        count += 1;
    }
    wait_until_derived(&store);
    drop(store);
    let began = Instant::now();
    drop(start(&config));
    println!("start after a crash, {mebibytes} MiB unflushed, {count} messages: {:?}", began.elapsed());
}

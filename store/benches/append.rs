//! What an append costs, and how long it holds the lock: `cargo bench -p store --bench append [-- THREADS BODY_BYTES]`.
//!
//! Not a test: numbers depend on the machine. Prints appends a second, CPU per append over all threads of the store, and
//! the distribution of the time of one call from one thread (an upper bound of the time under the lock).

mod sample;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use process::clock::Clock;
use sample::{cpu, message, start, wait_until_derived};
use store::{Everything, GetRequest, MessageStore, MessageStoreConfig, Surroundings, get};

const RUN: Duration = Duration::from_secs(4);

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let threads = numbers.first().copied().unwrap_or(1);
    let body_bytes = numbers.get(1).copied().unwrap_or(256);
    let dir = tempfile::tempdir().unwrap();
    let config = MessageStoreConfig {
        store_path_root_dir: dir.path().to_owned(),
        ..MessageStoreConfig::of_defaults()
    };
    let store = start(&config);

    let (count, cpu_before, began) = (Arc::new(AtomicU64::new(0)), cpu(), Instant::now());
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let (store, count) = (Arc::clone(&store), Arc::clone(&count));
            std::thread::spawn(move || append(&store, worker, body_bytes, &count))
        })
        .collect();
    let mut times: Vec<u32> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    let elapsed = began.elapsed();
    wait_until_derived(&store);
    let appends = count.load(Ordering::Relaxed);
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{threads} threads, {body_bytes} byte bodies: {:.0} appends/s, {:.2} us CPU each; call ns: p50 {} p99 {} p99.9 {} max {}",
        appends as f64 / elapsed.as_secs_f64(),
        (cpu() - cpu_before).as_secs_f64() * 1e6 / appends as f64,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    );
    read(&store);
    let closing = Instant::now();
    store.shutdown();
    println!("shutdown took {:?}", closing.elapsed());
    drop(store);
    reopen(&config, appends);
}

/// What one unique key costs the index: a start that has to build it beside one that has not.
fn reopen(config: &MessageStoreConfig, messages: u64) {
    for what in ["with its index", "building its index"] {
        let began = Instant::now();
        drop(MessageStore::open(config.clone(), Surroundings::default(), Clock::real()).unwrap());
        let elapsed = began.elapsed();
        println!("opened {what} in {elapsed:?}, {} ns a message", elapsed.as_nanos() as u64 / messages);
        std::fs::remove_dir_all(config.index_dir()).unwrap();
    }
}

fn append(store: &MessageStore, worker: usize, body_bytes: usize, count: &AtomicU64) -> Vec<u32> {
    let body = vec![b'x'; body_bytes];
    let mut times = Vec::with_capacity(1 << 22);
    let until = Instant::now() + RUN;
    let mut now = Instant::now();
    while now < until {
        store.append(&message("BenchTopic", (worker * 4 + times.len() % 4) as i32, &body)).unwrap();
        let after = Instant::now();
        times.push((after - now).as_nanos() as u32);
        now = after;
    }
    count.fetch_add(times.len() as u64, Ordering::Relaxed);
    times
}

fn read(store: &MessageStore) {
    let (mut offset, mut messages, mut reads) = (0, 0, 0u32);
    let (began, cpu_before) = (Instant::now(), cpu());
    loop {
        let request = GetRequest {
            topic: "BenchTopic",
            queue_id: 0,
            offset,
            count_max: 32,
            bytes_max: get::PULL_BYTES_MAX,
        };
        let result = store.get_message(request, &Everything).unwrap();
        if result.message_count == 0 {
            break;
        }
        (offset, messages, reads) = (result.next_begin_offset, messages + result.message_count, reads + 1);
    }
    println!(
        "{reads} reads of {messages} messages: {:?} each, CPU {:?}",
        began.elapsed() / reads.max(1),
        cpu() - cpu_before
    );
}

//! What an acknowledgement under SYNC_FLUSH costs: `cargo bench -p store --bench ack`.
//!
//! Not a test: numbers depend on the machine. On a file system in memory, so that a sync costs next to nothing; 64 appends wait
//! at a time. Prints acknowledgements a second and CPU for each, the appending thread's spinning included.

mod sample;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sample::{cpu, message, start};
use store::{FlushDiskType, MessageStoreConfig, Policy, WaitOutcome, Waiter, WaitingRoom};

const RUN: Duration = Duration::from_secs(4);
const WAITING_MAX: u64 = 64;

/// As large as a reply of the broker.
struct Ack(Arc<AtomicU64>, [u64; 40]);

impl Waiter for Ack {
    fn end(self, outcome: WaitOutcome) {
        assert_eq!((outcome, self.1[0]), (WaitOutcome::Safe, 1));
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let dir = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let config = MessageStoreConfig {
        store_path_root_dir: dir.path().to_owned(),
        flush_disk_type: FlushDiskType::SyncFlush,
        mapped_file_size_commit_log_bytes: 256 << 20,
        ..MessageStoreConfig::of_defaults()
    };
    let store = start(&config);
    let room = WaitingRoom::new(&store);
    let policy = Policy { flushed_within: Some(config.sync_flush_timeout()), ..Policy::default() };
    let (acked, body) = (Arc::new(AtomicU64::new(0)), vec![b'x'; 256]);
    let (began, cpu_before) = (Instant::now(), cpu());
    let mut sent = 0;
    while began.elapsed() < RUN {
        while sent - acked.load(Ordering::Relaxed) >= WAITING_MAX {
            std::thread::yield_now();
        }
        for _ in 0..WAITING_MAX / 4 {
            let appended = store.append(&message("BenchTopic", (sent % 4) as i32, &body)).unwrap();
            room.when_safe(appended.end_offset(), policy, Ack(Arc::clone(&acked), [1; 40]));
            sent += 1;
        }
    }
    println!(
        "{:.0} acks/s, {:.2} us CPU each",
        sent as f64 / began.elapsed().as_secs_f64(),
        (cpu() - cpu_before).as_secs_f64() * 1e6 / sent as f64
    );
}

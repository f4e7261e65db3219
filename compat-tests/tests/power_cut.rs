//! No acknowledgement under SYNC_FLUSH is lost to a power cut: a broker is killed again and again, its directory replaced
//! by what it had synced by then, and every acknowledged message asked for; those with a delivery time of their own where
//! they are delivered.
//!
//! `POWER_CUTS` cuts, each after another random time; 12 without it, and 6 of those that meet queue files just made.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use compat_tests::client::Send;
use compat_tests::lab::free_ports;
use compat_tests::ledger::{self, Ledger};
use compat_tests::power::{Image, Watched};
use compat_tests::wire::Connection;
use compat_tests::{Numbers, record, target, until};

const TOPIC: &str = "PowerCut";
const TIMED_TOPIC: &str = "PowerCutTimed";
const QUEUES: i32 = 4;
/// Small files, synced often: a cut meets every kind of file at any stage.
const OFTEN: [&str; 6] = [
    "mappedFileSizeCommitLog=65536",
    "mappedFileSizeConsumeQueue=2000",
    "maxHashSlotNum=500",
    "maxIndexNum=2000",
    "flushConsumeQueueThoroughInterval=50",
    "flushIntervalConsumeQueue=20",
];
/// Several queue files are made between two syncs of the queues, if there are any: names without sizes, sizes without entries.
const SELDOM: [&str; 6] = [
    "mappedFileSizeCommitLog=4194304",
    "mappedFileSizeConsumeQueue=60000",
    "maxHashSlotNum=5000",
    "maxIndexNum=20000",
    "flushConsumeQueueThoroughInterval=2000",
    "flushIntervalConsumeQueue=400",
];
/// Messages of a batch, so that a queue file of 3,000 is full after 15.
const BATCH: usize = 200;
/// Of one store, which each cut copies.
const CUTS_OF_SELDOM: usize = 15;
const START_WAIT: Duration = Duration::from_secs(20);
const DELIVERY_WAIT: Duration = Duration::from_secs(20);
/// Of each queue after each cut; everything at the end.
const LOOKED_AT_AGAIN: i64 = 200;

struct Bench {
    dir: tempfile::TempDir,
    settings: [&'static str; 6],
    port: u16,
    numbers: Numbers,
}

impl Bench {
    fn new(settings: [&'static str; 6], seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        Self { dir, settings, port: free_ports(), numbers: Numbers(seed) }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn start(&self) -> Watched {
        let root = self.root();
        let settings = [
            "--standalone".to_owned(),
            "-n".to_owned(),
            format!("127.0.0.1:{}", self.port + 1),
            format!("listenPort={}", self.port),
            "brokerIP1=127.0.0.1".to_owned(),
            format!("storePathRootDir={}", root.join("store").display()),
            "flushDiskType=SYNC_FLUSH".to_owned(),
            "mappedFileSizeTimerLog=2000".to_owned(),
            "timerFlushIntervalMs=150".to_owned(),
            // Half of the timed messages roll on their way.
            "timerRollWindowSlot=2".to_owned(),
            format!("defaultTopicQueueNums={QUEUES}"),
        ];
        let mqbroker = target().join("release/mqbroker").display().to_string();
        let argv: Vec<_> =
            [mqbroker].into_iter().chain(settings).chain(self.settings.map(str::to_owned)).collect();
        // Logs are no part of the store.
        let home = self.dir.path().join("home");
        fs::create_dir_all(&home).unwrap();
        Watched::start(&argv, &[("HOME".into(), home.display().to_string())], &root).unwrap()
    }

    fn addr(&self) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port)
    }

    fn connect(&self) -> Connection {
        until(START_WAIT, || self.output(), || Connection::open(self.addr()).ok())
    }

    fn output(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.root().with_extension(name)).unwrap_or_default();
        format!("{}\n{}", read("stdout"), read("stderr"))
    }

    /// Puts `image` where the live directory is.
    fn replace_root(&self, image: &Image) {
        fs::remove_dir_all(self.root()).unwrap();
        fs::create_dir(self.root()).unwrap();
        image.write_to(&self.root()).unwrap();
    }
}

#[test]
fn no_acknowledged_message_is_lost_to_a_power_cut() {
    let cuts = cuts(12);
    let mut bench = Bench::new(OFTEN, 0x9E37_79B9_7F4A_7C15);
    let (ledger, timed) = (Ledger::new(TOPIC, QUEUES), Timed::default());
    for _ in 0..cuts {
        let broker = bench.start();
        // Some cuts meet a broker that is still starting.
        let image = if bench.numbers.below(4) == 0 {
            thread::sleep(Duration::from_millis(bench.numbers.below(60)));
            broker.cut().unwrap()
        } else {
            ledger.verify_queues(&mut bench.connect(), LOOKED_AT_AGAIN);
            let run_for = Duration::from_millis(20 + bench.numbers.below(300));
            send_until_cut(broker, run_for, |stop| {
                thread::scope(|scope| {
                    scope.spawn(|| timed.send_until(bench.addr(), stop));
                    ledger.send_until(bench.addr(), stop);
                });
            })
        };
        bench.replace_root(&image);
    }
    let broker = bench.start();
    ledger.verify_queues(&mut bench.connect(), i64::MAX);
    ledger.verify_queries(&mut bench.connect(), ledger.len() / 50 + 1);
    assert!(ledger.len() > cuts, "{} messages", ledger.len());
    timed.verify(&mut bench.connect());
    println!("{} acknowledged messages survived {cuts} cuts, {} timed", ledger.len(), timed.len());
    drop(broker);
    let topics = fs::read_to_string(bench.root().join("store/config/topics.json")).unwrap();
    assert!(topics.contains(TOPIC), "{topics}");
}

#[test]
fn no_acknowledged_message_is_lost_where_queue_files_were_just_made() {
    let cuts = cuts(6);
    let (mut acknowledged, mut queue_files) = (0, 0);
    for seed in 0..cuts.div_ceil(CUTS_OF_SELDOM) {
        let mut bench = Bench::new(SELDOM, 0x2545_F491_4F6C_DD1D + seed as u64);
        let ledger = Ledger::new(TOPIC, QUEUES);
        for _ in 0..(cuts - seed * CUTS_OF_SELDOM).min(CUTS_OF_SELDOM) {
            let broker = bench.start();
            ledger.verify_queues(&mut bench.connect(), LOOKED_AT_AGAIN);
            let run_for = Duration::from_millis(50 + bench.numbers.below(350));
            let image = send_until_cut(broker, run_for, |stop| {
                ledger.send_batches_until(bench.addr(), stop, BATCH);
            });
            bench.replace_root(&image);
        }
        let broker = bench.start();
        ledger.verify_queues(&mut bench.connect(), i64::MAX);
        ledger.verify_queries(&mut bench.connect(), ledger.len() / 50 + 1);
        drop(broker);
        acknowledged += ledger.len();
        let queues = fs::read_dir(bench.root().join("store/consumequeue").join(TOPIC)).unwrap();
        queue_files +=
            queues.map(|queue| fs::read_dir(queue.unwrap().path()).unwrap().count()).sum::<usize>();
    }
    println!("{acknowledged} acknowledged messages in {queue_files} queue files survived {cuts} cuts");
    assert!(queue_files >= cuts, "{queue_files} queue files in {cuts} cuts: too slow to say anything");
}

fn cuts(default: usize) -> usize {
    std::env::var("POWER_CUTS").map_or(default, |text| text.parse().unwrap())
}

/// What is on disk after `run_for` of sending.
fn send_until_cut(broker: Watched, run_for: Duration, send: impl FnOnce(&AtomicBool)) -> Image {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            thread::sleep(run_for);
            let image = broker.cut().unwrap();
            stop.store(true, Ordering::Relaxed);
            image
        });
        send(&stop);
        cutter.join().unwrap()
    })
}

/// Acknowledged messages that come to their topic after up to four seconds, some of them twice after a cut.
#[derive(Default)]
struct Timed {
    next: AtomicUsize,
    acknowledged: Mutex<BTreeSet<String>>,
}

impl Timed {
    fn len(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn send_until(&self, addr: SocketAddr, stop: &AtomicBool) {
        let Ok(mut connection) = Connection::open(addr) else { return };
        while !stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let body = format!("timed {index}");
            let message = Send::plain(TIMED_TOPIC)
                .queue_nums(1)
                .property("TIMER_DELAY_MS", &(index * 373 % 4000).to_string())
                .property("UNIQ_KEY", &format!("T{index}"))
                .body(body.as_bytes());
            match connection.ask(&message.v1()) {
                Ok(reply) if reply.code == 0 => drop(self.acknowledged.lock().unwrap().insert(body)),
                _ => return,
            }
        }
    }

    fn verify(&self, connection: &mut Connection) {
        let mut missing = self.acknowledged.lock().unwrap().clone();
        let mut offset = 0;
        while !missing.is_empty() {
            let reply = until(
                DELIVERY_WAIT,
                || format!("{} timed messages, such as {:?}", missing.len(), missing.first()),
                || Some(ledger::pull(connection, TIMED_TOPIC, 0, offset)).filter(|reply| reply.code == 0),
            );
            for record in record::decode_all(&reply.body).unwrap() {
                missing.remove(&*String::from_utf8_lossy(&record.body));
                offset = record.queue_offset + 1;
            }
        }
    }
}

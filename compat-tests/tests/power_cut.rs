//! No acknowledgement under SYNC_FLUSH is lost to a power cut: a broker is killed again and again, its directory replaced
//! by what it had synced by then, and every acknowledged message asked for.
//!
//! `POWER_CUTS` cuts, each after another random time; 12 without it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use compat_tests::lab::free_ports;
use compat_tests::power::Watched;
use compat_tests::record;
use compat_tests::target;
use compat_tests::until;
use compat_tests::wire::{Command, Connection};

const TOPIC: &str = "PowerCut";
const QUEUES: i32 = 4;
const START_WAIT: Duration = Duration::from_secs(20);

/// Every acknowledged message: its body by queue and offset.
type Ledger = BTreeMap<(i32, i64), String>;

struct Bench {
    dir: tempfile::TempDir,
    port: u16,
    seed: u64,
}

impl Bench {
    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn random(&mut self, below: u64) -> u64 {
        // xorshift64.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
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
            "mappedFileSizeCommitLog=65536".to_owned(),
            "mappedFileSizeConsumeQueue=2000".to_owned(),
            "maxHashSlotNum=500".to_owned(),
            "maxIndexNum=2000".to_owned(),
            "flushConsumeQueueThoroughInterval=50".to_owned(),
            "flushIntervalConsumeQueue=20".to_owned(),
            format!("defaultTopicQueueNums={QUEUES}"),
        ];
        let mqbroker = target().join("release/mqbroker").display().to_string();
        let argv: Vec<_> = [mqbroker].into_iter().chain(settings).collect();
        // Logs are no part of the store.
        let home = self.dir.path().join("home");
        fs::create_dir_all(&home).unwrap();
        Watched::start(&argv, &[("HOME".into(), home.display().to_string())], &root).unwrap()
    }

    fn connect(&self) -> Connection {
        let addr = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port);
        until(START_WAIT, || self.output(), || Connection::open(addr).ok())
    }

    fn output(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.root().with_extension(name)).unwrap_or_default();
        format!("{}\n{}", read("stdout"), read("stderr"))
    }

    /// Puts `image` where the live directory is.
    fn replace_root(&self, image: &compat_tests::power::Image) {
        fs::remove_dir_all(self.root()).unwrap();
        fs::create_dir(self.root()).unwrap();
        image.write_to(&self.root()).unwrap();
    }
}

fn send(connection: &mut Connection, queue_id: i32, body: &str) -> Option<(i32, i64)> {
    let queue = queue_id.to_string();
    let ext = [
        ("producerGroup", "P"),
        ("topic", TOPIC),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", queue.as_str()),
        ("sysFlag", "0"),
        ("bornTimestamp", "1"),
        ("flag", "0"),
        ("properties", "KEYS\u{1}k\u{2}"),
    ];
    let reply = connection.ask(&Command::request(10, &ext, body.as_bytes())).ok()?;
    assert_eq!(reply.code, 0, "{reply:?}");
    Some((reply.ext["queueId"].parse().unwrap(), reply.ext["queueOffset"].parse().unwrap()))
}

/// Sends to each queue until the broker goes away.
fn send_until_cut(bench: &Bench, round: usize, ledger: &mut Ledger, stop: &AtomicBool) {
    let acknowledged: Vec<_> = thread::scope(|scope| {
        let senders: Vec<_> = (0..QUEUES)
            .map(|queue_id| {
                scope.spawn(move || {
                    let mut connection = bench.connect();
                    let mut sent = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let body = format!(
                            "{round}/{queue_id}/{} {}",
                            sent.len(),
                            "x".repeat(sent.len() * 37 % 900)
                        );
                        match send(&mut connection, queue_id, &body) {
                            Some(place) => sent.push((place, body)),
                            None => break,
                        }
                    }
                    sent
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    for (place, body) in acknowledged {
        let before = ledger.insert(place, body);
        assert!(before.is_none(), "{place:?} was acknowledged twice");
    }
}

fn verify(bench: &Bench, ledger: &Ledger, from: &BTreeMap<i32, i64>) {
    let mut connection = bench.connect();
    for queue_id in 0..QUEUES {
        let wanted: BTreeMap<_, _> =
            ledger.range((queue_id, from.get(&queue_id).copied().unwrap_or(0))..(queue_id + 1, 0)).collect();
        let Some(((_, mut offset), _)) = wanted.iter().next().map(|(place, body)| (**place, body)) else {
            continue;
        };
        let (_, last) = **wanted.keys().next_back().unwrap();
        let mut found = BTreeMap::new();
        while offset <= last {
            let reply = pull(&mut connection, queue_id, offset);
            assert_eq!(
                reply.code,
                0,
                "queue {queue_id} at {offset} of {last}: {reply:?}\n{}",
                bench.output()
            );
            for record in record::decode_all(&reply.body).unwrap() {
                found.insert((queue_id, record.queue_offset), record.body);
            }
            offset = reply.ext["nextBeginOffset"].parse().unwrap();
        }
        for (place, body) in wanted {
            let found = found.get(place).map(|body| String::from_utf8_lossy(body).into_owned());
            assert_eq!(found.as_deref(), Some(body.as_str()), "acknowledged at {place:?}");
        }
    }
}

fn pull(connection: &mut Connection, queue_id: i32, offset: i64) -> Command {
    let (queue, offset) = (queue_id.to_string(), offset.to_string());
    let ext = [
        ("consumerGroup", "CID_P"),
        ("topic", TOPIC),
        ("queueId", queue.as_str()),
        ("queueOffset", offset.as_str()),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "*"),
        ("subVersion", "0"),
        ("expressionType", "TAG"),
    ];
    // What was just sent is in the log; the queue follows.
    let deadline = Instant::now() + START_WAIT;
    loop {
        let reply = connection.ask(&Command::request(11, &ext, b"")).unwrap();
        if reply.code == 0 || Instant::now() > deadline {
            return reply;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_acknowledged_message_is_lost_to_a_power_cut() {
    let cuts: usize = std::env::var("POWER_CUTS").map_or(12, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("root")).unwrap();
    let mut bench = Bench { dir, port: free_ports(), seed: 0x9E37_79B9_7F4A_7C15 };
    let mut ledger = Ledger::new();
    let mut verified: BTreeMap<i32, i64> = BTreeMap::new();
    for round in 0..cuts {
        let broker = bench.start();
        // Some cuts meet a broker that is still starting.
        if bench.random(4) == 0 {
            thread::sleep(Duration::from_millis(bench.random(60)));
        } else {
            verify(&bench, &ledger, &verified);
            verified = (0..QUEUES)
                .filter_map(|queue| {
                    let last = ledger.range((queue, 0)..(queue + 1, 0)).next_back()?.0.1;
                    // Looked at again each time: the log may still be cut behind it.
                    Some((queue, (last - 20).max(0)))
                })
                .collect();
            let run_for = Duration::from_millis(20 + bench.random(300));
            let stop = AtomicBool::new(false);
            let image = thread::scope(|scope| {
                let cutter = scope.spawn(|| {
                    thread::sleep(run_for);
                    let image = broker.cut().unwrap();
                    stop.store(true, Ordering::Relaxed);
                    image
                });
                send_until_cut(&bench, round, &mut ledger, &stop);
                cutter.join().unwrap()
            });
            bench.replace_root(&image);
            continue;
        }
        let image = broker.cut().unwrap();
        bench.replace_root(&image);
    }
    let broker = bench.start();
    verify(&bench, &ledger, &BTreeMap::new());
    assert!(ledger.len() > cuts, "{} messages", ledger.len());
    println!("{} acknowledged messages survived {cuts} cuts", ledger.len());
    drop(broker);
    assert_is_sound(&bench.root());
}

/// Configuration files are whole.
fn assert_is_sound(root: &Path) {
    let topics = fs::read_to_string(root.join("store/config/topics.json")).unwrap();
    assert!(topics.contains(TOPIC), "{topics}");
}

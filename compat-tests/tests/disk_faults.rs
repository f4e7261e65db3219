//! A disk that goes bad under a running broker: files cut while they are in use, and a file system that is gone at once.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use compat_tests::client::{Pull, Send, physical_offset};
use compat_tests::lab::{Edition, Lab, Running};
use compat_tests::ledger::Ledger;
use compat_tests::wire::{Command, Connection};
use compat_tests::{mqstore_check, until};

const WAIT: Duration = Duration::from_secs(30);
const STOP_WAIT: Duration = Duration::from_secs(20);

const SEARCH_OFFSET_BY_TIMESTAMP: i32 = 29;
const GET_EARLIEST_MSG_STORETIME: i32 = 32;
const QUERY_MESSAGE: i32 = 12;
const VIEW_MESSAGE_BY_ID: i32 = 33;
const CONSUMER_SEND_MSG_BACK: i32 = 36;
const END_TRANSACTION: i32 = 37;
const COMMIT: &str = "8";

const LOG_BYTES: u64 = 65_536;
const CONF: [(&str, &str); 6] = [
    ("mappedFileSizeCommitLog", "65536"),
    ("mappedFileSizeConsumeQueue", "2000"),
    ("maxHashSlotNum", "1000"),
    ("maxIndexNum", "4000"),
    ("enablePropertyFilter", "true"),
    // So that an expired file does not go while the test looks for it.
    ("fileReservedTime", "1000"),
];

/// What is cut, to how many bytes.
struct Cut {
    what: &'static str,
    file: fn(&Path) -> PathBuf,
    bytes: u64,
    /// Not all of the requests need what is cut.
    fails: &'static [i32],
}

const CUTS: [Cut; 4] = [
    Cut {
        what: "the log's first file",
        file: |store| store.join("commitlog/00000000000000000000"),
        bytes: 0,
        fails: &[
            VIEW_MESSAGE_BY_ID,
            CONSUMER_SEND_MSG_BACK,
            QUERY_MESSAGE,
            SEARCH_OFFSET_BY_TIMESTAMP,
            GET_EARLIEST_MSG_STORETIME,
            END_TRANSACTION,
        ],
    },
    Cut {
        what: "the log's first file, in the middle of a page",
        file: |store| store.join("commitlog/00000000000000000000"),
        bytes: 100,
        fails: &[VIEW_MESSAGE_BY_ID, CONSUMER_SEND_MSG_BACK, QUERY_MESSAGE, END_TRANSACTION],
    },
    Cut {
        what: "a queue's first file",
        file: |store| store.join("consumequeue/Cut/0/00000000000000000000"),
        bytes: 0,
        fails: &[SEARCH_OFFSET_BY_TIMESTAMP, GET_EARLIEST_MSG_STORETIME],
    },
    Cut {
        what: "the index",
        file: |store| fs::read_dir(store.join("index")).unwrap().next().unwrap().unwrap().path(),
        bytes: 0,
        fails: &[QUERY_MESSAGE],
    },
];

#[test]
fn files_cut_in_use_are_errors() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    for (number, cut) in CUTS.iter().enumerate() {
        let broker = lab.broker(Edition::Ours, &format!("broker-{number}"), &[&name_server], &CONF);
        let mut connection = broker.connect();
        let messages = fill(&mut connection);
        let file = (cut.file)(&broker.home.join("store"));
        OpenOptions::new().write(true).open(&file).unwrap().set_len(cut.bytes).unwrap();
        for round in 0..2 {
            for request in requests(&messages) {
                let what = || format!("{}, round {round}, code {}", cut.what, request.code);
                let reply = connection.ask(&request).unwrap_or_else(|error| {
                    panic!("{}: {error}, {:?}\n{}", what(), broker.job.exit_code(), broker.job.output())
                });
                let (failed, expected) = (reply.code == 1, cut.fails.contains(&request.code));
                assert!(failed == expected, "{}: {reply:?}", what());
            }
            // By tag, by SQL, and from where the queue ends: an answer, whatever it is.
            for pull in pulls() {
                let reply = connection.ask(&pull).unwrap();
                assert!(reply.code != 0 || !reply.body.is_empty(), "{}: {reply:?}", cut.what);
            }
        }
        all_else_goes_on(&broker, &mut connection);
        let name = file.file_name().unwrap().to_str().unwrap();
        let log = fs::read_to_string(broker.home.join("logs/rocketmqlogs/store.log")).unwrap_or_default()
            + &fs::read_to_string(broker.home.join("logs/rocketmqlogs/broker.log")).unwrap_or_default();
        assert!(log.contains("was cut behind it") && log.contains(name), "{}: {log}", cut.what);
        assert_eq!(broker.job.stop("TERM", STOP_WAIT).code, 0, "{}", cut.what);
    }
}

/// Physical offsets of the first message, and of a half message.
struct Messages {
    first: i64,
    half: i64,
}

/// Four log files of messages; what the requests ask for lies in the first.
fn fill(connection: &mut Connection) -> Messages {
    let mut send = |topic: &str, key: &str, more: &[(&'static str, &str)]| {
        let mut message = Send::plain(topic).queue_nums(1).property("UNIQ_KEY", key).property("a", "1");
        for (name, value) in more {
            message = message.property(name, value);
        }
        let reply = connection.ask(&message.body(&[b'x'; 700]).v1()).unwrap();
        assert_eq!(reply.code, 0, "{reply:?}");
        physical_offset(&reply.ext["msgId"])
    };
    let first = send("Cut", "first", &[("KEYS", "wanted")]);
    let half = send("Cut", "half", &[("TRAN_MSG", "true"), ("PGROUP", "P")]);
    let mut last = first;
    let mut count = 0;
    while last < 4 * LOG_BYTES as i64 {
        last = send("Cut", &format!("m{count}"), &[]);
        count += 1;
    }
    let max = Command::request(30, &[("topic", "Cut"), ("queueId", "0")], b"");
    until(
        WAIT,
        || "all are derived".into(),
        || {
            let reply = connection.ask(&max).unwrap();
            (reply.ext["offset"] == (count + 1).to_string()).then_some(())
        },
    );
    Messages { first, half }
}

fn requests(messages: &Messages) -> Vec<Command> {
    let (first, half) = (messages.first.to_string(), messages.half.to_string());
    let queue = [("topic", "Cut"), ("queueId", "0")];
    let with = |code, more: &[(&str, &str)]| Command::request(code, &[&queue, more].concat(), b"");
    let query = [
        ("topic", "Cut"),
        ("key", "wanted"),
        ("maxNum", "32"),
        ("beginTimestamp", "0"),
        ("endTimestamp", "9223372036854775807"),
    ];
    let back = [
        ("offset", first.as_str()),
        ("group", "G"),
        ("delayLevel", "0"),
        ("originMsgId", ""),
        ("originTopic", "Cut"),
        ("unitMode", "false"),
        ("maxReconsumeTimes", "16"),
    ];
    let end = [
        ("producerGroup", "P"),
        ("tranStateTableOffset", "0"),
        ("commitLogOffset", half.as_str()),
        ("commitOrRollback", COMMIT),
        ("fromTransactionCheck", "false"),
        ("msgId", "half"),
        ("transactionId", "half"),
    ];
    vec![
        Command::request(VIEW_MESSAGE_BY_ID, &[("offset", &first)], b""),
        Command::request(CONSUMER_SEND_MSG_BACK, &back, b""),
        Command::request(QUERY_MESSAGE, &query, b""),
        with(SEARCH_OFFSET_BY_TIMESTAMP, &[("timestamp", "1")]),
        with(GET_EARLIEST_MSG_STORETIME, &[]),
        Command::request(END_TRANSACTION, &end, b""),
    ]
}

fn pulls() -> Vec<Command> {
    // Without suspension: sysFlag 4 is a subscription alone.
    let pull = || Pull::of("G", "Cut").set("suspendTimeoutMillis", 0);
    let sql = |text: &str| pull().set("expressionType", "SQL92").set("subscription", text);
    vec![
        pull().command(),
        sql("a = 1").command(),
        sql("a > 1").command(),
        pull().set("queueOffset", 50).command(),
    ]
}

/// Another topic is written, found and read.
fn all_else_goes_on(broker: &Running, connection: &mut Connection) {
    let message = Send::plain("Other").queue_nums(1).property("UNIQ_KEY", "other").body(b"goes on");
    assert_eq!(connection.ask(&message.v1()).unwrap().code, 0);
    let pull = Pull::of("G", "Other").set("suspendTimeoutMillis", 0).command();
    let found = until(
        WAIT,
        || broker.job.output(),
        || {
            let reply = connection.ask(&pull).unwrap();
            (reply.code == 0).then_some(reply)
        },
    );
    assert!(found.body.windows(7).any(|bytes| bytes == b"goes on"));
    assert_eq!(broker.job.exit_code(), None);
}

/// A file system of its own under the broker's store, in a file beside it.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

const DISK_BYTES: u64 = 128 << 20;

impl Disk {
    fn new(lab: &Lab, at: PathBuf) -> Self {
        let disk = Self { image: lab.home("image").join("ext4"), at };
        fs::create_dir_all(&disk.at).unwrap();
        fs::File::create(&disk.image).unwrap().set_len(DISK_BYTES).unwrap();
        run("mkfs.ext4", &["-q", disk.image.to_str().unwrap()]);
        disk.mount();
        // A broker in a container is not root.
        fs::set_permissions(&disk.at, fs::Permissions::from_mode(0o777)).unwrap();
        disk
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.at.to_str().unwrap()]);
    }

    /// As if it were pulled out: from now on every read of what is not in memory, every write and sync fails, and what was
    /// not synced never comes to disk (`EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`).
    fn pull_out(&self) {
        let shutdown = "my $f = pack('I', 2); open(my $d, '<', $ARGV[0]) or die $!; ioctl($d, 0x8004587d, $f) or die $!;";
        run("perl", &["-e", shutdown, self.at.to_str().unwrap()]);
    }

    fn plug_in(&self) {
        let says = |program: &str, args: &[&str]| Process::new(program).args(args).output().unwrap();
        until(
            WAIT,
            || "nobody has files open".into(),
            || says("umount", &[self.at.to_str().unwrap()]).status.success().then_some(()),
        );
        // Whoever has the file system still mounted, as a container that is just going, would have us mount it as it is.
        let image = self.image.to_str().unwrap();
        until(
            WAIT,
            || "nobody has it mounted".into(),
            || says("losetup", &["-j", image]).stdout.is_empty().then_some(()),
        );
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(&self.at).output();
    }
}

fn run(program: &str, args: &[&str]) {
    let output =
        Process::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?}: {said} (this test mounts a file system: it needs root)"
    );
}

/// Under SYNC_FLUSH nothing that was acknowledged is lost with what was in memory alone; the broker says what is wrong,
/// refuses what it cannot keep, and stops when it is told to.
#[test]
fn a_disk_pulled_out_under_load() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let disk = Disk::new(&lab, lab.home("broker").join("store"));
    let conf = [CONF[0], CONF[1], CONF[2], CONF[3], ("flushDiskType", "SYNC_FLUSH")];
    let broker = lab.broker(Edition::Ours, "broker", &[&name_server], &conf);
    let ledger = Ledger::new("Pulled", 4);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| ledger.send_until(broker.addr, &stop));
        until(WAIT, || "messages".into(), || (ledger.len() > 1000).then_some(()));
        disk.pull_out();
        // Each sender ends with the first refusal.
        let refused = || {
            let message = Send::plain("Pulled").queue_nums(4).property("UNIQ_KEY", "refused").body(b"no");
            broker.connect().ask(&message.v1()).unwrap().code != 0
        };
        until(WAIT, || "sends are refused".into(), || refused().then_some(()));
        stop.store(true, Ordering::Relaxed);
    });
    let acknowledged = ledger.len();
    assert_eq!(broker.job.exit_code(), None, "{}", broker.job.output());
    // Heartbeats, tables and what is in memory are still served.
    assert_eq!(broker.ask(30, &[("topic", "Pulled"), ("queueId", "0")], b"").code, 0);
    let Running { job, home, .. } = broker;
    let exit = job.stop("TERM", STOP_WAIT);
    assert!(exit.code >= 0 && exit.code < 128, "it ends of itself: {exit:?}");
    let said = fs::read_to_string(home.join("logs/rocketmqlogs/store.log")).unwrap();
    assert!(said.contains("Input/output error"), "{said}");
    drop(job);
    disk.plug_in();
    let broker = lab.broker(Edition::Ours, "broker", &[&name_server], &conf);
    ledger.verify_queues(&mut broker.connect(), i64::MAX);
    ledger.send_all(&mut broker.connect(), 10);
    ledger.verify_queries(&mut broker.connect(), acknowledged / 20 + 1);
    assert_eq!(broker.job.stop("TERM", STOP_WAIT).code, 0);
    let (status, said) = mqstore_check(&home.join("store"));
    assert_eq!(status, 0, "{said}");
}

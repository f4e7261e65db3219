//! One store directory, two owners: Java's broker and ours take it over from each other, cleanly and killed under load.
//!
//! `mqstore` looks at the directory between two owners: the judge shares no broker with either.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use compat_tests::client::{Send, physical_offset};
use compat_tests::lab::{Edition, JAVA_4, JAVA_5, Lab, Running};
use compat_tests::ledger::{self, Ledger};
use compat_tests::record;
use compat_tests::wire::{Command, Connection};
use compat_tests::{mqstore_check, until};

const STOP_WAIT: Duration = Duration::from_secs(60);
const DELIVERY_WAIT: Duration = Duration::from_secs(60);
const QUEUES: i32 = 3;
/// Small, so that a test fills several files.
const CONF: [(&str, &str); 6] = [
    ("mappedFileSizeCommitLog", "262144"),
    ("mappedFileSizeConsumeQueue", "4000"),
    ("maxHashSlotNum", "1000"),
    ("maxIndexNum", "4000"),
    // So that messages which wait for their time roll, from one owner to the next. Means nothing to 4.9.7.
    ("timerRollWindowSlot", "4"),
    ("recallMessageEnable", "true"),
];
/// Messages, so many that an index file is full: 1333 of three keys.
const KILL_AFTER: usize = 1400;
const EXIT_SOUND: i32 = 0;
const EXIT_REPAIRED_BY_A_START: i32 = 1;

#[test]
fn clean_there_and_back_with_java_4() {
    clean_there_and_back(JAVA_4);
}

#[test]
fn clean_there_and_back_with_java_5() {
    clean_there_and_back(JAVA_5);
}

#[test]
fn killed_under_load_with_java_4() {
    killed_under_load(JAVA_4);
}

#[test]
fn killed_under_load_with_java_5() {
    killed_under_load(JAVA_5);
}

fn clean_there_and_back(java: Edition) {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let (ledger, mut turns) = (Ledger::new("TakeOver", QUEUES), Turns::default());
    let mut half = None;
    for (turn, edition) in [java, Edition::Ours, java, Edition::Ours].into_iter().enumerate() {
        let broker = lab.broker(edition, "broker-a", &[&name_server], &CONF);
        let mut connection = broker.connect();
        if turn > 0 {
            ledger.verify_queues(&mut connection, i64::MAX);
            ledger.verify_queries(&mut connection, 7);
            assert_eq!(committed(&mut connection), turn as i64 * 10, "turn {turn}");
            assert_delivered(&mut connection, turn);
            if java == JAVA_5 {
                assert_timed(&mut connection, turn);
            }
            commit_half(&mut connection, turn, half.as_ref().expect("the owner before left one"));
        }
        turns.verify(&mut connection);
        turns.begin(&mut connection);
        ledger.send_all(&mut connection, 700);
        ledger.verify_queries(&mut connection, 31);
        commit(&mut connection, (turn as i64 + 1) * 10);
        delay(&mut connection, turn);
        if java == JAVA_5 {
            leave_timed(&mut connection, turn);
        }
        half = Some(prepare(&mut connection, turn));
        let store = broker.home.join("store");
        stop(broker, "TERM");
        let (status, said) = mqstore_check(&store);
        assert_eq!(status, EXIT_SOUND, "turn {turn}:\n{said}");
    }
}

fn killed_under_load(java: Edition) {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let ledger = Ledger::new("Killed", QUEUES);
    // Java removes index files after a crash, and makes anew only what its recovery of the log goes over (messageIndexSafe).
    let mut indexed_from = 0;
    for (turn, edition) in [java, Edition::Ours, java, Edition::Ours].into_iter().enumerate() {
        let broker = lab.broker(edition, "broker-a", &[&name_server], &CONF);
        ledger.verify_queues(&mut broker.connect(), i64::MAX);
        if edition != Edition::Ours {
            indexed_from = ledger.physical_end();
        }
        ledger.verify_queries_from(&mut broker.connect(), indexed_from, ledger.len() / 40 + 1);
        // A killed broker's topic may not have reached its file: that is Java's too.
        ledger.send_all(&mut broker.connect(), QUEUES as usize);
        if java == JAVA_5 {
            time(&mut broker.connect(), turn, "", "6");
        }
        let (stop_sending, addr) = (AtomicBool::new(false), broker.addr);
        let store = broker.home.join("store");
        let before = ledger.len();
        thread::scope(|scope| {
            scope.spawn(|| ledger.send_until(addr, &stop_sending));
            until(STOP_WAIT, || "load".into(), || (ledger.len() > before + KILL_AFTER).then_some(()));
            stop(broker, "KILL");
            stop_sending.store(true, Ordering::Relaxed);
        });
        let (status, said) = mqstore_check(&store);
        assert!([EXIT_SOUND, EXIT_REPAIRED_BY_A_START].contains(&status), "turn {turn}: {status}\n{said}");
    }
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &CONF);
    ledger.verify_queues(&mut broker.connect(), i64::MAX);
    ledger.verify_queries_from(&mut broker.connect(), indexed_from, ledger.len() / 100 + 1);
    if java == JAVA_5 {
        assert_all_timed(&mut broker.connect(), 4);
    }
    let store = broker.home.join("store");
    stop(broker, "TERM");
    let (status, said) = mqstore_check(&store);
    assert_eq!(status, EXIT_SOUND, "{said}");
}

fn stop(broker: Running, signal: &str) {
    let exit = broker.job.stop(signal, STOP_WAIT);
    // 143: how a JVM ends on SIGTERM.
    let expected: &[i64] = if signal == "TERM" { &[0, 143] } else { &[137] };
    assert!(expected.contains(&exit.code), "{exit:?}");
}

const GROUP: &str = "CID_TakeOver";

fn commit(connection: &mut Connection, offset: i64) {
    // Makes the group known.
    let heartbeat = format!(
        r#"{{"clientID":"c","consumerDataSet":[{{"groupName":"{GROUP}","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","subscriptionDataSet":[],"unitMode":false}}],"producerDataSet":[]}}"#
    );
    assert_eq!(connection.ask(&Command::request(34, &[], heartbeat.as_bytes())).unwrap().code, 0);
    let offset = offset.to_string();
    let ext = [
        ("consumerGroup", GROUP),
        ("topic", "TakeOver"),
        ("queueId", "0"),
        ("commitOffset", offset.as_str()),
    ];
    assert_eq!(connection.ask(&Command::request(15, &ext, b"")).unwrap().code, 0);
}

fn committed(connection: &mut Connection) -> i64 {
    let ext = [("consumerGroup", GROUP), ("topic", "TakeOver"), ("queueId", "0")];
    let reply = connection.ask(&Command::request(14, &ext, b"")).unwrap();
    reply.ext.get("offset").unwrap_or_else(|| panic!("{reply:?}")).parse().unwrap()
}

/// Sends one message to be delivered after 5 s: most likely by the next owner.
fn delay(connection: &mut Connection, turn: usize) {
    let message = Send::plain("Delayed")
        .queue_nums(1)
        .property("DELAY", "2")
        .property("UNIQ_KEY", &format!("D{turn}"))
        .body(format!("delayed {turn}").as_bytes());
    let reply = connection.ask(&message.v1()).unwrap();
    assert_eq!(reply.code, 0, "{reply:?}");
}

/// Sends one message to be delivered after `seconds`. The key is made of turn and `more`.
fn time(connection: &mut Connection, turn: usize, more: &str, seconds: &str) -> Command {
    let message = Send::plain("Timed")
        .queue_nums(1)
        .property("TIMER_DELAY_SEC", seconds)
        .property("UNIQ_KEY", &format!("T{turn}{more}"))
        .body(format!("timed {turn}{more}").as_bytes());
    let reply = connection.ask(&message.v1()).unwrap();
    assert_eq!(reply.code, 0, "{reply:?}");
    reply
}

/// Leaves a message that rolls and a recalled one, most likely to the next owner. The recalled one does not roll: a stop
/// over its roll and its time would let it pass its recall, with Java's broker as with ours.
fn leave_timed(connection: &mut Connection, turn: usize) {
    time(connection, turn, "", "6");
    let recalled = time(connection, turn, "-recalled", "3");
    let ext = [("topic", "Timed"), ("recallHandle", recalled.ext["recallHandle"].as_str())];
    let reply = connection.ask(&Command::request(370, &ext, b"")).unwrap();
    assert_eq!(reply.code, 0, "{reply:?}");
}

/// The timed messages of all owners before `turn` are there, once each and in order, without the recalled ones.
fn assert_timed(connection: &mut Connection, turn: usize) {
    assert_bodies(connection, "Timed", "timed", turn);
}

/// The timed messages of `count` owners have come; killed ones may have sent some twice.
fn assert_all_timed(connection: &mut Connection, count: usize) {
    until(
        DELIVERY_WAIT,
        || format!("{count} timed messages"),
        || {
            let reply = ledger::pull(&mut *connection, "Timed", 0, 0);
            let bodies: HashSet<_> =
                record::decode_all(&reply.body).unwrap().into_iter().map(|record| record.body).collect();
            (bodies.len() == count).then_some(())
        },
    );
}

/// Leaves a half message to the next owner.
fn prepare(connection: &mut Connection, turn: usize) -> Command {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
    let message = Send::plain("Committed")
        .queue_nums(1)
        .property("TRAN_MSG", "true")
        .property("PGROUP", "PID_Half")
        .property("UNIQ_KEY", &format!("H{turn}"))
        .ext("sysFlag", "4")
        .ext("bornTimestamp", &now_ms)
        .body(format!("half {turn}").as_bytes());
    let reply = connection.ask(&message.v1()).unwrap();
    assert_eq!(reply.code, 0, "{reply:?}");
    reply
}

/// Commits what the owner before `turn` has stored, and finds it with all committed before.
fn commit_half(connection: &mut Connection, turn: usize, half: &Command) {
    let physical_offset = physical_offset(&half.ext["msgId"]).to_string();
    let unique_key = format!("H{}", turn - 1);
    let ext = [
        ("producerGroup", "PID_Half"),
        ("tranStateTableOffset", half.ext["queueOffset"].as_str()),
        ("commitLogOffset", physical_offset.as_str()),
        ("commitOrRollback", "8"),
        ("fromTransactionCheck", "false"),
        ("msgId", unique_key.as_str()),
    ];
    let reply = connection.ask(&Command::request(37, &ext, b"")).unwrap();
    assert_eq!(reply.code, 0, "{reply:?}");
    assert_bodies(connection, "Committed", "half", turn);
}

/// The delayed messages of all owners before `turn` are there, once each and in order.
fn assert_delivered(connection: &mut Connection, turn: usize) {
    assert_bodies(connection, "Delayed", "delayed", turn);
}

/// Queue 0 of the topic has `word 0`, `word 1`, ...: `count` messages.
fn assert_bodies(connection: &mut Connection, topic: &str, word: &str, count: usize) {
    until(
        DELIVERY_WAIT,
        || format!("{count} messages in {topic}"),
        || (ledger::max_offset(&mut *connection, topic, 0) >= count as i64).then_some(()),
    );
    let reply = ledger::pull(connection, topic, 0, 0);
    let bodies: Vec<_> =
        record::decode_all(&reply.body).unwrap().into_iter().map(|record| record.body).collect();
    let expected: Vec<_> = (0..count).map(|i| format!("{word} {i}").into_bytes()).collect();
    assert_eq!(bodies, expected);
}

/// When each owner began, and the first offset of queue 0 that was its own.
#[derive(Default)]
struct Turns(Vec<(i64, i64)>);

impl Turns {
    fn begin(&mut self, connection: &mut Connection) {
        let clock_ms = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let now_ms = clock_ms();
        self.0.push((now_ms, ledger::max_offset(connection, "TakeOver", 0)));
        // Of several messages stored at the very moment, 4.9.7 finds any.
        until(STOP_WAIT, || "the clock goes on".into(), || (clock_ms() > now_ms).then_some(()));
    }

    /// Searching by time finds the first message of each owner, its predecessor's end, and the ends of the queue.
    fn verify(&self, connection: &mut Connection) {
        let max = ledger::max_offset(connection, "TakeOver", 0);
        let mut search = |timestamp_ms: i64| -> i64 {
            let timestamp = timestamp_ms.to_string();
            let ext = [("topic", "TakeOver"), ("queueId", "0"), ("timestamp", timestamp.as_str())];
            let reply = connection.ask(&Command::request(29, &ext, b"")).unwrap();
            reply.ext["offset"].parse().unwrap()
        };
        for (began_ms, first) in self.0.iter().filter(|(_, first)| *first < max) {
            assert_eq!(search(*began_ms), *first, "{:?}", self.0);
        }
        assert_eq!(search(0), 0);
    }
}

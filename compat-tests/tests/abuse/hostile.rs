//! What hostile clients do. Each attack lasts for a phase, and asserts what it is answered.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use compat_tests::client::{Pull, SUSPEND, Send, consumer_heartbeat, create_topic_command, subscription};
use compat_tests::lab::Running;
use compat_tests::until;
use compat_tests::wire::{Command, Connection};
use nix::sys::socket::{setsockopt, sockopt};

use crate::say;

const WAIT: Duration = Duration::from_secs(30);
const UPDATE_CONSUMER_OFFSET: i32 = 15;
const GET_MAX_OFFSET: i32 = 30;
const HEART_BEAT: i32 = 34;
const LOCK_BATCH_MQ: i32 = 41;
const REGISTER_BROKER: i32 = 103;
const INVOKE_BROKER_TO_RESET_OFFSET: i32 = 222;
const QUERY_CONSUME_TIME_SPAN: i32 = 303;
const SYSTEM_BUSY: i32 = 2;
/// `topics::QUEUES_MAX` of the broker.
const QUEUES_MAX: i32 = 16_384;
const FRAME_BYTES: usize = 16 << 20;
/// Both ends of a connection whose client does not read; they were 3.6 MiB.
const KERNEL_BYTES_MAX: usize = 3 << 19;
const SEND_BUFFER_BYTES: usize = 64 << 10;
const KERNEL_NOISE_BYTES: usize = 64 << 20;

/// Both servers, and how much of each.
type Attack = fn(&Running, &Running, &Sizes);

pub const HOSTILE: [(&str, Attack); 8] = [
    ("a topic of all queues there are", all_queues),
    ("new groups in heartbeats", new_groups),
    ("parked pulls", parked_pulls),
    ("pulls whose replies nobody reads", unread_replies),
    ("frames that are never whole", unfinished_frames),
    ("brokers that come and go", brokers_that_leave),
    ("offsets of many queues, descending", descending_queues),
    ("many locks and subscriptions", many_keys),
];

pub struct Sizes {
    /// How long an attack lasts at least.
    pub phase: Duration,
    /// Connections that send a heartbeat with 100 new groups.
    heartbeats: usize,
    parked_pulls: usize,
    /// Connections that read nothing.
    silent: usize,
    /// Connections that send frames without their last byte.
    unfinished: usize,
    brokers: usize,
    topics_a_broker: usize,
    offsets: usize,
    keys: usize,
}

impl Sizes {
    pub const SHORT: Sizes = Sizes {
        phase: Duration::from_secs(2),
        heartbeats: 30,
        parked_pulls: 10_000,
        silent: 100,
        unfinished: 24,
        brokers: 10,
        topics_a_broker: 4_000,
        offsets: 40_000,
        keys: 20_000,
    };

    /// Each size as it once brought us down.
    pub fn long(whole: Duration) -> Sizes {
        Sizes {
            phase: whole / (HOSTILE.len() as u32 + 1),
            heartbeats: 600,
            parked_pulls: 500_000,
            silent: 500,
            unfinished: 100,
            brokers: 100,
            topics_a_broker: 60_000,
            offsets: 300_000,
            keys: 300_000,
        }
    }
}

/// D1: nothing is sized by a number from outside.
fn all_queues(broker: &Running, _: &Running, sizes: &Sizes) {
    let mut connection = broker.connect();
    let mut create = |topic: &str, queues: i32| {
        let queues = queues.to_string();
        let fields = [("readQueueNums", queues.as_str()), ("writeQueueNums", &queues)];
        connection.ask(&create_topic_command(topic, &fields)).unwrap().code
    };
    assert_ne!(create("AllQueues", i32::MAX), 0);
    assert_eq!(create("AllQueues", QUEUES_MAX), 0);
    let heartbeat =
        consumer_heartbeat("all", "AllQueuesGroup", "CLUSTERING", &[subscription("AllQueues", "*", 1)]);
    assert_eq!(connection.ask(&heartbeat).unwrap().code, 0);
    let wanted =
        [("topic", "AllQueues"), ("group", "AllQueuesGroup"), ("timestamp", "0"), ("isForce", "true")];
    let ends = Instant::now() + sizes.phase;
    while Instant::now() < ends {
        for code in [INVOKE_BROKER_TO_RESET_OFFSET, QUERY_CONSUME_TIME_SPAN] {
            let reply = connection.ask(&Command::request(code, &wanted, b"")).unwrap();
            assert_eq!(reply.code, 0, "{code}: {:?}", reply.remark);
        }
    }
}

/// D2: new names are written once for all, and hold up nobody.
fn new_groups(broker: &Running, _: &Running, sizes: &Sizes) {
    let begun = Instant::now();
    let mut connections: Vec<_> = (0..sizes.heartbeats).map(|_| broker.connect()).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        let groups = (0..100).map(|group| {
            format!(
                r#"{{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"New_{number}_{group}","messageModel":"CLUSTERING","subscriptionDataSet":[],"unitMode":false}}"#
            )
        });
        let groups = groups.collect::<Vec<_>>().join(",");
        let body =
            format!(r#"{{"clientID":"new{number}","consumerDataSet":[{groups}],"producerDataSet":[]}}"#);
        connection.send(&Command::request(HEART_BEAT, &[], body.as_bytes())).unwrap();
    }
    // Whether all were new or too many: an answer.
    for connection in &mut connections {
        connection.receive().unwrap();
    }
    thread::sleep(sizes.phase.saturating_sub(begun.elapsed()));
}

/// D5: as many pulls as may wait at one queue, woken by every message there and sent again.
fn parked_pulls(broker: &Running, _: &Running, sizes: &Sizes) {
    let topic = "Parked";
    let mut sender = broker.connect();
    let message = Send::plain(topic).queue_nums(1).body(b"wakes them").v1();
    assert_eq!(sender.ask(&message).unwrap().code, 0);
    let stream = TcpStream::connect(broker.addr).unwrap();
    let (mut parked, answered, sent, is_over) =
        (0, AtomicUsize::new(0), AtomicUsize::new(1), AtomicBool::new(false));
    thread::scope(|scope| {
        let mut reader = stream.try_clone().unwrap();
        let answered = &answered;
        scope.spawn(move || count_frames(&mut reader, answered));
        // Apart: what is not read, the broker does not write, and then it does not read either.
        let mut writer = stream.try_clone().unwrap();
        let (is_over, count) = (&is_over, sizes.parked_pulls);
        let sent = &sent;
        let writer = scope.spawn(move || {
            let (mut to_send, mut parked) = (count, 0);
            while !is_over.load(Ordering::Relaxed) {
                let pull = parked_pull(topic, sent.load(Ordering::Relaxed)).repeat(to_send.min(1000));
                to_send -= to_send.min(1000);
                if writer.write_all(&pull).is_err() {
                    break;
                }
                parked += pull.len();
                to_send += answered.swap(0, Ordering::Relaxed);
                if to_send == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            parked / parked_pull(topic, 1).len()
        });
        let ends = Instant::now() + sizes.phase;
        while Instant::now() < ends {
            assert_eq!(sender.ask(&message).unwrap().code, 0);
            sent.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
        is_over.store(true, Ordering::Relaxed);
        let _ = stream.shutdown(Shutdown::Both);
        parked = writer.join().unwrap();
    });
    say(&format!("    {parked} pulls"));
    assert!(parked > sizes.parked_pulls, "none was woken");
}

fn parked_pull(topic: &str, offset: usize) -> Vec<u8> {
    Pull::of("ParkedGroup", topic).set("queueOffset", offset).set("sysFlag", SUSPEND | 4).command().encode()
}

/// Until the end of the stream.
fn count_frames(stream: &mut TcpStream, frames: &AtomicUsize) {
    let mut input = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => input.extend_from_slice(&buffer[..count]),
        }
        let mut at = 0;
        while let Some(length) = input[at..].first_chunk().map(|word| u32::from_be_bytes(*word) as usize) {
            if input.len() < at + 4 + length {
                break;
            }
            at += 4 + length;
            frames.fetch_add(1, Ordering::Relaxed);
        }
        input.drain(..at);
    }
}

/// D6: replies that nobody reads take little memory, here and in the kernel.
fn unread_replies(broker: &Running, _: &Running, sizes: &Sizes) {
    let topic = "Unread";
    let mut sender = broker.connect();
    let message = Send::plain(topic).queue_nums(1).body(&vec![b'x'; 60_000]).v1();
    for _ in 0..100 {
        assert_eq!(sender.ask(&message).unwrap().code, 0);
    }
    let max = Command::request(GET_MAX_OFFSET, &[("topic", topic), ("queueId", "0")], b"");
    let all_there = || sender.ask(&max).unwrap().ext["offset"].parse::<i64>().unwrap() >= 100;
    let mut all_there = all_there;
    until(WAIT, || "all are derived".into(), || all_there().then_some(()));
    let pulls = Pull::of("UnreadGroup", topic).set("suspendTimeoutMillis", 0).command().encode().repeat(100);
    let before = kernel_bytes();
    let streams: Vec<_> = (0..sizes.silent).map(|_| hostile_stream(broker.addr)).collect();
    let (mut most, ends) = (0, Instant::now() + sizes.phase);
    while Instant::now() < ends {
        // Who is stuck takes no more; who was closed neither.
        streams.iter().for_each(|mut stream| drop(stream.write(&pulls)));
        thread::sleep(Duration::from_millis(100));
        most = most.max(kernel_bytes().saturating_sub(before));
    }
    say(&format!("    {} MiB in the kernel", most >> 20));
    assert!(most < KERNEL_NOISE_BYTES + sizes.silent * KERNEL_BYTES_MAX, "{most} bytes");
}

/// Of all TCP connections of this machine, other tests' too.
fn kernel_bytes() -> usize {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let tcp = text.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let pages = tcp.split_once(" mem ").map_or("0", |(_, pages)| pages.trim());
    pages.parse::<usize>().expect("a number") * 4096
}

/// D6: 100 of them were 1.5 GiB.
fn unfinished_frames(broker: &Running, _: &Running, sizes: &Sizes) {
    let mut frame = vec![0; FRAME_BYTES - 1];
    frame[..4].copy_from_slice(&(FRAME_BYTES as u32 - 4).to_be_bytes());
    let streams: Vec<_> = (0..sizes.unfinished).map(|_| hostile_stream(broker.addr)).collect();
    let mut written = vec![0; streams.len()];
    let ends = Instant::now() + sizes.phase;
    while Instant::now() < ends {
        for (mut stream, written) in streams.iter().zip(&mut written) {
            *written += stream.write(&frame[*written..]).unwrap_or(0);
        }
        thread::sleep(Duration::from_millis(5));
    }
    // A message that is longer than what is free gets through.
    let long = Send::plain("Long").queue_nums(1).body(&vec![b'x'; 1 << 20]).v1();
    assert_eq!(broker.connect().ask(&long).unwrap().code, 0);
}

/// Which does not wait.
fn hostile_stream(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_nonblocking(true).unwrap();
    // So that what it has sent, and the server has not taken, is not taken for the server's.
    setsockopt(&stream, sockopt::SndBuf, &SEND_BUFFER_BYTES).unwrap();
    stream
}

/// D8: brokers with many topics register and leave all at once; a look-up never waits for that.
fn brokers_that_leave(_: &Running, name_server: &Running, sizes: &Sizes) {
    let ends = Instant::now() + sizes.phase;
    let requests: Vec<_> =
        (0..sizes.brokers).map(|broker| registration(broker, sizes.topics_a_broker)).collect();
    loop {
        let mut connections: Vec<_> = requests.iter().map(|_| name_server.connect()).collect();
        for (connection, request) in connections.iter_mut().zip(&requests) {
            connection.send(request).unwrap();
        }
        for connection in &mut connections {
            let reply = receive_patiently(connection);
            // More than may wait are turned away.
            assert!([0, SYSTEM_BUSY].contains(&reply.code), "{reply:?}");
        }
        drop(connections);
        if Instant::now() >= ends {
            break;
        }
    }
    let listed = || String::from_utf8_lossy(&name_server.ask(106, &[], b"").body).contains("\"hostile0\"");
    until(2 * WAIT, || "they are gone".into(), || (!listed()).then_some(()));
}

/// One registration after another is taken in.
fn receive_patiently(connection: &mut Connection) -> Command {
    connection.call_from_server(Duration::from_secs(120)).expect("it is registered")
}

fn registration(broker: usize, topics: usize) -> Command {
    let (name, addr) = (format!("hostile{broker}"), format!("10.1.0.{broker}:10911"));
    let row = |topic: usize| {
        format!(
            r#""Hostile{topic}":{{"order":false,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"Hostile{topic}","topicSysFlag":0,"writeQueueNums":8}}"#
        )
    };
    let table = (0..topics).map(row).collect::<Vec<_>>().join(",");
    let version = r#"{"counter":1,"stateVersion":0,"timestamp":1}"#;
    let body = format!(
        r#"{{"filterServerList":[],"topicConfigSerializeWrapper":{{"dataVersion":{version},"topicConfigTable":{{{table}}}}}}}"#
    );
    let fields = [
        ("clusterName", "Hostile"),
        ("brokerName", &name),
        ("brokerAddr", &addr),
        ("brokerId", "0"),
        ("haServerAddr", &addr),
        ("compressed", "false"),
    ];
    Command::request(REGISTER_BROKER, &fields, body.as_bytes())
}

/// D9: each before all others, so that a table that is kept in order moves.
fn descending_queues(broker: &Running, _: &Running, sizes: &Sizes) {
    let begun = Instant::now();
    let (topic, group) = ("AllQueues", "AllQueuesGroup");
    let mut connection = broker.connect();
    for queue_id in (0..sizes.offsets).rev() {
        let queue_id = queue_id.to_string();
        let fields =
            [("consumerGroup", group), ("topic", topic), ("queueId", &queue_id), ("commitOffset", "1")];
        connection.send(&Command::request(UPDATE_CONSUMER_OFFSET, &fields, b"").oneway()).unwrap();
    }
    let last = [("consumerGroup", group), ("topic", topic), ("queueId", "2147483647"), ("commitOffset", "1")];
    assert_ne!(connection.ask(&Command::request(UPDATE_CONSUMER_OFFSET, &last, b"")).unwrap().code, 0);
    thread::sleep(sizes.phase.saturating_sub(begun.elapsed()));
}

/// D9: tables that clients fill.
fn many_keys(broker: &Running, _: &Running, sizes: &Sizes) {
    let begun = Instant::now();
    let mut connection = broker.connect();
    for first in (0..sizes.keys).step_by(10_000) {
        let queues = (first..first + 10_000)
            .map(|id| format!(r#"{{"brokerName":"broker","queueId":{id},"topic":"Locked"}}"#));
        let queues = queues.collect::<Vec<_>>().join(",");
        let body = format!(r#"{{"clientId":"c","consumerGroup":"LockGroup","mqSet":[{queues}]}}"#);
        assert_eq!(connection.ask(&Command::request(LOCK_BATCH_MQ, &[], body.as_bytes())).unwrap().code, 0);
        let topics: Vec<_> =
            (first..first + 10_000).map(|topic| subscription(&format!("Many{topic}"), "*", 1)).collect();
        let group = format!("ManyGroup{first}");
        assert_eq!(
            connection.ask(&consumer_heartbeat("many", &group, "CLUSTERING", &topics)).unwrap().code,
            0
        );
    }
    thread::sleep(sizes.phase.saturating_sub(begun.elapsed()));
}

//! Clients that come and go, with what they change of topics and groups, leave nothing behind. Topics and groups themselves stay:
//! our broker cannot delete them yet.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use compat_tests::client::{Pull, SUSPEND, Send, consumer_heartbeat, create_topic_command, subscription};
use compat_tests::lab::{Edition, Lab, Running};
use compat_tests::wire::Command;

use crate::{memory_bytes, say, seconds};

const UPDATE_CONSUMER_OFFSET: i32 = 15;
const GET_MAX_OFFSET: i32 = 30;
const UNREGISTER_CLIENT: i32 = 35;
/// Of each worker.
const TOPICS: usize = 50;
const SHORT: Duration = Duration::from_secs(6);
const WORKERS: usize = 2;
/// Of a worker in the long form, between rounds.
const PAUSE: Duration = Duration::from_millis(5);
/// One file of each kind is enough for an hour: a log or a queue that grows takes mappings as it is to.
const CONF: [(&str, &str); 2] =
    [("mappedFileSizeCommitLog", "1073741824"), ("mappedFileSizeConsumeQueue", "6000000")];
const SHORT_CONF: [(&str, &str); 2] = [("mappedFileSizeCommitLog", "67108864"), CONF[1]];

/// What a process holds.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    memory_bytes: u64,
    maps: u64,
    files: u64,
}

/// So much more than 2% is noise: buffers of threads, a file that is just being made. The short form is warm-up.
const NOISE: Held = Held { memory_bytes: 2 << 20, maps: 16, files: 16 };
const SHORT_NOISE: Held = Held { memory_bytes: 32 << 20, maps: 64, files: 64 };

#[test]
fn churn_leaves_nothing() {
    let asked = seconds("SOAK_SECONDS");
    let (whole, pause, noise, conf) = match asked {
        Some(whole) => (whole, PAUSE, NOISE, CONF),
        None => (SHORT, Duration::ZERO, SHORT_NOISE, SHORT_CONF),
    };
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let broker = lab.broker(Edition::Ours, "broker", &[&name_server], &conf);
    let (pid, ends) = (broker.job.pid(), Instant::now() + whole);
    let (rounds, third, last) = thread::scope(|scope| {
        let worker = |worker| {
            let broker = &broker;
            move || {
                let mut rounds = 0;
                while Instant::now() < ends {
                    churn(broker, worker, rounds);
                    rounds += 1;
                    thread::sleep(pause);
                }
                rounds
            }
        };
        let workers: Vec<_> = (0..WORKERS).map(|number| scope.spawn(worker(number))).collect();
        thread::sleep(whole / 3);
        // The most of a sixth each: what comes and goes is there at some time.
        let third = most_held(pid, whole / 6);
        thread::sleep(whole / 3);
        let last = most_held(pid, whole / 6);
        (workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>(), third, last)
    });
    say(&format!("soak: {rounds} rounds in {whole:?}; after a third {third:?}, at the end {last:?}"));
    assert!(rounds > 20, "{rounds} rounds");
    let grows = |before: u64, after: u64, noise: u64| after > before + (before / 50).max(noise);
    assert!(!grows(third.memory_bytes, last.memory_bytes, noise.memory_bytes), "{third:?}, {last:?}");
    assert!(!grows(third.maps, last.maps, noise.maps), "{third:?}, {last:?}");
    assert!(!grows(third.files, last.files, noise.files), "{third:?}, {last:?}");
}

/// A client comes, changes a topic, joins a group, sends, pulls what it waits for, and leaves in one of three ways.
fn churn(broker: &Running, worker: usize, round: usize) {
    let number = round % TOPICS;
    let (topic, group) = (format!("Soak{worker}_{number}"), format!("SoakGroup{worker}_{number}"));
    let client = format!("{group}_{round}");
    let mut connection = broker.connect();
    let mut ask = |command: &Command| {
        let reply = connection.ask(command).expect("an answer");
        assert_eq!(reply.code, 0, "{topic}, code {}: {:?}", command.code, reply.remark);
        reply
    };
    let order = round.is_multiple_of(2).to_string();
    ask(&create_topic_command(&topic, &[("order", &order)]));
    ask(&consumer_heartbeat(&client, &group, "CLUSTERING", &[subscription(&topic, "*", round as i64)]));
    for queue in 0..2 {
        ask(&Send::to(&topic).queue(queue).v2());
    }
    let offset =
        [("consumerGroup", group.as_str()), ("topic", &topic), ("queueId", "0"), ("commitOffset", "1")];
    ask(&Command::request(UPDATE_CONSUMER_OFFSET, &offset, b""));
    // Waits at the queue's end, until the client goes or a message comes.
    let max = ask(&Command::request(GET_MAX_OFFSET, &[("topic", &topic), ("queueId", "0")], b""));
    let max = max.ext["offset"].clone();
    connection
        .send(&Pull::of(&group, &topic).set("queueOffset", max).set("sysFlag", SUSPEND | 4).command())
        .unwrap();
    match round % 3 {
        0 => drop(connection),
        1 => {
            let fields = [("clientID", client.as_str()), ("consumerGroup", &group)];
            connection.send(&Command::request(UNREGISTER_CLIENT, &fields, b"")).unwrap();
        }
        // In the middle of a frame.
        _ => connection.send_bytes(&[0, 1, 0, 0, 0]).unwrap(),
    }
}

fn most_held(pid: u32, during: Duration) -> Held {
    let ends = Instant::now() + during;
    let mut most = Held::default();
    while Instant::now() < ends {
        let now = held(pid);
        most.memory_bytes = most.memory_bytes.max(now.memory_bytes);
        most.maps = most.maps.max(now.maps);
        most.files = most.files.max(now.files);
        thread::sleep(Duration::from_millis(50));
    }
    most
}

fn held(pid: u32) -> Held {
    let proc = format!("/proc/{pid}");
    let maps = fs::read_to_string(format!("{proc}/maps")).expect("it runs").lines().count() as u64;
    let files = fs::read_dir(format!("{proc}/fd")).expect("it runs").count() as u64;
    Held { memory_bytes: memory_bytes(pid), maps, files }
}

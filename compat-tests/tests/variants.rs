//! The rarer kinds of files in one store directory that Java's broker and ours own in turn: light message queues, the
//! consume queue extension, batch consume queues, records that end in a checksum of themselves.

use std::time::Duration;

use compat_tests::client::{Send, batch_item, create_topic_command};
use compat_tests::lab::{Edition, JAVA_4, JAVA_5, Lab, Running};
use compat_tests::ledger::{max_offset, pull};
use compat_tests::record::{self, Record};
use compat_tests::until;
use compat_tests::wire::{Command, Connection};

const WAIT: Duration = Duration::from_secs(60);
const TURN_MESSAGES: usize = 40;
/// Messages of each inner batch of a turn.
const INNER_NUMS: [usize; 3] = [3, 1, 7];
const LMQ_GROUP: &str = "%LMQ%CID";

const CONF: [(&str, &str); 6] = [
    ("mappedFileSizeCommitLog", "65536"),
    ("mappedFileSizeConsumeQueue", "1000"),
    ("enableLmq", "true"),
    ("enableMultiDispatch", "true"),
    ("enableConsumeQueueExt", "true"),
    ("mappedFileSizeConsumeQueueExt", "1024"),
];
/// What 4.9.7 does not know.
const CONF_5: [(&str, &str); 3] = [
    ("enabledAppendPropCRC", "true"),
    ("forceVerifyPropCRC", "true"),
    ("mapperFileSizeBatchConsumeQueue", "460"),
];

#[test]
fn there_and_back_with_java_4() {
    there_and_back(JAVA_4, &CONF, "TERM");
}

#[test]
fn there_and_back_with_java_5() {
    there_and_back(JAVA_5, &[&CONF[..], &CONF_5].concat(), "TERM");
}

#[test]
fn killed_with_java_5() {
    there_and_back(JAVA_5, &[&CONF[..], &CONF_5].concat(), "KILL");
}

fn there_and_back(java: Edition, conf: &[(&str, &str)], signal: &str) {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let mut account = Account { with_batches: java == JAVA_5, ..Account::default() };
    for (turn, edition) in [java, Edition::Ours, java, Edition::Ours].into_iter().enumerate() {
        let broker = lab.broker(edition, "broker-a", &[&name_server], conf);
        let connection = &mut broker.connect();
        if turn == 0 && account.with_batches {
            make_batch_topic(connection);
        }
        account.verify(connection);
        if turn > 0 && signal == "TERM" {
            assert_eq!(lmq_offset(connection), turn as i64, "turn {turn}");
        }
        account.send(connection, turn);
        account.verify(connection);
        commit_lmq_offset(connection, turn as i64 + 1);
        stop(broker, signal);
    }
}

fn stop(broker: Running, signal: &str) {
    let exit = broker.job.stop(signal, WAIT);
    // 143: how a JVM ends on SIGTERM.
    let expected: &[i64] = if signal == "TERM" { &[0, 143] } else { &[137] };
    assert!(expected.contains(&exit.code), "{exit:?}");
}

/// What all owners together were told is kept.
#[derive(Default)]
struct Account {
    with_batches: bool,
    sent: usize,
    parent: Vec<String>,
    a: Vec<String>,
    b: Vec<String>,
    /// First offset and number of messages of each record.
    batches: Vec<(i64, usize)>,
}

impl Account {
    fn send(&mut self, connection: &mut Connection, turn: usize) {
        for _ in 0..TURN_MESSAGES {
            let (body, both) = (format!("{turn}/{}", self.sent), self.sent.is_multiple_of(2));
            self.sent += 1;
            let lmqs = if both { "%LMQ%b,%LMQ%a" } else { "%LMQ%a" };
            let properties = [("INNER_MULTI_DISPATCH", lmqs), ("TAGS", if both { "Even" } else { "Odd" })];
            send(connection, 10, "Multi", &properties, body.as_bytes());
            self.parent.push(body.clone());
            self.b.extend(both.then(|| body.clone()));
            self.a.push(body);
        }
        if self.with_batches {
            INNER_NUMS.iter().for_each(|num| self.send_batches(connection, *num));
        }
    }

    /// An inner batch, then a message alone.
    fn send_batches(&mut self, connection: &mut Connection, num: usize) {
        let unique_key = format!("7F000001{:024X}", self.batches.len());
        let body = batch_item(b"inner", &[]).repeat(num);
        for (code, properties, body, num) in
            [(320, &[("UNIQ_KEY", unique_key.as_str())][..], body, num), (10, &[], b"alone".to_vec(), 1)]
        {
            let expected = self.batches.last().map_or(0, |(base, num)| base + *num as i64);
            let reply = send(connection, code, "Batch", properties, &body);
            assert_eq!(reply.ext["queueOffset"], expected.to_string(), "{reply:?}");
            assert_eq!(reply.ext.contains_key("batchUniqId"), code == 320, "{reply:?}");
            self.batches.push((expected, num));
        }
    }

    fn verify(&self, connection: &mut Connection) {
        for (topic, expected) in [("Multi", &self.parent), ("%LMQ%a", &self.a), ("%LMQ%b", &self.b)] {
            let found = read_all(connection, topic, expected.len() as i64);
            let bodies: Vec<_> =
                found.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect();
            assert_eq!(bodies, *expected, "{topic}");
        }
        if let Some((base, num)) = self.batches.last() {
            let found = read_all(connection, "Batch", base + *num as i64);
            let places: Vec<_> = found
                .iter()
                .map(|record| {
                    let num = record.properties.get("INNER_NUM").map_or(1, |num| num.parse().unwrap());
                    (record.queue_offset, num)
                })
                .collect();
            assert_eq!(places, self.batches);
        }
    }
}

/// Everything in queue 0 of a topic, which ends at `max`.
fn read_all(connection: &mut Connection, topic: &str, max: i64) -> Vec<Record> {
    until(
        WAIT,
        || format!("{topic} to reach {max}"),
        || (max == 0 || max_offset(connection, topic, 0) == max).then_some(()),
    );
    let mut found = Vec::new();
    let mut offset = 0;
    while offset < max {
        let reply = pull(connection, topic, 0, offset);
        assert_eq!(reply.code, 0, "{topic} at {offset}: {reply:?}");
        found.extend(record::decode_all(&reply.body).unwrap());
        offset = reply.ext["nextBeginOffset"].parse().unwrap();
    }
    found
}

fn send(
    connection: &mut Connection,
    code: i32,
    topic: &str,
    properties: &[(&'static str, &str)],
    body: &[u8],
) -> Command {
    let mut message = Send::plain(topic).queue_nums(1).body(body);
    for (name, value) in properties {
        message = message.property(name, value);
    }
    let request = if code == 320 { message.batch() } else { message.v1() };
    let reply = connection.ask(&request).unwrap();
    assert_eq!(reply.code, 0, "{reply:?}");
    reply
}

fn make_batch_topic(connection: &mut Connection) {
    let fields = [("readQueueNums", "1"), ("writeQueueNums", "1"), ("attributes", "+queue.type=BatchCQ")];
    let reply = connection.ask(&create_topic_command("Batch", &fields)).unwrap();
    assert_eq!(reply.code, 0, "{reply:?}");
}

const LMQ_OFFSET: [(&str, &str); 3] = [("consumerGroup", LMQ_GROUP), ("topic", "%LMQ%a"), ("queueId", "0")];

fn commit_lmq_offset(connection: &mut Connection, offset: i64) {
    let offset = offset.to_string();
    let ext = [&LMQ_OFFSET[..], &[("commitOffset", offset.as_str())]].concat();
    assert_eq!(connection.ask(&Command::request(15, &ext, b"")).unwrap().code, 0);
}

fn lmq_offset(connection: &mut Connection) -> i64 {
    let reply = connection.ask(&Command::request(14, &LMQ_OFFSET, b"")).unwrap();
    reply.ext.get("offset").unwrap_or_else(|| panic!("{reply:?}")).parse().unwrap()
}

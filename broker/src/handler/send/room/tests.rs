//! The longest properties that are taken, on every way that a message can go.

use super::*;
use crate::broker::Broker;
use crate::config::{self, Overrides};
use crate::configuration::Configuration;
use crate::handler::end_transaction::end_transaction;
use crate::handler::send::{send_batch_message, send_message_v2};
use crate::handler::send_back::consumer_send_msg_back;
use crate::start;
use message::record;
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::{Call, Command, ExtFields, Outcome, Peer, RequestCode, ResponseCode};
use std::sync::Arc;
use store::get::PULL_BYTES_MAX;
use store::testing::wait_until;
use store::{Everything, GetRequest};

/// Longest names of topics and groups that a broker takes.
const NAME_BYTES: usize = 120;
/// As newer clients, which say how often a message may be retried.
const VERSION: i32 = 500;
const SENT_BACK_MAX: usize = 2;

async fn broker(home: &std::path::Path) -> start::Running {
    let text = "listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=8388608\nmessageDelayLevel=1s 1s\n\
                enabledAppendPropCRC=true\nenableMultiDispatch=true\nenableLmq=true\n";
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (config, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    start::start(Configuration::new(config, None), settings, Clock::real()).await.unwrap()
}

/// A name of [`NAME_BYTES`].
fn name(begin: &str) -> String {
    format!("{begin}{}", "-".repeat(NAME_BYTES - begin.len()))
}

fn command(code: RequestCode, fields: &[(&str, &str)]) -> Command {
    let mut ext = ExtFields::empty();
    fields.iter().for_each(|(name, value)| ext.push(name, value.to_string()));
    let mut command = Command::request(code, ext);
    command.version = VERSION;
    command
}

/// The answer's code and its fields; one that waits for the disk is a success.
fn answer(outcome: Result<Outcome, Refusal>) -> (ResponseCode, Option<ExtFields>) {
    match outcome {
        Ok(Outcome::Now(reply)) => (reply.response_code(), Some(reply.ext)),
        Ok(_) => (ResponseCode::SUCCESS, None),
        Err(refusal) => (refusal.code, None),
    }
}

/// Sends a message with so many bytes in one of its properties, and others as `NAME=value;`.
fn send(broker: &Arc<Broker>, topic: &str, bytes: usize, more: &str) -> (ResponseCode, Option<ExtFields>) {
    // Else the answer may wait for the topic's being saved.
    broker.group_topic(topic, 1, false, 0).unwrap();
    wait_until("the topic is saved", || broker.topics.is_saved(topic));
    let properties = format!("UNIQ_KEY=key;long={};{more}", "p".repeat(bytes));
    let properties = properties.replace('=', "\u{1}").replace(';', "\u{2}");
    let fields = [("a", "pg"), ("b", topic), ("c", "TBW102"), ("d", "1"), ("e", "0"), ("f", "0"), ("g", "1")];
    let mut command = command(RequestCode::SEND_MESSAGE_V2, &fields).with_body(b"hello".to_vec());
    command.ext.push("h", "0");
    command.ext.push("i", properties);
    answer(send_message_v2(broker, &mut Call::new(&Peer::detached(), command)))
}

/// The most bytes that are taken.
fn most_bytes(broker: &Arc<Broker>, topic: &str, more: &str) -> usize {
    let (mut taken, mut refused) = (20_000, PROPERTIES_BYTES_MAX);
    while refused - taken > 1 {
        let bytes = taken + (refused - taken) / 2;
        match send(broker, topic, bytes, more).0 {
            ResponseCode::SUCCESS => taken = bytes,
            ResponseCode::MESSAGE_ILLEGAL => refused = bytes,
            other => panic!("{other:?}"),
        }
    }
    taken
}

/// Where the first message of a topic lies, once it is there with its long property.
fn arrived(broker: &Arc<Broker>, topic: &str, bytes: usize) -> i64 {
    wait_until(topic, || broker.store.max_offset_in_queue(topic, 0) > 0);
    let request = GetRequest { topic, queue_id: 0, offset: 0, count_max: 1, bytes_max: PULL_BYTES_MAX };
    let bytes_read = broker.store.get_message(request, &Everything).unwrap().into_copy().unwrap();
    let stored = record::messages(&bytes_read).next().unwrap();
    assert_eq!(property::find(&stored.message.properties, "long").map(str::len), Some(bytes), "{topic}");
    assert_eq!(stored.message.body, b"hello");
    stored.physical_offset
}

fn give_back(broker: &Arc<Broker>, group: &str, offset: i64) {
    let (offset, times_max) = (offset.to_string(), (SENT_BACK_MAX - 1).to_string());
    let fields =
        [("group", group), ("offset", &offset), ("delayLevel", "1"), ("maxReconsumeTimes", &times_max)];
    let command = command(RequestCode::CONSUMER_SEND_MSG_BACK, &fields);
    let given_back = answer(consumer_send_msg_back(broker, &mut Call::new(&Peer::detached(), command)));
    assert_eq!(given_back.0, ResponseCode::SUCCESS, "{group}");
}

fn commit(broker: &Arc<Broker>, reply: &ExtFields) {
    let id = reply.get("msgId").unwrap();
    let offset = i64::from_str_radix(&id[id.len() - 16..], 16).unwrap().to_string();
    let fields = [
        ("producerGroup", "pg"),
        ("tranStateTableOffset", reply.get("queueOffset").unwrap()),
        ("commitLogOffset", &offset),
        ("commitOrRollback", "8"),
    ];
    let command = command(RequestCode::END_TRANSACTION, &fields);
    let ended = answer(end_transaction(broker, &mut Call::new(&Peer::detached(), command)));
    assert_eq!(ended.0, ResponseCode::SUCCESS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_arrives_and_can_be_given_back_until_it_is_dead() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let broker = running.broker();
    let lmqs = format!("INNER_MULTI_DISPATCH={};DELAY=1;", vec!["%LMQ%q"; 300].join(","));
    let kinds = [
        ("Plain", ""),
        ("Delayed", "DELAY=1;"),
        ("Timed", "TIMER_DELAY_MS=1500;"),
        ("Half", "TRAN_MSG=true;PGROUP=pg;"),
        ("Lmqs", &lmqs),
    ];
    let sent = kinds.map(|(kind, more)| {
        let bytes = most_bytes(broker, &name(&format!("Probe{kind}")), more);
        let (code, reply) = send(broker, &name(kind), bytes, more);
        assert_eq!(code, ResponseCode::SUCCESS);
        if kind == "Half" {
            commit(broker, &reply.unwrap());
        }
        (name(kind), bytes)
    });
    let mut places = sent.each_ref().map(|(topic, bytes)| arrived(broker, topic, *bytes));
    for round in 0..SENT_BACK_MAX {
        let prefix =
            if round + 1 < SENT_BACK_MAX { RETRY_GROUP_TOPIC_PREFIX } else { DLQ_GROUP_TOPIC_PREFIX };
        for ((group, _), offset) in sent.iter().zip(places) {
            give_back(broker, &name(&group[..4]), offset);
        }
        for (place, (group, bytes)) in places.iter_mut().zip(&sent) {
            *place = arrived(broker, &format!("{prefix}{}", name(&group[..4])), *bytes);
        }
    }
    running.shutdown().await;
}

/// A client that gives a message back itself, as it does where its broker cannot be asked, sends it to the retry topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_give_back_what_was_taken() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let broker = running.broker();
    let bytes = most_bytes(broker, &name("T"), "");
    let group = name("g");
    broker.groups.find(&group).unwrap();
    let more = format!(
        "RETRY_TOPIC={};ORIGIN_MESSAGE_ID={};RECONSUME_TIME=-2147483648;MAX_RECONSUME_TIMES=-2147483648;DELAY=1;WAIT=false;",
        name("T"),
        "f".repeat(id::IPV6_CHARS)
    );
    let retry = format!("{RETRY_GROUP_TOPIC_PREFIX}{group}");
    assert_eq!(send(broker, &retry, bytes, &more).0, ResponseCode::SUCCESS);
    arrived(broker, &retry, bytes);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_of_a_batch_has_room_too() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let broker = running.broker();
    let most = most_bytes(broker, "Single", "");
    let answer_of = |bytes: usize| {
        let properties = format!("UNIQ_KEY\u{1}key\u{2}long\u{1}{}\u{2}", "p".repeat(bytes));
        // Size, magic, CRC, flag, body, properties.
        let mut item = vec![0; 16];
        item.extend_from_slice(&5_i32.to_be_bytes());
        item.extend_from_slice(b"hello");
        item.extend_from_slice(&(properties.len() as i16).to_be_bytes());
        item.extend_from_slice(properties.as_bytes());
        let size = item.len() as i32;
        item[..4].copy_from_slice(&size.to_be_bytes());
        let fields =
            [("a", "pg"), ("b", "Single"), ("c", "TBW102"), ("d", "1"), ("e", "0"), ("f", "0"), ("g", "1")];
        let mut command = command(RequestCode::SEND_BATCH_MESSAGE, &fields).with_body(item);
        command.ext.push("h", "0");
        command.ext.push("m", "true");
        answer(send_batch_message(broker, &mut Call::new(&Peer::detached(), command))).0
    };
    assert_eq!(
        [most - 100, most + 100].map(answer_of),
        [ResponseCode::SUCCESS, ResponseCode::MESSAGE_ILLEGAL]
    );
    running.shutdown().await;
}

#[test]
fn the_documented_lengths() {
    assert_eq!((SENT_BYTES_MAX, GIVEN_BACK_BYTES_MAX), (31_805, 32_320));
}

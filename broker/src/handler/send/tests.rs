//! Sends to brokers that are set otherwise: who waits for the disk, and who is refused.

use super::*;
use crate::config::{self, Overrides};
use crate::configuration::Configuration;
use crate::persister::ConfigTable;
use crate::start;
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::{Peer, RequestCode};

fn send(topic: &'static str, wait: Option<&str>) -> Command {
    let mut ext = ExtFields::empty();
    for (name, value) in [
        ("a", "pg"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
    ] {
        ext.push(name, value);
    }
    if let Some(wait) = wait {
        ext.push("i", format!("WAIT\u{1}{wait}\u{2}"));
    }
    Command::request(RequestCode::SEND_MESSAGE_V2, ext).with_body(b"hello".to_vec())
}

/// Whether a send is answered before the disk has it.
fn is_answered_at_once(broker: &Arc<Broker>, wait: Option<&str>) -> bool {
    match send_message_v2(broker, &mut Call::new(&Peer::detached(), send("T", wait))) {
        Ok(Outcome::Now(reply)) => {
            assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{:?}", reply.remark);
            true
        }
        Ok(Outcome::Later(_)) => false,
        _ => panic!("neither answered nor parked"),
    }
}

/// Code and remark.
fn answer(broker: &Arc<Broker>, topic: &'static str) -> (ResponseCode, String) {
    match send_message_v2(broker, &mut Call::new(&Peer::detached(), send(topic, None))) {
        Ok(Outcome::Now(reply)) => (reply.response_code(), reply.remark.unwrap_or_default().into_owned()),
        Err(refusal) => {
            // Only a send that is none of this broker's business tells less.
            assert!(refusal.ext.is_some_and(|ext| ext.get("MSG_REGION").is_some()));
            (refusal.code, refusal.remark.into_owned())
        }
        _ => panic!("not answered"),
    }
}

async fn broker(home: &std::path::Path, settings: &str) -> start::Running {
    let text = format!("listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\n{settings}\n");
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (config, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    let running = start::start(Configuration::new(config, None), settings, Clock::real()).await.unwrap();
    // A topic that is just being made keeps answers waiting.
    running.broker().group_topic("T", 1, false, 0).unwrap();
    running.broker().topics.persist();
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_being_made_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path(), "").await;
    let (sender, replies) = std::sync::mpsc::channel();
    let sender = parking_lot::Mutex::new(sender);
    let sink = move |reply| sender.lock().send(reply).unwrap();
    let peer = Peer::in_process(([127, 0, 0, 1], 7).into(), Box::new(sink), None);
    let call = &mut Call::new(&peer, send("New", None));
    if let Ok(Outcome::Now(reply)) = send_message_v2(running.broker(), call) {
        // The disk was faster than the look at it.
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
    } else {
        let reply: Command = replies.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{:?}", reply.remark);
    }
    assert!(running.broker().topics.is_saved("New"), "answered before the topic is on disk");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_who_want_to_wait_for_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let synchronous = broker(&home.path().join("sync"), "flushDiskType=SYNC_FLUSH").await;
    for (wait, at_once) in [
        (None, false),
        (Some("true"), false),
        (Some("TRUE"), false),
        (Some("false"), true),
        (Some("x"), true),
    ] {
        assert_eq!(is_answered_at_once(synchronous.broker(), wait), at_once, "{wait:?}");
    }
    synchronous.shutdown().await;
    let asynchronous = broker(&home.path().join("async"), "flushDiskType=ASYNC_FLUSH").await;
    assert!(is_answered_at_once(asynchronous.broker(), Some("true")));
    asynchronous.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_light_queue_has_a_topic_s_name() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path(), "enableLmq=true").await;
    assert_eq!(answer(running.broker(), "%LMQ%good").0, ResponseCode::SUCCESS);
    let (code, remark) = answer(running.broker(), "%LMQ%../bad");
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert!(remark.contains("illegal characters"), "{remark}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_before_their_time_are_told_when_it_comes() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path(), "startAcceptSendRequestTimeStamp=4102444800007").await;
    let (code, remark) = answer(running.broker(), "T");
    assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    // 2100-01-01 UTC, as the clock on the wall says it here.
    let date = remark.strip_prefix("broker unable to service, until ").unwrap();
    assert!(date.starts_with("2100-01-01 ") || date.starts_with("2099-12-31 "), "{remark}");
    assert!(date.ends_with(":00,007"), "{remark}");
    running.shutdown().await;
}

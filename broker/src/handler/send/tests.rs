//! Sends to a broker that flushes synchronously: who waits for the disk.

use super::*;
use crate::config::{self, Overrides};
use crate::start;
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::RequestCode;

fn send(wait: Option<&str>) -> Command {
    let mut ext = ExtFields::empty();
    for (name, value) in
        [("a", "pg"), ("b", "T"), ("c", "TBW102"), ("d", "4"), ("e", "0"), ("f", "0"), ("g", "1"), ("h", "0")]
    {
        ext.push(name, value);
    }
    if let Some(wait) = wait {
        ext.push("i", format!("WAIT\u{1}{wait}\u{2}"));
    }
    Command::request(RequestCode::SEND_MESSAGE_V2, ext).with_body(b"hello".to_vec())
}

/// Whether a send is answered before the disk has it.
fn is_answered_at_once(broker: &Arc<Broker>, wait: Option<&str>) -> bool {
    match send_message_v2(broker, &Peer::detached(), send(wait)) {
        Ok(Outcome::Now(reply)) => {
            assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{:?}", reply.remark);
            true
        }
        Ok(Outcome::Later) => false,
        _ => panic!("neither answered nor parked"),
    }
}

async fn broker(home: &std::path::Path, flush: &str) -> start::Running {
    let text = format!(
        "listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\nflushDiskType={flush}\n"
    );
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (_, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    start::start(settings, Clock::real()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_who_want_to_wait_for_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let synchronous = broker(&home.path().join("sync"), "SYNC_FLUSH").await;
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
    let asynchronous = broker(&home.path().join("async"), "ASYNC_FLUSH").await;
    assert!(is_answered_at_once(asynchronous.broker(), Some("true")));
    asynchronous.shutdown().await;
}

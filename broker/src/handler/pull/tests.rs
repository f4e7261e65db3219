use super::*;
use crate::config::{self, Overrides};
use crate::start;
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::{ExtFields, RequestCode};

async fn broker(home: &std::path::Path) -> start::Running {
    let text = "listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\n";
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (_, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    start::start(settings, Clock::real()).await.unwrap()
}

fn request() -> Command {
    let mut ext = ExtFields::empty();
    for (name, value) in [
        ("consumerGroup", "g"),
        ("topic", "T"),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("suspendTimeoutMillis", "15000"),
        ("subscription", "*"),
        ("subVersion", "1"),
    ] {
        ext.push(name, value);
    }
    ext.push("sysFlag", pull_sys_flag::SUSPEND | pull_sys_flag::SUBSCRIPTION);
    Command::request(RequestCode::PULL_MESSAGE, ext)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_waits_for_a_consumer_that_is_there() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let broker = running.broker();
    broker.group_topic("T", 1, false, 0).unwrap();
    let (gone, there) = (Peer::detached(), Peer::detached());
    assert!(matches!(pull_message(broker, &mut Call::new(&gone, request())), Ok(Outcome::Later(_))));
    broker.offsets.assign_reset("g", "T", 0, 0);
    gone.close();
    broker.long_poll.take_all().into_iter().for_each(|parked| wake(broker, parked));
    assert!(broker.offsets.has_reset("g", "T", 0));

    let Ok(Outcome::Now(reply)) = pull_message(broker, &mut Call::new(&there, request())) else {
        panic!("not answered")
    };
    assert_eq!(reply.response_code(), ResponseCode::PULL_OFFSET_MOVED);
    assert!(!broker.offsets.has_reset("g", "T", 0));
    running.shutdown().await;
}

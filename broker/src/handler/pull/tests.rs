use super::*;
use crate::arrivals;
use crate::config::{self, Overrides};
use crate::configuration::Configuration;
use crate::dispatch::BrokerPort;
use crate::start;
use message::{Message, property};
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::client::{Client, ClientConfig, NoService};
use remoting::connection::{Exchange, Observer, dispatch};
use remoting::table::Port;
use remoting::{ExtFields, RequestCode};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

async fn broker(home: &Path) -> start::Running {
    let text =
        "listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\nenablePropertyFilter=true\n";
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (config, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    let running = start::start(Configuration::new(config, None), settings, Clock::real()).await.unwrap();
    running.broker().group_topic("T", 1, false, 0).unwrap();
    running
}

fn request(expression_type: &str, subscription: &str) -> Command {
    let mut ext = ExtFields::empty();
    for (name, value) in [
        ("consumerGroup", "g"),
        ("topic", "T"),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("suspendTimeoutMillis", "15000"),
        ("expressionType", expression_type),
        ("subscription", subscription),
        ("subVersion", "1"),
    ] {
        ext.push(name, value);
    }
    ext.push("sysFlag", pull_sys_flag::SUSPEND | pull_sys_flag::SUBSCRIPTION);
    Command::request(RequestCode::PULL_MESSAGE, ext)
}

/// Code, next offset and body bytes of a pull's answer.
fn told(reply: &Command) -> (ResponseCode, Option<i64>, usize) {
    let header = PullMessageResponseHeader::decode(&reply.ext);
    (reply.response_code(), header.next_begin_offset, reply.body.len())
}

/// A consumer in this process: what it is answered, and which of its requests ended without an answer.
struct Consumer {
    peer: Arc<Peer>,
    replies: Receiver<Command>,
    unanswered: Receiver<RequestCode>,
}

struct Unanswered(parking_lot::Mutex<Sender<RequestCode>>);

impl Observer for Unanswered {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        if exchange.response_code.is_none() {
            self.0.lock().send(exchange.code).unwrap();
        }
    }
}

impl Consumer {
    fn new() -> Consumer {
        let ((replied, replies), (ended, unanswered)) = (channel(), channel());
        let replied = parking_lot::Mutex::new(replied);
        let sink = move |reply| replied.lock().send(reply).unwrap();
        let observer = Arc::new(Unanswered(parking_lot::Mutex::new(ended)));
        let peer = Peer::in_process(([127, 0, 0, 1], 7).into(), Box::new(sink), Some(observer));
        Consumer { peer, replies, unanswered }
    }

    fn ask(&self, broker: &Arc<Broker>, request: Command) {
        dispatch(&BrokerPort::new(broker.clone(), Port::Main), &self.peer, request);
    }

    fn reply(&self) -> Command {
        self.replies.recv_timeout(PATIENCE).unwrap()
    }
}

/// Appends a message with a property `a` and waits until consumers could see it.
fn put(broker: &Broker, a: &str) {
    let mut properties = String::new();
    property::append(&mut properties, "a", a);
    let message = Message {
        topic: "T".into(),
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 0,
        born_host: broker.store_host,
        store_host: broker.store_host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"body",
        properties: properties.into(),
    };
    let appended = broker.store.append(&message).unwrap();
    until("derived", || broker.store.max_offset_in_queue("T", 0) > appended.queue_offset);
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_waits_for_a_consumer_that_is_there() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let broker = running.broker();
    let (gone, there) = (Consumer::new(), Consumer::new());
    gone.ask(broker, request("TAG", "*"));
    assert_eq!(broker.long_poll.len(), 1);
    broker.offsets.assign_reset("g", "T", 0, 0).unwrap();
    gone.peer.close();
    broker.long_poll.wake_grown(broker, |_, _| i64::MAX);
    assert_eq!(gone.unanswered.recv_timeout(PATIENCE), Ok(RequestCode::PULL_MESSAGE));
    assert!(broker.offsets.has_reset("g", "T", 0));

    there.ask(broker, request("TAG", "*"));
    assert_eq!(there.reply().response_code(), ResponseCode::PULL_OFFSET_MOVED);
    assert!(!broker.offsets.has_reset("g", "T", 0));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expression_waits_for_what_it_matches() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let (broker, consumer) = (running.broker(), Consumer::new());
    consumer.ask(broker, request("SQL92", "a = 1"));
    for _ in 0..3 {
        put(broker, "2");
    }
    let none = consumer.replies.recv_timeout(Duration::from_millis(50));
    assert_eq!(none, Err(RecvTimeoutError::Timeout));
    until("it waits again", || broker.long_poll.len() == 1);
    put(broker, "1");
    let (code, next_offset, body_bytes) = told(&consumer.reply());
    assert_eq!((code, next_offset), (ResponseCode::SUCCESS, Some(4)));
    assert!(body_bytes > 0);
    running.shutdown().await;
}

/// Now and then a pull goes on behind what it did not want, so that its group is seen to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_matches_nothing_goes_on_behind_it() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let broker = running.broker();
    for (kind, expression) in [("SQL92", "a = 1"), ("TAG", "TagA")] {
        let consumer = Consumer::new();
        let mut pull = request(kind, expression);
        let begin = broker.store.max_offset_in_queue("T", 0);
        pull.ext.push("queueOffset", begin);
        consumer.ask(broker, pull);
        put(broker, "2");
        until("it waits again", || broker.long_poll.len() == 1);
        assert_eq!(consumer.replies.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
        arrivals::wake_grown_queues(broker);
        let retry = (ResponseCode::PULL_RETRY_IMMEDIATELY, Some(begin + 1), 0);
        assert_eq!(told(&consumer.reply()), retry, "{kind}");
    }
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_s_pull_is_answered_when_a_message_comes() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let broker = running.broker();
    let client = Arc::new(Client::new(ClientConfig::default(), Arc::new(NoService)));
    let addr = running.local_addr().unwrap().to_string();
    for (kind, expression, next_offset) in [("TAG", "*", 1), ("SQL92", "a = 1", 2)] {
        let mut pull = request(kind, expression);
        pull.ext.push("queueOffset", next_offset - 1);
        let (caller, addr) = (client.clone(), addr.clone());
        let call = tokio::spawn(async move { caller.call(&addr, pull, PATIENCE).await.unwrap() });
        until("it waits", || broker.long_poll.len() == 1);
        put(broker, "1");
        let (code, next, _) = told(&call.await.unwrap());
        assert_eq!((code, next), (ResponseCode::SUCCESS, Some(next_offset)), "{kind}");
    }
    client.shutdown().await;
    running.shutdown().await;
}

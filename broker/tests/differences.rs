//! Where the broker differs from Java's on purpose (`docs/DIFFERENCES.md`), seen from a connection.

use broker::config::{self, Overrides};
use broker::configuration::Configuration;
use broker::start::{self, Running};
use broker::topics::QUEUES_MAX;
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::body::{
    LockBatchResponseBody, QueryCorrectionOffsetBody, QuerySubscriptionResponseBody, TopicConfig,
};
use remoting::client::{Client, ClientConfig};
use remoting::{Call, Command, ExtFields, Outcome, Refusal, RequestCode, ResponseCode, Service, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A client that leaves when the broker asks it how it is.
struct Leaving;

impl Service for Leaving {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        if call.request.request_code() == RequestCode::GET_CONSUMER_RUNNING_INFO {
            call.peer().close();
        }
        Ok(Outcome::Silent)
    }
}

struct Lab {
    _home: tempfile::TempDir,
    running: Running,
}

impl Lab {
    async fn new() -> Lab {
        let home = tempfile::tempdir().unwrap();
        let running = start(home.path()).await;
        Lab { _home: home, running }
    }

    fn client(&self) -> LabClient {
        let client = Client::new(ClientConfig::default(), Arc::new(Leaving));
        LabClient { client, addr: self.running.local_addr().unwrap().to_string() }
    }
}

async fn start(home: &Path) -> Running {
    let text = "listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\n";
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (config, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    start::start(Configuration::new(config, None), settings, Clock::real()).await.unwrap()
}

/// One connection to the broker.
struct LabClient {
    client: Client<Leaving>,
    addr: String,
}

impl LabClient {
    async fn ask(&self, code: RequestCode, ext: &[(&str, &str)], body: &[u8]) -> Command {
        let mut fields = ExtFields::empty();
        ext.iter().for_each(|(name, value)| fields.push(name, *value));
        let request = Command::request(code, fields).with_body(body.to_vec());
        self.client.call(&self.addr, request, PATIENCE).await.unwrap()
    }

    async fn ask_ok(&self, code: RequestCode, ext: &[(&str, &str)], body: &[u8]) -> Command {
        let reply = self.ask(code, ext, body).await;
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{:?}", reply.remark);
        reply
    }

    /// Sends to queue 0 of a topic, which is made if it is new.
    async fn send(&self, topic: &str, more: &[(&str, &str)], body: &[u8]) {
        let fields =
            [("a", "pg"), ("b", topic), ("c", "TBW102"), ("d", "4"), ("e", "0"), ("f", "0"), ("g", "1")];
        self.ask_ok(RequestCode::SEND_MESSAGE_V2, &[&fields[..], &[("h", "0")], more].concat(), body).await;
    }

    /// Pulls once, without waiting.
    async fn pull(&self, topic: &str) -> Command {
        let fields = [
            ("consumerGroup", "g"),
            ("topic", topic),
            ("queueId", "0"),
            ("queueOffset", "0"),
            ("maxMsgNums", "32"),
            // Brings its subscription along.
            ("sysFlag", "4"),
            ("subscription", "*"),
            ("subVersion", "1"),
        ];
        self.ask(RequestCode::PULL_MESSAGE, &fields, b"").await
    }

    /// Pulls until there is something.
    async fn pull_some(&self, topic: &str) -> Command {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let reply = self.pull(topic).await;
            if reply.response_code() == ResponseCode::SUCCESS {
                return reply;
            }
            assert!(Instant::now() < give_up_at, "nothing in {topic}: {:?}", reply.remark);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_asks_for_a_time_is_delivered_at_once() {
    let lab = Lab::new().await;
    let client = lab.client();
    // `size | magic | crc | flag | body length | body | properties length`.
    let item = b"\0\0\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02hi\0\0";
    let batch = [("i", "TIMER_DELAY_SEC\u{1}3600\u{2}"), ("m", "true")];
    client.send("T", &batch, &[&item[..], item].concat()).await;
    let pulled = client.pull_some("T").await;
    assert_eq!(pulled.ext.get("nextBeginOffset"), Some("2"));
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_makes_no_subscription() {
    let lab = Lab::new().await;
    let client = lab.client();
    client.send("T", &[], b"hi").await;
    client.pull_some("T").await;
    let wanted = [("group", "g"), ("topic", "T")];
    let reply = client.ask_ok(RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER, &wanted, b"").await;
    let body: QuerySubscriptionResponseBody = json::from_slice(&reply.body.bytes()).unwrap();
    assert_eq!(body.subscription_data, None);
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_forgets_no_offsets() {
    let lab = Lab::new().await;
    let client = lab.client();
    client.send("T", &[], b"hi").await;
    for (group, offset) in [("slow", "0"), ("fast", "1")] {
        let heartbeat = format!(r#"{{"clientID":"c","consumerDataSet":[{{"groupName":"{group}"}}]}}"#);
        client.ask_ok(RequestCode::HEART_BEAT, &[], heartbeat.as_bytes()).await;
        let commit = [("consumerGroup", group), ("topic", "T"), ("queueId", "0"), ("commitOffset", offset)];
        client.ask_ok(RequestCode::UPDATE_CONSUMER_OFFSET, &commit, b"").await;
    }
    let mut found = Vec::new();
    for filter_groups in ["slow", ""] {
        let query = [("topic", "T"), ("filterGroups", filter_groups)];
        let reply = client.ask_ok(RequestCode::QUERY_CORRECTION_OFFSET, &query, b"").await;
        let body: QueryCorrectionOffsetBody = json::from_slice(&reply.body.bytes()).unwrap();
        found.push(body.correction_offsets[&0]);
    }
    assert_eq!(found, [1, 0], "left out of one answer, and known to the next");
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_heartbeat_or_a_lock_leaves_out_is_empty() {
    let lab = Lab::new().await;
    let client = lab.client();
    for body in [
        r#"{"clientID":"c"}"#,
        r#"{"clientID":"c","consumerDataSet":null,"producerDataSet":null}"#,
        r#"{"clientID":"c","consumerDataSet":[{"groupName":"g","subscriptionDataSet":null}]}"#,
    ] {
        client.ask_ok(RequestCode::HEART_BEAT, &[], body.as_bytes()).await;
    }
    let reply =
        client.ask_ok(RequestCode::LOCK_BATCH_MQ, &[], br#"{"consumerGroup":"g","mqSet":null}"#).await;
    let body: LockBatchResponseBody = json::from_slice(&reply.body.bytes()).unwrap();
    assert_eq!(body, LockBatchResponseBody::default());
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_of_unknown_names_is_refused() {
    let lab = Lab::new().await;
    let client = lab.client();
    for name in ["messageModel", "consumeType", "consumeFromWhere"] {
        let body = format!(r#"{{"clientID":"c","consumerDataSet":[{{"groupName":"g","{name}":"NEWER"}}]}}"#);
        let reply = client.ask(RequestCode::HEART_BEAT, &[], body.as_bytes()).await;
        assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR, "{name}");
    }
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_heartbeats_are_so_long() {
    let lab = Lab::new().await;
    let client = lab.client();
    let beat = async |client_id: String, group: String| {
        let body = format!(r#"{{"clientID":"{client_id}","producerDataSet":[{{"groupName":"{group}"}}]}}"#);
        client.ask(RequestCode::HEART_BEAT, &[], body.as_bytes()).await.response_code()
    };
    let [most, more] = [1024, 1025].map(|bytes| "n".repeat(bytes));
    assert_eq!(beat(most.clone(), most.clone()).await, ResponseCode::SUCCESS);
    assert_eq!(beat(more.clone(), most.clone()).await, ResponseCode::INVALID_PARAMETER);
    assert_eq!(beat(most, more).await, ResponseCode::INVALID_PARAMETER);
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_a_client_that_leaves_fails_at_once() {
    let lab = Lab::new().await;
    let (consumer, admin) = (lab.client(), lab.client());
    let heartbeat =
        br#"{"clientID":"c","consumerDataSet":[{"groupName":"g","consumeType":"CONSUME_PASSIVELY"}]}"#;
    consumer.ask_ok(RequestCode::HEART_BEAT, &[], heartbeat).await;
    let asked_at = Instant::now();
    let wanted = [("consumerGroup", "g"), ("clientId", "c")];
    let reply = admin.ask(RequestCode::GET_CONSUMER_RUNNING_INFO, &wanted, b"").await;
    assert_eq!(reply.response_code(), ResponseCode::CONSUME_MSG_TIMEOUT);
    assert!(asked_at.elapsed() < broker::calls::CALL_TIMEOUT);
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_has_so_many_queues() {
    let lab = Lab::new().await;
    let client = lab.client();
    let create = async |topic: &str, read: i32, write: i32| {
        let (read, write) = (read.to_string(), write.to_string());
        let fields = [
            ("topic", topic),
            ("readQueueNums", &*read),
            ("writeQueueNums", &*write),
            ("perm", "6"),
            ("topicFilterType", "SINGLE_TAG"),
        ];
        client.ask(RequestCode::UPDATE_AND_CREATE_TOPIC, &fields, b"").await.response_code()
    };
    assert_eq!(create("Largest", QUEUES_MAX, QUEUES_MAX).await, ResponseCode::SUCCESS);
    for (read, write) in [(i32::MAX, 4), (4, i32::MAX), (QUEUES_MAX + 1, QUEUES_MAX + 1)] {
        assert_eq!(create("Larger", read, write).await, ResponseCode::INVALID_PARAMETER);
    }
    let topics = &lab.running.broker().topics;
    assert!(topics.find("Larger").is_none());
    // As a table can hold it that a Java broker wrote.
    let (read_queue_nums, write_queue_nums) = (i32::MAX, i32::MAX);
    let topic_name = "Java".to_owned();
    topics
        .update(TopicConfig { topic_name, read_queue_nums, write_queue_nums, ..Default::default() })
        .unwrap();
    let heartbeat =
        br#"{"clientID":"c","consumerDataSet":[{"groupName":"g","consumeType":"CONSUME_PASSIVELY",
        "messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","subscriptionDataSet":[
        {"topic":"Java","subString":"*"}]}],"producerDataSet":[]}"#;
    client.ask_ok(RequestCode::HEART_BEAT, &[], heartbeat).await;
    for topic in ["Largest", "Java"] {
        let fields = [("topic", topic), ("group", "g"), ("timestamp", "-1"), ("isForce", "true")];
        client.ask_ok(RequestCode::QUERY_CONSUME_TIME_SPAN, &fields, b"").await;
        for side in ["false", "true"] {
            let fields = [&fields[..], &[("useServerSideResetOffset", side)]].concat();
            // An answer, whichever.
            client.ask(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &fields, b"").await;
        }
    }
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_batch_queue_is_empty() {
    let lab = Lab::new().await;
    let client = lab.client();
    let topic = [
        ("topic", "Batch"),
        ("readQueueNums", "1"),
        ("writeQueueNums", "1"),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("attributes", "+queue.type=BatchCQ"),
    ];
    client.ask_ok(RequestCode::UPDATE_AND_CREATE_TOPIC, &topic, b"").await;
    let time = [("topic", "Batch"), ("queueId", "0"), ("timestamp", "0")];
    let found = client.ask_ok(RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, &time, b"").await;
    assert_eq!(found.ext.get("offset"), Some("-1"));
    client.ask_ok(RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE, &[], b"").await;
    lab.running.shutdown().await;
}

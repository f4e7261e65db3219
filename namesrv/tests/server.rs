//! A whole name server on a socket of its own.

use namesrv::Running;
use namesrv::config::{self, Overrides};
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::body::{RegisterBrokerBody, TopicConfig, TopicRouteData};
use remoting::client::{Client, ClientConfig, NoService};
use remoting::connection::{Call, Outcome, Service};
use remoting::header::namesrv::*;
use remoting::server::{Server, ServerConfig};
use remoting::{Command, ExtFields, Refusal, RequestCode, ResponseCode, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(10);

fn start(home: &Path, settings: &str, clock: Clock) -> Running {
    let text = format!("listenPort=0\nbindAddress=127.0.0.1\nscanNotActiveBrokerInterval=10\n{settings}");
    let overrides = Overrides { config_file: None, settings: Properties::parse(text.as_bytes()).unwrap() };
    let (config, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    namesrv::start(config, settings, clock).unwrap()
}

struct Caller {
    client: Client,
    addr: String,
}

impl Caller {
    fn new(running: &Running) -> Caller {
        let client = Client::new(ClientConfig::default(), Arc::new(NoService));
        Caller { client, addr: running.local_addr().to_string() }
    }

    async fn call(&self, request: Command) -> Command {
        self.client.call(&self.addr, request, PATIENCE).await.unwrap()
    }

    async fn register(&self, addr: &str, id: i64) -> Command {
        let mut body = RegisterBrokerBody::default();
        for name in ["T", "U"] {
            let topic = TopicConfig { topic_name: name.to_owned(), ..TopicConfig::default() };
            body.topic_config_serialize_wrapper.topic_config_table.insert(name.to_owned(), Arc::new(topic));
        }
        let header = RegisterBrokerRequestHeader {
            cluster_name: Some("C"),
            broker_name: Some("a"),
            broker_addr: Some(addr),
            broker_id: Some(id),
            enable_acting_master: Some(true),
            ..Default::default()
        };
        let request = Command::request(RequestCode::REGISTER_BROKER, header.encode());
        self.call(request.with_body(body.encode(false))).await
    }

    async fn route(&self) -> Option<TopicRouteData> {
        let header = GetRouteInfoRequestHeader { topic: Some("T"), ..Default::default() };
        let reply = self.call(Command::request(RequestCode::GET_ROUTEINFO_BY_TOPIC, header.encode())).await;
        match reply.response_code() {
            ResponseCode::SUCCESS => Some(json::from_slice(&reply.body.bytes()).unwrap()),
            ResponseCode::TOPIC_NOT_EXIST => None,
            other => panic!("{other:?}"),
        }
    }

    async fn until_the_route_is_gone(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.route().await.is_some() {
            assert!(Instant::now() < deadline);
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_gone_when_its_connection_is() {
    let home = tempfile::tempdir().unwrap();
    let running = start(home.path(), "", Clock::real());
    let (broker, client) = (Caller::new(&running), Caller::new(&running));
    assert_eq!(client.route().await, None);
    assert_eq!(broker.register("a:1", 0).await.response_code(), ResponseCode::SUCCESS);
    assert_eq!(client.route().await.unwrap().broker_datas[0].broker_addrs[&0], "a:1");
    broker.client.shutdown().await;
    client.until_the_route_is_gone().await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_gone_after_silence() {
    let home = tempfile::tempdir().unwrap();
    let clock = Clock::test(0);
    let running = start(home.path(), "", clock.clone());
    let (broker, client) = (Caller::new(&running), Caller::new(&running));
    broker.register("a:1", 0).await;
    clock.advance(Duration::from_secs(120));
    assert!(client.route().await.is_some());
    clock.advance(Duration::from_millis(1));
    client.until_the_route_is_gone().await;
    running.shutdown().await;
}

/// A broker that passes on what it is told.
struct Told(mpsc::UnboundedSender<Command>);

impl Service for Told {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        self.0.send(call.request.clone()).unwrap();
        Ok(Outcome::Silent)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_are_told_of_the_lowest_id() {
    let home = tempfile::tempdir().unwrap();
    let running = start(home.path(), "notifyMinBrokerIdChanged=true", Clock::real());
    let (sender, mut told) = mpsc::unbounded_channel();
    let any_port = ([127, 0, 0, 1], 0).into();
    let slave = Server::start(any_port, ServerConfig::default(), Arc::new(Told(sender))).unwrap();
    let slave_addr = slave.local_addr().to_string();
    let broker = Caller::new(&running);
    broker.register("master:1", 0).await;
    broker.register(&slave_addr, 1).await;
    let header = UnRegisterBrokerRequestHeader {
        cluster_name: Some("C"),
        broker_name: Some("a"),
        broker_addr: Some("master:1"),
        broker_id: Some(0),
        ..Default::default()
    };
    broker.call(Command::request(RequestCode::UNREGISTER_BROKER, header.encode())).await;
    let notice = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert_eq!(notice.request_code(), RequestCode::NOTIFY_MIN_BROKER_ID_CHANGE);
    assert!(notice.is_oneway());
    let header = NotifyMinBrokerIdChangeRequestHeader::decode(&notice.ext);
    assert_eq!((header.min_broker_id, header.min_broker_addr), (Some(1), Some(slave_addr.as_str())));
    assert_eq!(header.offline_broker_addr, Some("master:1"));
    slave.shutdown(PATIENCE).await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_shown_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let running = start(home.path(), "", Clock::real());
    let caller = Caller::new(&running);
    let update = async |text: &str| {
        let request = Command::request(RequestCode::UPDATE_NAMESRV_CONFIG, ExtFields::default());
        caller.call(request.with_body(text.to_owned())).await
    };
    assert_eq!(update("enableAllTopicList=false").await.response_code(), ResponseCode::SUCCESS);
    let list = RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
    let reply = caller.call(Command::request(list, ExtFields::default())).await;
    assert_eq!(
        (reply.response_code(), reply.remark.as_deref()),
        (ResponseCode::SYSTEM_ERROR, Some("disable"))
    );
    for barred in [
        "kvConfigPath=/x",
        "rocketmqHome=/x",
        "configStorePath=/x",
        "configBlackList=x",
        "controllerStorePath=/x",
        "listenPort=1",
        "bindAddress=0.0.0.0",
        "useTLS=true",
        "productEnvName=x\nlistenPort=1",
    ] {
        let reply = update(barred).await;
        assert_eq!(reply.response_code(), ResponseCode::NO_PERMISSION);
        assert_eq!(reply.remark.as_deref(), Some("Can not update config in black list."));
    }
    let shown = caller.call(Command::request(RequestCode::GET_NAMESRV_CONFIG, ExtFields::default())).await;
    let kept = std::fs::read(home.path().join("namesrv/namesrv.properties")).unwrap();
    assert_eq!(shown.body.bytes(), kept);
    assert!(String::from_utf8(kept).unwrap().contains("enableAllTopicList=false\n"));
    running.shutdown().await;
}

/// On one thread, where whatever is read there makes everybody wait.
#[tokio::test]
async fn a_large_registration_holds_up_no_look_up() {
    let home = tempfile::tempdir().unwrap();
    let running = start(home.path(), "", Clock::real());
    let (broker, client) = (Arc::new(Caller::new(&running)), Caller::new(&running));
    broker.register("a:1", 0).await;
    let mut body = RegisterBrokerBody::default();
    for number in 0..50_000 {
        let name = format!("topic-{number}");
        let topic = TopicConfig { topic_name: name.clone(), ..TopicConfig::default() };
        body.topic_config_serialize_wrapper.topic_config_table.insert(name, Arc::new(topic));
    }
    let header = RegisterBrokerRequestHeader {
        cluster_name: Some("C"),
        broker_name: Some("b"),
        broker_addr: Some("b:1"),
        broker_id: Some(0),
        compressed: true,
        ..Default::default()
    };
    let request = Command::request(RequestCode::REGISTER_BROKER, header.encode());
    let request = request.with_body(body.encode(true));
    let (began, large) = (Instant::now(), broker.clone());
    let registration = tokio::spawn(async move { large.call(request).await });
    let mut longest = Duration::ZERO;
    while !registration.is_finished() {
        let asked = Instant::now();
        assert!(client.route().await.is_some());
        longest = longest.max(asked.elapsed());
        sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    assert_eq!(registration.await.unwrap().response_code(), ResponseCode::SUCCESS);
    assert!(longest < took / 2, "a look-up waited {longest:?} of {took:?}");
    broker.client.shutdown().await;
    client.until_the_route_is_gone().await;
    running.shutdown().await;
}

/// What is left of CVE-2023-37582: an update's value with a line end became two settings at the next start.
#[tokio::test(flavor = "multi_thread")]
async fn an_updated_value_stays_one_value_over_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("namesrv.conf");
    let kv_config = home.path().join("kv.json");
    let settings = format!("listenPort=0\nbindAddress=127.0.0.1\nkvConfigPath={}\n", kv_config.display());
    std::fs::write(&file, settings).unwrap();
    let start = || {
        let overrides = Overrides { config_file: Some(file.clone()), settings: Properties::default() };
        let (config, settings) = config::load(Arc::new(Environment::fixed(home.path())), &overrides).unwrap();
        namesrv::start(config, settings, Clock::real()).unwrap()
    };
    let running = start();
    let elsewhere = home.path().join("elsewhere.json");
    let body = format!("productEnvName=a\\nkvConfigPath={}\\nx", elsewhere.display());
    let update = Command::request(RequestCode::UPDATE_NAMESRV_CONFIG, ExtFields::default());
    let reply = Caller::new(&running).call(update.with_body(body)).await;
    assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
    running.shutdown().await;
    let kept = Properties::parse(&std::fs::read(&file).unwrap()).unwrap();
    let value = format!("a\nkvConfigPath={}\nx", elsewhere.display());
    assert_eq!(kept.get("productEnvName"), Some(value.as_str()));

    let running = start();
    let header = PutKVConfigRequestHeader {
        namespace: Some("n"),
        key: Some("k"),
        value: Some("v"),
        ..Default::default()
    };
    Caller::new(&running).call(Command::request(RequestCode::PUT_KV_CONFIG, header.encode())).await;
    running.shutdown().await;
    assert!(kv_config.exists() && !elsewhere.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_requests_are_answered_as_java_does() {
    let home = tempfile::tempdir().unwrap();
    let running = start(home.path(), "", Clock::real());
    let caller = Caller::new(&running);
    for code in [RequestCode::SEND_MESSAGE, RequestCode(9999), RequestCode(-1)] {
        let reply = caller.call(Command::request(code, ExtFields::default())).await;
        assert_eq!(reply.response_code(), ResponseCode::REQUEST_CODE_NOT_SUPPORTED);
        assert_eq!(reply.remark, Some(format!(" request type {} not supported", code.0).into()));
    }
    let mut ext = ExtFields::empty();
    ext.push("brokerId", "0");
    ext.push("bodyCrc32", 1);
    let answers = [
        (RequestCode::GET_ROUTEINFO_BY_TOPIC, ExtFields::default(), "", ResponseCode::TOPIC_NOT_EXIST),
        (RequestCode::REGISTER_BROKER, ExtFields::default(), "", ResponseCode::SYSTEM_ERROR),
        (RequestCode::REGISTER_BROKER, ext, "{}", ResponseCode::SYSTEM_ERROR),
        (RequestCode::REGISTER_TOPIC_IN_NAMESRV, ExtFields::default(), "{", ResponseCode::SYSTEM_ERROR),
        (RequestCode::QUERY_DATA_VERSION, ExtFields::default(), "[", ResponseCode::SYSTEM_ERROR),
        (RequestCode::BROKER_HEARTBEAT, ExtFields::default(), "", ResponseCode::SYSTEM_ERROR),
        (RequestCode::UNREGISTER_BROKER, ExtFields::default(), "", ResponseCode::SUCCESS),
        (RequestCode::GET_TOPICS_BY_CLUSTER, ExtFields::default(), "", ResponseCode::SUCCESS),
    ];
    for (code, ext, body, expected) in answers {
        let reply = caller.call(Command::request(code, ext).with_body(body.to_owned())).await;
        assert_eq!(reply.response_code(), expected, "{code:?}");
    }
    running.shutdown().await;
}

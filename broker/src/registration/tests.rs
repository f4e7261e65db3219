use super::*;
use crate::golden;
use crate::topics::perm;
use message::crc32;
use process::clock::Clock;
use remoting::body::{RegisterBrokerBody, TopicConfig};
use remoting::header::namesrv::RegisterBrokerRequestHeader;
use remoting::server::{Server, ServerConfig};
use remoting::{Call, ExtFields, Outcome, Refusal, Service, frame};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// Notes what it is asked, and answers as it was told to.
#[derive(Default)]
struct FakeNameServer {
    requests: Mutex<Vec<Command>>,
    /// What to answer instead of an empty success, first to last.
    answers: Mutex<Vec<Command>>,
}

impl Service for FakeNameServer {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        self.requests.lock().push(call.request.clone());
        let mut answers = self.answers.lock();
        Ok(Outcome::Now(if answers.is_empty() { Command::success() } else { answers.remove(0) }))
    }
}

impl FakeNameServer {
    fn codes(&self) -> Vec<RequestCode> {
        self.requests.lock().iter().map(Command::request_code).collect()
    }

    /// The names of the topics in each registration.
    fn topics(&self) -> Vec<Vec<String>> {
        let requests = self.requests.lock();
        requests
            .iter()
            .filter(|request| request.request_code() == RequestCode::REGISTER_BROKER)
            .map(topics_of)
            .collect()
    }
}

fn body_of(request: &Command) -> RegisterBrokerBody {
    let header = RegisterBrokerRequestHeader::decode(&request.ext);
    let body = request.body.bytes();
    assert_eq!(header.body_crc32, crc32(&body));
    RegisterBrokerBody::decode(&body, header.compressed, request.version).unwrap()
}

fn topics_of(request: &Command) -> Vec<String> {
    body_of(request).topic_config_serialize_wrapper.topic_config_table.keys().cloned().collect()
}

struct Lab {
    _folder: TempDir,
    topics: Arc<Topics>,
    settings: BrokerSettings,
    name_servers: Vec<Arc<FakeNameServer>>,
    _servers: Vec<Server>,
}

impl Lab {
    fn new(name_servers: usize) -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("topics.json");
        let topics =
            Topics::load(&path, Live::new(BrokerSettings::of_defaults()), Clock::test(1_800_000_000_000))
                .unwrap();
        let name_servers: Vec<_> = (0..name_servers).map(|_| Arc::new(FakeNameServer::default())).collect();
        let start = |service: &Arc<FakeNameServer>| {
            Server::start(([127, 0, 0, 1], 0).into(), ServerConfig::default(), service.clone()).unwrap()
        };
        let servers: Vec<Server> = name_servers.iter().map(start).collect();
        let mut settings = BrokerSettings::of_defaults();
        let addrs: Vec<_> = servers.iter().map(|server| server.local_addr().to_string()).collect();
        settings.broker.namesrv_addr = Some(addrs.join(";"));
        Lab { _folder: folder, topics: Arc::new(topics), settings, name_servers, _servers: servers }
    }

    fn registration(&self) -> Registration {
        Registration::new(Live::new(self.settings.clone()), ClientConfig::default(), self.topics.clone())
    }

    async fn registered(&self) -> Registration {
        let registration = self.registration();
        registration.start();
        assert!(registration.when_registered(PATIENCE).await);
        registration
    }

    fn make_topic(&self, name: &str) {
        let topic = TopicConfig { topic_name: name.to_owned(), ..TopicConfig::default() };
        self.topics.update(topic).unwrap();
    }

    fn all_topics(&self) -> Vec<String> {
        self.topics.to_wrapper().topic_config_table.into_keys().collect()
    }
}

#[tokio::test]
async fn the_first_registration_has_every_topic_in_javas_form() {
    let lab = Lab::new(1);
    lab.registered().await;
    assert_eq!(lab.name_servers[0].topics(), [lab.all_topics()]);

    let java = golden::frame("5.5.0", "json", "00000-103-REGISTER_BROKER-req.bin");
    let java = frame::take(&mut bytes::BytesMut::from(&java[..])).unwrap().unwrap();
    let ours = &lab.name_servers[0].requests.lock()[0];
    let keys = |request: &Command| {
        let mut keys: Vec<_> = request.ext.iter().map(|(key, _)| key.to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(ours), keys(&java));
    let members = |request: &Command| {
        let body: serde_json::Value = serde_json::from_slice(&request.body.bytes()).unwrap();
        let topics = &body["topicConfigSerializeWrapper"];
        [&body, topics, &topics["topicConfigTable"]["TBW102"]]
            .map(|object| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(members(ours)[0], members(&java)[0]);
    assert_eq!(members(ours)[1], members(&java)[1]);
    assert_eq!(members(ours)[2], members(&java)[2]);
}

#[tokio::test]
async fn a_change_is_told_alone_and_to_all() {
    let lab = Lab::new(2);
    let registration = lab.registered().await;
    lab.make_topic("T");
    assert!(registration.when_registered(PATIENCE).await);
    lab.topics.delete("T");
    for name_server in &lab.name_servers {
        assert_eq!(name_server.topics(), [lab.all_topics(), vec!["T".to_owned()]]);
        let requests = name_server.requests.lock();
        let version = body_of(&requests[1]).topic_config_serialize_wrapper.data_version;
        assert_eq!(version.counter, 1);
    }
}

/// Java's bytes, of `RegisterTopicRequestHeader` and `TopicRouteData`.
#[tokio::test]
async fn a_changed_topic_goes_as_a_topic_if_configured_so() {
    let mut lab = Lab::new(1);
    lab.settings.broker.enable_single_topic_register = true;
    let registration = lab.registered().await;
    let master = MasterAddrs { master_addr: Some("m:1".to_owned()), ha_server_addr: None };
    registration.shared.master.send_replace(master.clone());
    lab.make_topic("T");
    assert!(registration.when_registered(PATIENCE).await);
    assert_eq!(*registration.master().borrow(), master, "the answer does not speak of it");
    let requests = lab.name_servers[0].requests.lock();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].request_code(), RequestCode::REGISTER_TOPIC_IN_NAMESRV);
    assert_eq!(requests[1].ext.iter().collect::<Vec<_>>(), [("topic", "T")]);
    let queues =
        r#"[{"brokerName":"broker-a","perm":6,"readQueueNums":16,"topicSysFlag":0,"writeQueueNums":16}]"#;
    let body = format!(r#"{{"brokerDatas":[],"filterServerTable":{{}},"queueDatas":{queues}}}"#);
    assert_eq!(requests[1].body.bytes(), body);
}

#[tokio::test]
async fn a_table_goes_in_parts_if_configured_so() {
    let mut lab = Lab::new(1);
    let all = lab.all_topics();
    lab.settings.broker.enable_split_registration = true;
    lab.settings.broker.split_registration_size = all.len() - 1;
    lab.registered().await;
    let (first, last) = all.split_at(all.len() - 1);
    assert_eq!(lab.name_servers[0].topics(), [first, last]);
}

/// Two changes may go in one round; the second is nothing then, and no table without topics.
#[tokio::test]
async fn nothing_is_sent_where_nothing_is_left_to_tell() {
    let lab = Lab::new(1);
    let registration = lab.registration();
    let round = Round::increment(2, 1, &registration.shared);
    assert!(round.requests(&registration.shared).is_empty());
}

#[tokio::test]
async fn a_name_server_that_missed_a_change_gets_everything() {
    let lab = Lab::new(1);
    let registration = lab.registered().await;
    *lab.name_servers[0].answers.lock() = vec![Command::response(ResponseCode::SYSTEM_ERROR)];
    lab.make_topic("A");
    assert!(registration.when_registered(PATIENCE).await);
    lab.make_topic("B");
    assert!(registration.when_registered(PATIENCE).await);
    lab.make_topic("C");
    assert!(registration.when_registered(PATIENCE).await);
    let topics = lab.name_servers[0].topics();
    assert_eq!(topics[1], ["A"]);
    assert_eq!(topics[2].len(), topics[0].len() + 2);
    assert_eq!(topics[3], ["C"]);
}

#[tokio::test]
async fn a_dead_name_server_holds_up_nobody() {
    let mut lab = Lab::new(1);
    // One refuses; the other takes connections and is silent.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut addrs = lab.settings.broker.namesrv_addrs();
    addrs.splice(0..0, [refusing.to_string(), silent.local_addr().unwrap().to_string()]);
    lab.settings.broker.namesrv_addr = Some(addrs.join(";"));
    let registration = lab.registration();
    registration.start();
    lab.make_topic("T");
    let mut rounds = registration.shared.rounds.subscribe();
    timeout(PATIENCE, rounds.wait_for(|round| round.number > 0)).await.unwrap().unwrap();
    let mut done = registration.done().remove(2);
    timeout(PATIENCE, done.wait_for(|done| *done >= 1)).await.unwrap().unwrap();
    assert!(!registration.when_registered(Duration::from_millis(10)).await);

    let stopping = Instant::now();
    registration.shutdown().await;
    assert!(stopping.elapsed() < Duration::from_secs(2));
    assert_eq!(lab.name_servers[0].codes().last(), Some(&RequestCode::UNREGISTER_BROKER));
}

#[tokio::test]
async fn name_servers_come_and_go() {
    let mut lab = Lab::new(2);
    let both = lab.settings.broker.namesrv_addrs();
    lab.settings.broker.namesrv_addr = Some(both[0].clone());
    let live = Live::new(lab.settings.clone());
    let registration = Registration::new(live.clone(), ClientConfig::default(), lab.topics.clone());
    registration.start();
    assert!(registration.when_registered(PATIENCE).await);
    lab.settings.broker.namesrv_addr = Some(both[1].clone());
    live.replace(lab.settings.clone());
    // What each period begins with.
    follow_all(&registration.shared);
    lab.make_topic("T");
    assert!(registration.when_registered(PATIENCE).await);
    let topics = lab.name_servers.iter().map(|name_server| name_server.topics().len());
    assert_eq!(topics.collect::<Vec<_>>(), [1, 1], "the first is left, the second gets everything");
    assert_eq!(lab.name_servers[1].topics(), [lab.all_topics()]);
    registration.shutdown().await;
    assert_eq!(lab.name_servers[0].codes(), [RequestCode::REGISTER_BROKER]);
}

#[tokio::test]
async fn unregistering_names_the_broker() {
    let lab = Lab::new(2);
    let registration = lab.registered().await;
    registration.shutdown().await;
    for name_server in &lab.name_servers {
        assert_eq!(name_server.codes(), [RequestCode::REGISTER_BROKER, RequestCode::UNREGISTER_BROKER]);
        let requests = name_server.requests.lock();
        let header = UnRegisterBrokerRequestHeader::decode(&requests[1].ext);
        let expected = UnRegisterBrokerRequestHeader {
            broker_name: Some("broker-a"),
            broker_addr: Some("127.0.0.1:10911"),
            cluster_name: Some("DefaultCluster"),
            broker_id: Some(0),
            ..Default::default()
        };
        assert_eq!(header, expected);
    }
}

#[tokio::test]
async fn the_answer_tells_of_master_and_order() {
    let lab = Lab::new(1);
    lab.make_topic("T");
    let mut ext = ExtFields::empty();
    ext.push("masterAddr", "10.0.0.1:10911");
    ext.push("haServerAddr", "10.0.0.1:10912");
    let answer = Command::success().with_ext(ext).with_body(br#"{"table":{"T":"broker-a:4"}}"#.to_vec());
    *lab.name_servers[0].answers.lock() = vec![answer];
    let registration = lab.registered().await;
    let expected = MasterAddrs {
        master_addr: Some("10.0.0.1:10911".to_owned()),
        ha_server_addr: Some("10.0.0.1:10912".to_owned()),
    };
    assert_eq!(*registration.master().borrow(), expected);
    assert!(lab.topics.is_order_topic("T"));
}

#[tokio::test]
async fn unforced_rounds_ask_for_the_version_first() {
    let lab = Lab::new(1);
    let registration = lab.registration();
    let shared = &registration.shared;
    let mut name_server = NameServer {
        addr: lab.settings.broker.namesrv_addrs().remove(0),
        shared: shared.clone(),
        rounds: shared.rounds.subscribe(),
        done: watch::Sender::new(1),
        has_table: true,
    };
    let answer = |changed: bool, version: Option<DataVersion>| {
        let mut ext = ExtFields::empty();
        ext.push("changed", changed);
        let body = version.map(|version| json::to_bytes(&version)).unwrap_or_default();
        Command::success().with_ext(ext).with_body(body)
    };
    let ours = lab.topics.data_version();
    let other = DataVersion { counter: 9, ..ours };
    for (answer, is_registered) in [
        (answer(false, Some(ours)), false),
        (answer(false, None), false),
        (answer(true, None), true),
        (answer(false, Some(other)), true),
    ] {
        let fake = &lab.name_servers[0];
        fake.requests.lock().clear();
        *fake.answers.lock() = vec![answer];
        assert!(name_server.take(&Round::full(2, false, shared)).await.is_ok());
        let query = RequestCode::QUERY_DATA_VERSION;
        let expected = if is_registered { vec![query, RequestCode::REGISTER_BROKER] } else { vec![query] };
        assert_eq!(fake.codes(), expected);
    }
}

#[tokio::test]
async fn compressed_and_limited_in_permission() {
    let mut lab = Lab::new(1);
    lab.settings.broker.compressed_register = true;
    lab.settings.broker.broker_permission = perm::READ;
    lab.registered().await;
    let requests = lab.name_servers[0].requests.lock();
    let body = requests[0].body.bytes();
    assert_eq!(body[..2], [0x78, 0xda]);
    let topics = body_of(&requests[0]).topic_config_serialize_wrapper.topic_config_table;
    assert_eq!(topics["TBW102"].perm, perm::READ);
    assert_eq!(topics["rmq_sys_SYNC_BROKER_MEMBER_broker-a"].perm, 0);
    assert_eq!(topics.len(), lab.topics.len());
}

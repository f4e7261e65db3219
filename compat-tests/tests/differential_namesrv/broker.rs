//! The brokers of the cases.

use std::io::Write;
use std::time::Duration;

use compat_tests::differential::Script;
use compat_tests::until;
use compat_tests::wire::{Command, VERSION_4_9_7, VERSION_5_5_0};
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// What a broker tells a name server, with defaults that a case changes as it likes.
pub struct Broker {
    pub cluster: String,
    pub name: String,
    pub id: i64,
    pub port: u16,
    pub version: i32,
    pub compressed: bool,
    pub state: i64,
    pub counter: i64,
    pub topics: Vec<Topic>,
    pub filters: &'static str,
    /// `enableActingMaster`, which brokers before 5.0 do not send.
    pub acting: Option<bool>,
    pub ext: Vec<(&'static str, String)>,
}

#[derive(Clone)]
pub struct Topic {
    pub name: String,
    pub queues: i32,
    pub perm: i32,
    pub sys_flag: i32,
}

pub fn topic(name: &str, queues: i32, perm: i32, sys_flag: i32) -> Topic {
    Topic { name: name.to_string(), queues, perm, sys_flag }
}

impl Broker {
    pub fn new(s: &Script) -> Broker {
        Broker {
            cluster: s.unique("Cluster"),
            name: s.unique("broker"),
            id: 0,
            port: 1,
            version: VERSION_5_5_0,
            compressed: false,
            state: 0,
            counter: 1,
            topics: vec![topic(&s.unique("TopicA"), 4, 6, 0), topic(&s.unique("TopicB"), 8, 6, 0)],
            filters: "[]",
            acting: Some(false),
            ext: vec![],
        }
    }

    pub fn addr(&self) -> String {
        format!("10.0.0.1:{}", self.port)
    }

    pub fn identity(&self) -> Vec<(&str, &str)> {
        // A broker's id is asked for but not looked at in these requests.
        vec![
            ("clusterName", &self.cluster),
            ("brokerName", &self.name),
            ("brokerAddr", if self.port == 1 { "10.0.0.1:1" } else { "10.0.0.1:2" }),
            ("brokerId", if self.id == 0 { "0" } else { "1" }),
        ]
    }

    pub fn request(&self) -> Command {
        let body = if self.compressed { self.compressed_body() } else { self.json_body() };
        let mut request = Command::request(103, &self.identity(), &body);
        request.version = self.version;
        request.ext.insert("haServerAddr".into(), format!("10.0.0.1:{}", self.port + 1000));
        request.ext.insert("compressed".into(), self.compressed.to_string());
        if let Some(acting) = self.acting {
            request.ext.insert("enableActingMaster".into(), acting.to_string());
        }
        for (key, value) in &self.ext {
            request.ext.insert(key.to_string(), value.clone());
        }
        request
    }

    /// A broker with the defaults, once it has registered.
    pub fn registered(s: &mut Script) -> Broker {
        let broker = Broker::new(s);
        broker.register(s);
        broker
    }

    pub fn register(&self, s: &mut Script) {
        s.ask_command(self.request());
    }

    /// Registers with something else than [`Broker::request`].
    pub fn register_changed(&self, s: &mut Script, change: impl FnOnce(&mut Command)) {
        let mut request = self.request();
        change(&mut request);
        s.ask_command(request);
    }

    pub fn unregister(&self, s: &mut Script) {
        s.ask(104, &self.identity());
    }

    /// The route of its first topic.
    pub fn ask_route(&self, s: &mut Script) -> Command {
        s.ask(105, &[("topic", &self.topics[0].name)])
    }

    /// The three views on it: route of its first topic, cluster info, member group.
    pub fn look(&self, s: &mut Script) {
        self.ask_route(s);
        s.ask(106, &[]);
        s.ask(901, &[("clusterName", &self.cluster), ("brokerName", &self.name)]);
    }

    pub fn wait_for_route(&self, s: &mut Script, code: i32) {
        let topic = self.topics[0].name.clone();
        until(
            Duration::from_secs(15),
            || format!("the route of {topic} never gave {code}"),
            || {
                let route = s.quietly(Command::request(105, &[("topic", &topic)], b""));
                (route.code == code).then_some(())
            },
        );
    }

    /// Waits until the cluster does not list its address any more.
    pub fn wait_until_gone(&self, s: &mut Script) {
        let gone = format!("\"{}\"", self.addr());
        until(
            Duration::from_secs(10),
            || format!("{gone} is still listed"),
            || {
                let info = s.quietly(Command::request(106, &[], b""));
                (!String::from_utf8_lossy(&info.body).contains(&gone)).then_some(())
            },
        );
    }

    fn data_version(&self) -> String {
        match self.version {
            VERSION_4_9_7 => format!(r#"{{"counter":{},"timestamp":1}}"#, self.counter),
            _ => format!(r#"{{"counter":{},"stateVersion":{},"timestamp":1}}"#, self.counter, self.state),
        }
    }

    pub fn topic_table_json(&self) -> String {
        let rows = self.topics.iter().map(|t| {
            let attributes = if self.version >= VERSION_5_5_0 { r#""attributes":{},"# } else { "" };
            format!(
                r#""{0}":{{{attributes}"order":false,"perm":{1},"readQueueNums":{2},"topicFilterType":"SINGLE_TAG","topicName":"{0}","topicSysFlag":{3},"writeQueueNums":{2}}}"#,
                t.name, t.perm, t.queues, t.sys_flag
            )
        });
        format!("{{{}}}", rows.collect::<Vec<_>>().join(","))
    }

    fn json_body(&self) -> Vec<u8> {
        let (version, table) = (self.data_version(), self.topic_table_json());
        let mapping = match self.version {
            VERSION_5_5_0 => format!(
                r#","mappingDataVersion":{version},"topicQueueMappingDetailMap":{{}},"topicQueueMappingInfoMap":{{}}"#
            ),
            _ => String::new(),
        };
        let wrapper = format!(r#"{{"dataVersion":{version},"topicConfigTable":{table}{mapping}}}"#);
        format!(r#"{{"filterServerList":{},"topicConfigSerializeWrapper":{wrapper}}}"#, self.filters)
            .into_bytes()
    }

    /// `RegisterBrokerBody.encode(true)`.
    fn compressed_body(&self) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let mut part = |text: &str| {
            encoder.write_all(&(text.len() as u32).to_be_bytes()).unwrap();
            encoder.write_all(text.as_bytes()).unwrap();
        };
        part(&self.data_version());
        let mut topics = Vec::new();
        topics.extend_from_slice(&(self.topics.len() as u32).to_be_bytes());
        for t in &self.topics {
            let attributes = if self.version >= VERSION_5_5_0 { " {}" } else { "" };
            let row = format!("{0} {1} {1} {2} SINGLE_TAG{attributes}", t.name, t.queues, t.perm);
            topics.extend_from_slice(&(row.len() as u32).to_be_bytes());
            topics.extend_from_slice(row.as_bytes());
        }
        encoder.write_all(&topics).unwrap();
        encoder.write_all(&(self.filters.len() as u32).to_be_bytes()).unwrap();
        encoder.write_all(self.filters.as_bytes()).unwrap();
        if self.version >= VERSION_5_5_0 {
            encoder.write_all(&0u32.to_be_bytes()).unwrap();
        }
        encoder.finish().unwrap()
    }
}

//! Brokers that come, change and go: REGISTER_BROKER, UNREGISTER_BROKER, QUERY_DATA_VERSION, BROKER_HEARTBEAT,
//! GET_BROKER_CLUSTER_INFO, GET_BROKER_MEMBER_GROUP.

use std::io::Write;
use std::time::Duration;

use compat_tests::differential::{Case, Script};
use compat_tests::until;
use compat_tests::wire::{Codec, Command, VERSION_4_9_7, VERSION_5_5_0};
use flate2::Compression;
use flate2::write::ZlibEncoder;

pub const CASES: &[Case] = &[
    Case {
        name: "register_json",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            broker.look(s);
            s.ask(206, &[]);
        },
    },
    Case {
        name: "register_json_from_4_9_7",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker { version: VERSION_4_9_7, acting: None, ..Broker::new(s) };
            broker.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "register_compressed",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker { compressed: true, ..Broker::new(s) };
            broker.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "register_compressed_from_4_9_7",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker { compressed: true, version: VERSION_4_9_7, acting: None, ..Broker::new(s) };
            broker.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "register_in_binary_header",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            let mut request = broker.request();
            request.codec = Codec::RocketMq;
            s.ask_command(request);
            broker.look(s);
        },
    },
    Case {
        name: "register_before_3_0_11",
        codes: &[0, 0, 0, 0],
        script: |s| {
            // Then the body is the topic table alone.
            let broker = Broker { version: 30, ..Broker::new(s) };
            let mut request = broker.request();
            request.body = format!(
                r#"{{"dataVersion":{{"counter":1,"timestamp":1}},"topicConfigTable":{}}}"#,
                broker.topic_table_json()
            )
            .into_bytes();
            s.ask_command(request);
            broker.look(s);
        },
    },
    Case {
        name: "register_without_body",
        codes: &[0, 17, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            let mut request = broker.request();
            request.body.clear();
            s.ask_command(request);
            broker.look(s);
        },
    },
    Case {
        name: "register_crc_right",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            let mut request = broker.request();
            let crc = crc32fast::hash(&request.body) & 0x7FFF_FFFF;
            request.ext.insert("bodyCrc32".into(), crc.to_string());
            s.ask_command(request);
            broker.look(s);
        },
    },
    Case {
        name: "register_crc_wrong",
        codes: &[1, 17, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            let mut request = broker.request();
            request.ext.insert("bodyCrc32".into(), "4711".into());
            s.ask_command(request);
            broker.look(s);
        },
    },
    Case {
        name: "register_crc_of_compressed_bytes",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker { compressed: true, ..Broker::new(s) };
            let mut request = broker.request();
            let crc = crc32fast::hash(&request.body) & 0x7FFF_FFFF;
            request.ext.insert("bodyCrc32".into(), crc.to_string());
            s.ask_command(request);
            broker.look(s);
        },
    },
    Case {
        name: "register_broken_json",
        codes: &[1, 17, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            let mut request = broker.request();
            request.body = b"{\"filterServerList\":[".to_vec();
            let reply = s.quietly(request);
            // The text is fastjson's own; that it is code 1 is what counts.
            s.note_code(reply.code);
            broker.look(s);
        },
    },
    Case {
        name: "register_broken_deflate",
        codes: &[1, 17, 0, 0],
        script: |s| {
            let broker = Broker { compressed: true, ..Broker::new(s) };
            let mut request = broker.request();
            request.body.truncate(20);
            let reply = s.quietly(request);
            s.note_code(reply.code);
            broker.look(s);
        },
    },
    // A broker that is new must bring its whole table; one topic alone is an update of a known broker.
    Case {
        name: "register_one_topic_first",
        codes: &[1, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            let one = Broker { topics: vec![broker.topics[0].clone()], ..Broker::new(s) };
            one.register(s);
            broker.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "register_one_topic_later",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            let later = s.unique("Later");
            Broker { topics: vec![topic(&later, 2, 6, 0)], counter: 2, ..Broker::new(s) }.register(s);
            broker.look(s);
            s.ask(105, &[("topic", &later)]);
        },
    },
    Case {
        name: "register_again_same_version_ignores_change",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            let mut changed = Broker::new(s);
            changed.topics[0].queues = 9;
            changed.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "register_again_next_version_takes_change",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            let mut changed = Broker { counter: 2, ..Broker::new(s) };
            changed.topics[0].queues = 9;
            changed.topics[0].perm = 4;
            changed.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "register_again_with_fewer_topics_keeps_them",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            let mut fewer = Broker { counter: 2, ..Broker::new(s) };
            fewer.topics.remove(0);
            fewer.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "register_topic_columns",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let mut broker = Broker::new(s);
            let ordered = s.unique("Flags");
            broker.topics.push(topic(&ordered, 3, 2, 3));
            broker.register(s);
            broker.look(s);
            s.ask(105, &[("topic", &ordered)]);
        },
    },
    Case {
        name: "slave_learns_its_master",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let master = Broker::new(s);
            master.register(s);
            let slave = Broker { id: 1, port: 2, ..Broker::new(s) };
            s.client(1);
            slave.register(s);
            master.look(s);
        },
    },
    Case {
        name: "slave_alone",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let slave = Broker { id: 1, ..Broker::new(s) };
            slave.register(s);
            slave.look(s);
        },
    },
    Case {
        name: "slave_alone_acting_master",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let mut slave = Broker { id: 1, ..Broker::new(s) };
            slave.acting = Some(true);
            slave.register(s);
            slave.look(s);
        },
    },
    Case {
        name: "slave_alone_not_acting",
        codes: &[0, 17, 0, 0],
        script: |s| {
            let mut slave = Broker { id: 1, ..Broker::new(s) };
            slave.acting = None;
            slave.register(s);
            slave.look(s);
        },
    },
    Case {
        name: "slave_becomes_master_at_its_address",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker { id: 1, ..Broker::new(s) };
            broker.register(s);
            Broker { id: 0, counter: 2, ..Broker::new(s) }.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "older_state_version_is_refused",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker { state: 5, ..Broker::new(s) };
            broker.register(s);
            s.client(1);
            Broker { state: 4, port: 2, ..Broker::new(s) }.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "newer_state_version_takes_over",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker { state: 5, ..Broker::new(s) };
            broker.register(s);
            s.client(1);
            Broker { state: 6, counter: 2, port: 2, ..Broker::new(s) }.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "zone_and_filter_servers",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let mut broker = Broker { filters: r#"["1.2.3.4:80"]"#, ..Broker::new(s) };
            broker.ext.push(("__ZONE_NAME", "zone-a".into()));
            broker.register(s);
            broker.look(s);
        },
    },
    Case {
        name: "static_topic_mapping",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            let mut request = broker.request();
            let (name, topic) = (&broker.name, &broker.topics[0].name);
            let info = format!(
                r#"{{"bname":"{name}","currIdMap":{{0:0,1:1}},"dirty":false,"epoch":7,"scope":"__global__","topic":"{topic}","totalQueues":2}}"#
            );
            let body = String::from_utf8(request.body).unwrap();
            request.body = body
                .replace(
                    "\"topicQueueMappingInfoMap\":{}",
                    &format!("\"topicQueueMappingInfoMap\":{{\"{topic}\":{info}}}"),
                )
                .into_bytes();
            s.ask_command(request);
            broker.look(s);
        },
    },
    Case {
        name: "two_brokers_one_topic",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let first = Broker::new(s);
            first.register(s);
            s.client(1);
            let second = Broker { name: s.unique("other"), port: 2, ..Broker::new(s) };
            second.register(s);
            first.look(s);
            s.ask(901, &[("clusterName", &second.cluster), ("brokerName", &second.name)]);
        },
    },
    Case {
        name: "two_clusters",
        codes: &[0, 0, 0, 0, 0, 0, 0],
        script: |s| {
            let first = Broker::new(s);
            first.register(s);
            s.client(1);
            let second =
                Broker { name: s.unique("other"), cluster: s.unique("Cluster2"), port: 2, ..Broker::new(s) };
            second.register(s);
            first.look(s);
            s.ask(224, &[("cluster", &first.cluster)]);
            s.ask(224, &[("cluster", &second.cluster)]);
        },
    },
    Case {
        name: "unregister",
        codes: &[0, 0, 17, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            broker.unregister(s);
            broker.wait_for_route(s, 17);
            broker.look(s);
        },
    },
    Case {
        name: "unregister_unknown",
        codes: &[0],
        script: |s| {
            Broker::new(s).unregister(s);
        },
    },
    Case {
        name: "unregister_master_keeps_slave",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let master = Broker::new(s);
            master.register(s);
            s.client(1);
            Broker { id: 1, port: 2, ..Broker::new(s) }.register(s);
            s.client(0);
            master.unregister(s);
            let gone = format!("\"{}\"", master.addr());
            until(
                Duration::from_secs(10),
                || "the master is still listed".into(),
                || {
                    let info = s.quietly(Command::request(106, &[], b""));
                    (!String::from_utf8_lossy(&info.body).contains(&gone)).then_some(())
                },
            );
            master.look(s);
        },
    },
    Case {
        name: "unregister_master_wipes_write_for_acting_slave",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let mut master = Broker::new(s);
            master.acting = Some(true);
            master.register(s);
            s.client(1);
            let mut slave = Broker { id: 1, port: 2, ..Broker::new(s) };
            slave.acting = Some(true);
            slave.register(s);
            s.client(0);
            master.unregister(s);
            let gone = format!("\"{}\"", master.addr());
            until(
                Duration::from_secs(10),
                || "the master is still listed".into(),
                || {
                    let info = s.quietly(Command::request(106, &[], b""));
                    (!String::from_utf8_lossy(&info.body).contains(&gone)).then_some(())
                },
            );
            master.look(s);
        },
    },
    Case {
        name: "connection_lost",
        codes: &[0, 17, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            s.client(1);
            broker.register(s);
            s.disconnect();
            s.client(0);
            broker.wait_for_route(s, 17);
            broker.look(s);
        },
    },
    Case {
        name: "silent_broker_expires",
        codes: &[0, 17],
        script: |s| {
            let mut broker = Broker::new(s);
            broker.ext.push(("heartbeatTimeoutMillis", "1".into()));
            s.client(1);
            broker.register(s);
            s.client(0);
            broker.wait_for_route(s, 17);
            s.ask(105, &[("topic", &broker.topics[0].name)]);
        },
    },
    Case {
        name: "data_version_same",
        codes: &[0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            s.ask_with(322, &broker.identity(), br#"{"counter":1,"stateVersion":0,"timestamp":1}"#);
        },
    },
    Case {
        name: "data_version_changed",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register(s);
            s.ask_with(322, &broker.identity(), br#"{"counter":2,"stateVersion":0,"timestamp":1}"#);
            s.ask_with(322, &broker.identity(), br#"{"counter":1,"stateVersion":0,"timestamp":2}"#);
            s.ask_with(322, &broker.identity(), br#"{"counter":1,"timestamp":1}"#);
        },
    },
    Case {
        name: "data_version_of_unknown_broker",
        codes: &[0],
        script: |s| {
            let broker = Broker::new(s);
            s.ask_with(322, &broker.identity(), br#"{"counter":1,"stateVersion":0,"timestamp":1}"#);
        },
    },
    Case {
        name: "heartbeat",
        codes: &[0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            s.ask(904, &broker.identity());
            broker.register(s);
            s.ask(904, &broker.identity());
        },
    },
    Case {
        name: "heartbeat_oneway",
        codes: &[0],
        script: |s| {
            let broker = Broker::new(s);
            s.send(Command::request(904, &broker.identity(), b"").oneway());
            s.ask(106, &[]);
        },
    },
    Case {
        name: "member_group_of_unknown_broker",
        codes: &[0],
        script: |s| {
            s.ask(901, &[("clusterName", "Nowhere"), ("brokerName", "nobody")]);
        },
    },
    Case {
        name: "cluster_info_when_empty",
        codes: &[0, 0],
        script: |s| {
            s.ask(106, &[]);
            s.ask(304, &[]);
        },
    },
    Case {
        name: "system_topics",
        codes: &[0, 0],
        script: |s| {
            Broker::new(s).register(s);
            s.ask(304, &[]);
        },
    },
];

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

    pub fn register(&self, s: &mut Script) {
        s.ask_command(self.request());
    }

    pub fn unregister(&self, s: &mut Script) {
        s.ask(104, &self.identity());
    }

    /// The three views on it: route of its first topic, cluster info, member group.
    pub fn look(&self, s: &mut Script) {
        s.ask(105, &[("topic", &self.topics[0].name)]);
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

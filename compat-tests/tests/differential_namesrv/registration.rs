//! Brokers that come, change and go: REGISTER_BROKER, UNREGISTER_BROKER, QUERY_DATA_VERSION, BROKER_HEARTBEAT,
//! GET_BROKER_CLUSTER_INFO, GET_BROKER_MEMBER_GROUP.

use compat_tests::differential::Case;
use compat_tests::wire::{Codec, Command, VERSION_4_9_7};

use crate::broker::{Broker, topic};

pub const CASES: &[Case] = &[
    Case {
        name: "register_json",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::registered(s);
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
            broker.register_changed(s, |request| request.codec = Codec::RocketMq);
            broker.look(s);
        },
    },
    Case {
        name: "register_before_3_0_11",
        codes: &[0, 0, 0, 0],
        script: |s| {
            // Then the body is the topic table alone.
            let broker = Broker { version: 30, ..Broker::new(s) };
            broker.register_changed(s, |request| {
                request.body = format!(
                    r#"{{"dataVersion":{{"counter":1,"timestamp":1}},"topicConfigTable":{}}}"#,
                    broker.topic_table_json()
                )
                .into_bytes();
            });
            broker.look(s);
        },
    },
    Case {
        name: "register_without_body",
        codes: &[0, 17, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register_changed(s, |request| request.body.clear());
            broker.look(s);
        },
    },
    Case {
        name: "register_crc_right",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register_changed(s, add_body_crc);
            broker.look(s);
        },
    },
    Case {
        name: "register_crc_wrong",
        codes: &[1, 17, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            broker.register_changed(s, |request| {
                request.ext.insert("bodyCrc32".into(), "4711".into());
            });
            broker.look(s);
        },
    },
    Case {
        name: "register_crc_of_compressed_bytes",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker { compressed: true, ..Broker::new(s) };
            broker.register_changed(s, add_body_crc);
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
            s.ask_code(request);
            broker.look(s);
        },
    },
    // `enableSplitRegistration`: a table in parts, all of one version.
    Case {
        name: "register_in_parts",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let first = Broker::registered(s);
            let more = [topic(&s.unique("TopicC"), 4, 6, 0), topic(&s.unique("TopicD"), 4, 6, 0)];
            let second = Broker { topics: more.to_vec(), ..Broker::new(s) };
            second.register(s);
            second.register(s);
            second.ask_route(s);
            first.ask_route(s);
            s.ask(206, &[]);
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
            let broker = Broker::registered(s);
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
            let broker = Broker::registered(s);
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
            let broker = Broker::registered(s);
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
            let broker = Broker::registered(s);
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
            let master = Broker::registered(s);
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
            broker.register_changed(s, |request| {
                let (name, topic) = (&broker.name, &broker.topics[0].name);
                let info = format!(
                    r#"{{"bname":"{name}","currIdMap":{{0:0,1:1}},"dirty":false,"epoch":7,"scope":"__global__","topic":"{topic}","totalQueues":2}}"#
                );
                let body = String::from_utf8_lossy(&request.body);
                request.body = body
                    .replace(
                        "\"topicQueueMappingInfoMap\":{}",
                        &format!("\"topicQueueMappingInfoMap\":{{\"{topic}\":{info}}}"),
                    )
                    .into_bytes();
            });
            broker.look(s);
        },
    },
    Case {
        name: "two_brokers_one_topic",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let first = Broker::registered(s);
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
            let first = Broker::registered(s);
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
            let broker = Broker::registered(s);
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
            let master = Broker::registered(s);
            s.client(1);
            Broker { id: 1, port: 2, ..Broker::new(s) }.register(s);
            s.client(0);
            master.unregister(s);
            master.wait_until_gone(s);
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
            master.wait_until_gone(s);
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
            broker.ask_route(s);
        },
    },
    Case {
        name: "data_version_same",
        codes: &[0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            s.ask_with(322, &broker.identity(), br#"{"counter":1,"stateVersion":0,"timestamp":1}"#);
        },
    },
    Case {
        name: "data_version_changed",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::registered(s);
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

fn add_body_crc(request: &mut Command) {
    let crc = crc32fast::hash(&request.body) & 0x7FFF_FFFF;
    request.ext.insert("bodyCrc32".into(), crc.to_string());
}

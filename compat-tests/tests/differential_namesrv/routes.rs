//! Routes and topics: GET_ROUTEINFO_BY_TOPIC, write permission, topic lists, deletion and registration, unit topics.

use compat_tests::differential::Case;
use compat_tests::wire::{Codec, Command, VERSION_4_9_7};

use crate::broker::{Broker, topic};

/// `MQVersion.V4_9_3`, the last to get Java's dialect of JSON.
const VERSION_4_9_3: i32 = 399;
const VERSION_4_9_4: i32 = 401;

pub const CASES: &[Case] = &[
    Case {
        name: "route_of_unknown_topic",
        codes: &[17],
        script: |s| {
            s.ask(105, &[("topic", "NoSuchTopic")]);
        },
    },
    Case {
        name: "route_without_topic",
        codes: &[17],
        script: |s| {
            s.ask(105, &[]);
        },
    },
    Case {
        name: "route_in_dialect_for_old_clients",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            for version in [VERSION_4_9_3, VERSION_4_9_4, VERSION_4_9_7] {
                let mut request = Command::request(105, &[("topic", &broker.topics[0].name)], b"");
                request.version = version;
                let reply = s.ask_command(request);
                s.note("bytes", &String::from_utf8_lossy(&reply.body));
            }
        },
    },
    Case {
        name: "route_standard_json_on_request",
        codes: &[0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            let ext = [("topic", broker.topics[0].name.as_str()), ("acceptStandardJsonOnly", "true")];
            let mut request = Command::request(105, &ext, b"");
            request.version = VERSION_4_9_3;
            let reply = s.ask_command(request);
            s.note("bytes", &String::from_utf8_lossy(&reply.body));
        },
    },
    Case {
        name: "route_bytes",
        codes: &[0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            let reply = broker.ask_route(s);
            s.note("bytes", &String::from_utf8_lossy(&reply.body));
        },
    },
    Case {
        name: "route_in_binary_header",
        codes: &[0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            let mut request = Command::request(105, &[("topic", &broker.topics[0].name)], b"");
            request.codec = Codec::RocketMq;
            s.ask_command(request);
        },
    },
    Case {
        name: "unknown_code",
        codes: &[3],
        script: |s| {
            s.ask(9999, &[]);
        },
    },
    Case {
        name: "code_of_a_broker",
        codes: &[3, 3],
        script: |s| {
            s.ask(11, &[("topic", "T")]);
            s.ask(34, &[]);
        },
    },
    Case {
        name: "wipe_and_add_write_permission",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            s.ask(205, &[("brokerName", &broker.name)]);
            broker.ask_route(s);
            s.ask(327, &[("brokerName", &broker.name)]);
            broker.ask_route(s);
        },
    },
    Case {
        name: "write_permission_of_unknown_broker",
        codes: &[0, 0],
        script: |s| {
            s.ask(205, &[("brokerName", "nobody")]);
            s.ask(327, &[("brokerName", "nobody")]);
        },
    },
    Case {
        name: "delete_topic",
        codes: &[0, 0, 17, 0],
        script: |s| {
            let broker = Broker::registered(s);
            s.ask(216, &[("topic", &broker.topics[0].name)]);
            broker.ask_route(s);
            s.ask(206, &[]);
        },
    },
    Case {
        name: "delete_topic_in_cluster",
        codes: &[0, 0, 0, 0, 17],
        script: |s| {
            let broker = Broker::registered(s);
            s.ask(216, &[("topic", &broker.topics[0].name), ("clusterName", "Nowhere")]);
            broker.ask_route(s);
            s.ask(216, &[("topic", &broker.topics[0].name), ("clusterName", &broker.cluster)]);
            broker.ask_route(s);
        },
    },
    Case {
        name: "delete_unknown_topic",
        codes: &[0],
        script: |s| {
            s.ask(216, &[("topic", "NoSuchTopic")]);
        },
    },
    Case {
        name: "register_topic",
        codes: &[0, 0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            let fresh = s.unique("Fresh");
            let body = format!(
                r#"{{"brokerDatas":[],"filterServerTable":{{}},"queueDatas":[{{"brokerName":"{}","perm":6,"readQueueNums":3,"topicSysFlag":0,"writeQueueNums":2}}]}}"#,
                broker.name
            );
            s.ask_with(217, &[("topic", &fresh)], body.as_bytes());
            s.ask(105, &[("topic", &fresh)]);
        },
    },
    Case {
        name: "register_topic_of_unknown_broker",
        codes: &[0, 17],
        script: |s| {
            let fresh = s.unique("Fresh");
            let body = r#"{"queueDatas":[{"brokerName":"nobody","perm":6,"readQueueNums":3,"topicSysFlag":0,"writeQueueNums":2}]}"#;
            s.ask_with(217, &[("topic", &fresh)], body.as_bytes());
            s.ask(105, &[("topic", &fresh)]);
        },
    },
    Case {
        name: "register_topic_without_queues",
        codes: &[0, 17],
        script: |s| {
            let fresh = s.unique("Fresh");
            s.ask_with(217, &[("topic", &fresh)], br#"{"queueDatas":[]}"#);
            s.ask(105, &[("topic", &fresh)]);
        },
    },
    Case {
        name: "topic_lists",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            s.ask(206, &[]);
            let broker = Broker::registered(s);
            s.ask(206, &[]);
            s.ask(224, &[("cluster", &broker.cluster)]);
            s.ask(224, &[("cluster", "Nowhere")]);
            s.ask(224, &[]);
        },
    },
    Case {
        name: "unit_topics",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let mut broker = Broker::new(s);
            // TopicSysFlag: 1 is a unit's topic, 2 has subscriptions of units.
            for flag in 0..4 {
                broker.topics.push(topic(&s.unique(&format!("Unit{flag}")), 1, 6, flag));
            }
            broker.register(s);
            s.ask(311, &[]);
            s.ask(312, &[]);
            s.ask(313, &[]);
        },
    },
    Case {
        name: "pipelined_requests_are_all_answered",
        codes: &[17, 17, 17],
        script: |s| {
            let sent: Vec<_> = (0..3)
                .map(|i| s.send(Command::request(105, &[("topic", &format!("Pipelined{i}"))], b"")))
                .collect();
            let mut remarks: Vec<_> = sent.iter().map(|_| s.any_reply()).collect();
            remarks.sort_by_key(|reply| reply.opaque);
            for reply in remarks {
                s.note_code(reply.code);
                s.note("remark", reply.remark.as_deref().unwrap_or("none"));
            }
        },
    },
];

//! The name server's own configuration and its key-value store.

use compat_tests::differential::{Case, Script};

use crate::broker::Broker;

pub const CASES: &[Case] = &[
    Case {
        name: "kv_put_get_delete",
        codes: &[22, 0, 0, 0, 0, 0, 22, 0],
        script: |s| {
            let ns = s.unique("ns");
            let get = [("namespace", ns.as_str()), ("key", "k")];
            s.ask(101, &get);
            s.ask(100, &[("namespace", &ns), ("key", "k"), ("value", "v 1 ü")]);
            s.ask(101, &get);
            s.ask(100, &[("namespace", &ns), ("key", "k"), ("value", "v2")]);
            s.ask(101, &get);
            s.ask(102, &get);
            s.ask(101, &get);
            s.ask(219, &[("namespace", &ns)]);
        },
    },
    Case {
        name: "kv_list",
        codes: &[22, 0, 0, 0],
        script: |s| {
            let ns = s.unique("ns");
            s.ask(219, &[("namespace", &ns)]);
            s.ask(100, &[("namespace", &ns), ("key", "a"), ("value", "1")]);
            s.ask(100, &[("namespace", &ns), ("key", "b"), ("value", "2")]);
            s.ask(219, &[("namespace", &ns)]);
        },
    },
    Case {
        name: "kv_missing_fields",
        codes: &[1, 1, 22, 22, 0, 22],
        script: |s| {
            s.ask(100, &[("key", "k"), ("value", "v")]);
            s.ask(100, &[("namespace", "n"), ("value", "v")]);
            s.ask(101, &[("namespace", "n")]);
            s.ask(101, &[("key", "k")]);
            s.ask(102, &[]);
            s.ask(219, &[]);
        },
    },
    Case {
        name: "kv_without_value",
        codes: &[0, 22, 0],
        script: |s| {
            let ns = s.unique("ns");
            s.ask(100, &[("namespace", &ns), ("key", "k")]);
            s.ask(101, &[("namespace", &ns), ("key", "k")]);
            s.ask(219, &[("namespace", &ns)]);
        },
    },
    Case {
        name: "order_topic_config_in_route",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let broker = Broker::registered(s);
            let topic = &broker.topics[0].name;
            let value = format!("{}:4", broker.name);
            s.ask(100, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", topic), ("value", &value)]);
            // orderMessageEnable is off by default, so the route does not say.
            s.ask(105, &[("topic", topic)]);
            s.ask(102, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", topic)]);
        },
    },
    Case {
        name: "order_topic_config_when_enabled",
        codes: &[0, 0, 0, 0, 0, 0, 0],
        script: |s| {
            let broker = Broker::new(s);
            s.ask_with(318, &[], b"orderMessageEnable=true\nreturnOrderTopicConfigToBroker=true");
            let topic = &broker.topics[0].name;
            let value = format!("{}:4", broker.name);
            s.ask(100, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", topic), ("value", &value)]);
            broker.register(s);
            s.ask(105, &[("topic", topic)]);
            s.ask(105, &[("topic", &broker.topics[1].name)]);
            s.ask(102, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", topic)]);
            s.ask_with(318, &[], b"orderMessageEnable=false\nreturnOrderTopicConfigToBroker=true");
        },
    },
    Case {
        name: "config_get",
        codes: &[0],
        script: |s| {
            s.ask(319, &[]);
        },
    },
    Case {
        name: "config_update",
        codes: &[0, 0],
        script: |s| {
            s.ask_with(318, &[], b"clusterTest=true\nscanNotActiveBrokerInterval=5000");
            let all = s.quietly(compat_tests::wire::Command::request(319, &[], b""));
            note_lines(s, &all.body, &["clusterTest", "scanNotActiveBrokerInterval"]);
            s.ask_with(318, &[], b"clusterTest=false");
        },
    },
    Case {
        name: "config_update_forbidden",
        codes: &[16, 16, 16, 16],
        script: |s| {
            s.ask_with(318, &[], b"kvConfigPath=/tmp/x");
            s.ask_with(318, &[], b"rocketmqHome=/tmp/x");
            s.ask_with(318, &[], b"configStorePath=/tmp/x");
            s.ask_with(318, &[], b"configBlackList=x");
        },
    },
    Case {
        name: "config_update_unknown_key",
        codes: &[0, 0],
        script: |s| {
            s.ask_with(318, &[], b"noSuchKey=1");
            let all = s.quietly(compat_tests::wire::Command::request(319, &[], b""));
            note_lines(s, &all.body, &["noSuchKey"]);
            s.ask_with(318, &[], b"");
        },
    },
    Case {
        name: "topic_lists_disabled",
        codes: &[0, 1, 1, 1, 1, 1, 0],
        script: |s| {
            s.ask_with(318, &[], b"enableAllTopicList=false\nenableTopicList=false");
            s.ask(206, &[]);
            s.ask(224, &[("cluster", "c")]);
            s.ask(311, &[]);
            s.ask(312, &[]);
            s.ask(313, &[]);
            s.ask_with(318, &[], b"enableAllTopicList=true\nenableTopicList=true");
        },
    },
];

/// Compares single lines of a configuration text.
fn note_lines(s: &mut Script, text: &[u8], keys: &[&str]) {
    let text = String::from_utf8_lossy(text).into_owned();
    for key in keys {
        let line = text.lines().find(|line| line.starts_with(&format!("{key}="))).unwrap_or("no such line");
        s.note(key, line);
    }
}

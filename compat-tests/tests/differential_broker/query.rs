//! Messages by key and by where they lie: codes 12 and 33.

use compat_tests::client::{Pull, Send, WAIT, filled, first_physical_offset, wait_for_max};
use compat_tests::differential::{Case, Script};
use compat_tests::until;
use compat_tests::wire::Command;

const UNIQUE: &str = "_UNIQUE_KEY_QUERY";

pub const CASES: &[Case] = &[
    Case {
        name: "query_by_key",
        codes: &[0, 0, 0, 0, 22, 22],
        script: |s| {
            let topic = s.unique("T");
            keyed(s, &topic);
            for key in ["one", "both", "two"] {
                s.ask_command(query(&topic, key).into());
            }
            s.ask_command(query(&topic, "both").set("maxNum", "1").into());
            s.ask_command(query(&topic, "one both").into());
            s.ask_command(query("NoSuchTopic", "one").into());
        },
    },
    Case {
        name: "query_by_unique_key",
        codes: &[0, 0, 0, 22],
        script: |s| {
            let topic = s.unique("T");
            keyed(s, &topic);
            let unique = "AC110001000100000000000000000001";
            s.ask_command(query(&topic, unique).set(UNIQUE, "true").into());
            s.ask_command(query(&topic, unique).set(UNIQUE, "TRUE").without("maxNum").into());
            s.ask_command(query(&topic, unique).set("indexType", "U").into());
            s.ask_command(query(&topic, "AC11").set(UNIQUE, "true").into());
        },
    },
    Case {
        name: "query_by_tags",
        codes: &[0, 22, 22, 0],
        script: |s| {
            let topic = s.unique("T");
            keyed(s, &topic);
            s.ask_command(query(&topic, "red").set("indexType", "T").into());
            s.ask_command(query(&topic, "red").set("indexType", "T").set(UNIQUE, "true").into());
            s.ask_command(query(&topic, "red").into());
            s.ask_command(query(&topic, "one").set("indexType", "X").set("lastKey", "k").into());
        },
    },
    Case {
        name: "query_another_time",
        codes: &[22, 22, 22, 22],
        script: |s| {
            let topic = s.unique("T");
            keyed(s, &topic);
            s.ask_command(query(&topic, "one").set("endTimestamp", "1000").into());
            s.ask_command(query(&topic, "one").set("beginTimestamp", "4000000000000").into());
            let backwards =
                query(&topic, "one").set("beginTimestamp", "4000000000000").set("endTimestamp", "5");
            s.ask_command(backwards.into());
            s.ask_command(query(&topic, "one").set("maxNum", "0").into());
        },
    },
    Case {
        name: "query_missing_fields",
        codes: &[1, 1, 1, 22, 22],
        script: |s| {
            let topic = s.unique("T");
            keyed(s, &topic);
            for field in ["maxNum", "beginTimestamp", "endTimestamp", "topic", "key"] {
                s.ask_code(query(&topic, "one").without(field).into());
            }
        },
    },
    Case {
        name: "query_less_than_none",
        codes: &[1],
        script: |s| {
            let topic = s.unique("T");
            keyed(s, &topic);
            s.ask_code(query(&topic, "one").set("maxNum", "-1").into());
        },
    },
    Case {
        name: "query_finds_many",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            for index in 0..70 {
                let body = index.to_string();
                s.quietly(Send::to(&topic).body(body.as_bytes()).property("KEYS", "many").v2());
            }
            wait_for_max(s, &topic, 0, 70);
            wait_for_key(s, &topic, "many", "69");
            s.ask_command(query(&topic, "many").set("maxNum", "1000").into());
            let unique = query(&topic, "AC110001000100000000000000000001").set(UNIQUE, "true");
            s.ask_command(unique.into());
        },
    },
    Case {
        name: "view_message",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 2);
            let pulled = s.quietly(Pull::of(&group, &topic).set("queueOffset", 1).command());
            let offset = first_physical_offset(&pulled.body);
            s.ask(33, &[("offset", &offset)]);
        },
    },
    Case {
        name: "view_nothing",
        codes: &[1, 1, 1],
        script: |s| {
            s.ask(33, &[("offset", "4000000000000")]);
            s.ask(33, &[("offset", "-1")]);
            s.ask_code(Command::request(33, &[], b""));
        },
    },
];

/// A query (12) for all times, its fields open to change.
struct Query(Vec<(&'static str, String)>);

fn query(topic: &str, key: &str) -> Query {
    let fields = [
        ("topic", topic),
        ("key", key),
        ("maxNum", "32"),
        ("beginTimestamp", "0"),
        ("endTimestamp", "9223372036854775807"),
    ];
    Query(fields.map(|(name, value)| (name, value.to_string())).to_vec())
}

impl Query {
    fn set(self, name: &'static str, value: &str) -> Query {
        let mut query = self.without(name);
        query.0.push((name, value.into()));
        query
    }

    fn without(mut self, name: &str) -> Query {
        self.0.retain(|(known, _)| *known != name);
        self
    }
}

impl From<Query> for Command {
    fn from(query: Query) -> Command {
        let mut command = Command::request(12, &[], b"");
        command.ext = query.0.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        command
    }
}

/// Two messages with a key of its own each and one in common.
fn keyed(s: &mut Script, topic: &str) {
    for (body, keys) in [("first", "one both"), ("second", "both two")] {
        let send = Send::to(topic).body(body.as_bytes()).property("KEYS", keys).tag("red");
        assert_eq!(s.quietly(send.v2()).code, 0);
    }
    wait_for_key(s, topic, "two", "second");
}

/// Waits until the index knows the message: both brokers put keys behind the send.
fn wait_for_key(s: &mut Script, topic: &str, key: &str, body: &str) {
    until(
        WAIT,
        || format!("{topic}: {key} never came into the index"),
        || {
            let reply = s.quietly(query(topic, key).into());
            reply.body.windows(body.len()).any(|bytes| bytes == body.as_bytes()).then_some(())
        },
    );
}

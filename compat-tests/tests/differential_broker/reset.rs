//! Groups set to other offsets by the broker, copied to other groups, and looked at.

use compat_tests::client::{
    COMMIT, Pull, SUBSCRIPTION, consumer_heartbeat, fill, query_offset, subscription,
};
use compat_tests::differential::{Case, Script};
use compat_tests::wire::Command;

pub const CASES: &[Case] = &[
    Case {
        name: "reset_by_time",
        codes: &[0, 0, 0, 0, 0, 21, 0, 0, 0],
        script: |s| {
            let (topic, group) = consumed(s, 3);
            for ms in ["0", "4000000000000", "-1", "0"] {
                s.ask(222, &[("topic", &topic), ("group", &group), ("timestamp", ms), ("isForce", "true")]);
            }
            // Until a pull has been told, commits change nothing.
            commit(s, &group, &topic, "2");
            s.ask_command(Pull::of(&group, &topic).set("queueOffset", 3).command());
            commit(s, &group, &topic, "1");
            query_offset(s, &group, &topic);
            s.ask(14, &[("consumerGroup", &group), ("topic", &topic), ("queueId", "1")]);
        },
    },
    Case {
        name: "reset_one_queue",
        codes: &[0, 0, 1, 0],
        script: |s| {
            let (topic, group) = consumed(s, 5);
            let fields = [("topic", topic.as_str()), ("group", &group), ("queueId", "0"), ("timestamp", "0")];
            for offset in ["2", "6", "7"] {
                s.ask(222, &[&fields[..], &[("offset", offset)]].concat());
            }
            s.ask(222, &[&fields[..], &[("offset", "-1")]].concat());
        },
    },
    Case {
        name: "reset_met_by_a_pull_that_commits",
        codes: &[0, 21, 0],
        script: |s| {
            let (topic, group) = consumed(s, 3);
            let fields =
                [("topic", topic.as_str()), ("group", &group), ("timestamp", "0"), ("isForce", "true")];
            s.ask(222, &fields);
            let pull = Pull::of(&group, &topic).set("queueOffset", 3).set("commitOffset", 2);
            s.ask_command(pull.set("sysFlag", COMMIT | SUBSCRIPTION).command());
            s.ask(14, &[("consumerGroup", &group), ("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "reset_refused",
        codes: &[26, 17, 26],
        script: |s| {
            let (topic, group) = consumed(s, 1);
            s.ask(222, &[("topic", &topic), ("timestamp", "0")]);
            s.ask(222, &[("topic", "NoSuchTopic"), ("group", &group), ("timestamp", "0")]);
            s.ask(222, &[("topic", &topic), ("group", "no_such_group"), ("timestamp", "0")]);
        },
    },
    Case {
        name: "clone_offsets",
        codes: &[0, 0, 0, 0, 0, 0, 0, 0],
        script: |s| {
            let (topic, group) = consumed(s, 5);
            let to = |n: i32| format!("{group}_{n}");
            s.quietly(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", 1)]));
            let online = [("srcGroup", group.as_str()), ("destGroup", &to(1)), ("topic", &topic)];
            clone(s, &online);
            clone(s, &[("srcGroup", &group), ("destGroup", &to(2)), ("topic", &topic), ("offline", "true")]);
            clone(s, &[("srcGroup", &group), ("destGroup", &to(3)), ("offline", "true")]);
            clone(s, &[("srcGroup", "nowhere"), ("destGroup", &to(4)), ("topic", &topic)]);
        },
    },
    Case {
        name: "who_consumes_what",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let (topic, group) = consumed(s, 1);
            let other = format!("{group}_other");
            s.quietly(consumer_heartbeat("c1", &other, "CLUSTERING", &[subscription(&topic, "a || b", 1)]));
            s.ask(300, &[("topic", &topic)]);
            s.ask(300, &[("topic", "NoSuchTopic")]);
            s.ask(343, &[("group", &group)]);
            s.ask(343, &[("group", "nowhere")]);
            s.ask(345, &[("group", &other), ("topic", &topic)]);
            s.ask(345, &[("group", &group), ("topic", &topic)]);
        },
    },
    Case {
        name: "time_span",
        codes: &[0, 0, 17],
        script: |s| {
            let (topic, group) = consumed(s, 3);
            for group in [group.as_str(), "nowhere"] {
                let answer = s.quietly(Command::request(303, &[("topic", &topic), ("group", group)], b""));
                s.note_code(answer.code);
                let spans = String::from_utf8_lossy(&answer.body).replace("TimeStampStr\":\"", "\n");
                // Where a time in words stood, it is cut off: it begins each line.
                let cut =
                    |line: &str| line.split_once('"').map_or(String::new(), |(_, rest)| rest.to_owned());
                let spans: Vec<_> = spans.lines().map(cut).collect();
                s.note("spans", &spans.join("\n"));
            }
            s.ask(303, &[("topic", "NoSuchTopic"), ("group", "g")]);
        },
    },
    Case {
        name: "correction_offsets",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = consumed(s, 5);
            let behind = format!("{group}_behind");
            s.quietly(Pull::of(&behind, &topic).command());
            let fields = [
                ("consumerGroup", behind.as_str()),
                ("topic", &topic),
                ("queueId", "0"),
                ("commitOffset", "1"),
            ];
            s.quietly(Command::request(15, &fields, b""));
            s.ask(308, &[("topic", &topic), ("compareGroup", &group)]);
            s.ask(308, &[("topic", &topic), ("compareGroup", "nowhere")]);
        },
    },
];

/// A topic with `count` messages in queue 0, and a group that has consumed all of them.
fn consumed(s: &mut Script, count: usize) -> (String, String) {
    let (topic, group) = (s.unique("T"), s.unique("g"));
    fill(s, &topic, count);
    // A heartbeat makes the group. A pull would leave Java a subscription besides.
    s.quietly(consumer_heartbeat("c0", &group, "CLUSTERING", &[subscription(&topic, "*", 1)]));
    s.quietly(Command::request(35, &[("clientID", "c0"), ("consumerGroup", &group)], b""));
    let count = count.to_string();
    let fields =
        [("consumerGroup", group.as_str()), ("topic", &topic), ("queueId", "0"), ("commitOffset", &count)];
    s.quietly(Command::request(15, &fields, b""));
    (topic, group)
}

fn commit(s: &mut Script, group: &str, topic: &str, offset: &str) {
    s.ask(15, &[("consumerGroup", group), ("topic", topic), ("queueId", "0"), ("commitOffset", offset)]);
}

/// Clones offsets and asks for what the new group has.
fn clone(s: &mut Script, fields: &[(&str, &str)]) {
    s.ask(314, fields);
    s.ask(343, &[("group", fields[1].1)]);
}

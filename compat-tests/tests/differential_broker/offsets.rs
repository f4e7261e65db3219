//! Consumer offsets and queue bounds: codes 14, 15, 29, 30, 31, 32.

use compat_tests::client::{Pull, fill, filled, query_offset};
use compat_tests::differential::{Case, Script};
use compat_tests::wire::Command;

pub const CASES: &[Case] = &[
    Case {
        name: "offset_unknown_topic",
        codes: &[22],
        script: |s| {
            let group = s.unique("g");
            s.ask(14, &[("consumerGroup", &group), ("topic", "NoSuchTopic"), ("queueId", "0")]);
        },
    },
    Case {
        name: "offset_of_new_group",
        codes: &[0, 22, 22],
        script: |s| {
            let (topic, group) = filled(s, 2);
            query_offset(s, &group, &topic);
            s.ask(
                14,
                &[
                    ("consumerGroup", &group),
                    ("topic", &topic),
                    ("queueId", "0"),
                    ("setZeroIfNotFound", "false"),
                ],
            );
            // A queue without a message.
            s.ask(14, &[("consumerGroup", &group), ("topic", &topic), ("queueId", "1")]);
        },
    },
    Case {
        name: "offset_update_and_query",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let (topic, group) = filled(s, 5);
            s.quietly(Pull::of(&group, &topic).command());
            update(s, &group, &topic, "0", "3");
            query_offset(s, &group, &topic);
            // Offsets may go back.
            update(s, &group, &topic, "0", "1");
            query_offset(s, &group, &topic);
        },
    },
    Case {
        name: "offset_update_beyond_the_end",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.quietly(Pull::of(&group, &topic).command());
            update(s, &group, &topic, "0", "1000");
            query_offset(s, &group, &topic);
        },
    },
    Case {
        name: "offset_update_negative",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.quietly(Pull::of(&group, &topic).command());
            update(s, &group, &topic, "0", "-5");
            query_offset(s, &group, &topic);
        },
    },
    Case {
        name: "offset_update_unknown_group",
        codes: &[26, 26],
        script: |s| {
            let (topic, group) = filled(s, 1);
            update(s, &group, &topic, "0", "1");
            s.ask(15, &[("topic", &topic), ("queueId", "0"), ("commitOffset", "1")]);
        },
    },
    Case {
        name: "offset_update_unknown_topic",
        codes: &[17],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.quietly(Pull::of(&group, &topic).command());
            update(s, &group, "NoSuchTopic", "0", "3");
        },
    },
    Case {
        name: "offset_update_missing_fields",
        codes: &[29, 29],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.quietly(Pull::of(&group, &topic).command());
            for field in ["queueId", "commitOffset"] {
                let mut fields = vec![("consumerGroup", group.as_str()), ("topic", &topic)];
                fields.push((field, "1"));
                s.ask_code(Command::request(15, &fields, b""));
            }
        },
    },
    Case {
        name: "offset_update_oneway",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.quietly(Pull::of(&group, &topic).command());
            let fields = [
                ("consumerGroup", group.as_str()),
                ("topic", &topic),
                ("queueId", "0"),
                ("commitOffset", "2"),
            ];
            s.send(Command::request(15, &fields, b"").oneway());
            let question = Command::request(14, &fields[..3], b"");
            compat_tests::until(
                std::time::Duration::from_secs(5),
                || "offset 2 never came".into(),
                || {
                    (s.quietly(question.clone()).ext.get("offset").map(String::as_str) == Some("2"))
                        .then_some(())
                },
            );
            s.ask(14, &fields[..3]);
        },
    },
    Case {
        name: "max_offset",
        codes: &[0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 4);
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
            s.ask(30, &[("topic", &topic), ("queueId", "0"), ("committed", "true")]);
            s.ask(30, &[("topic", &topic), ("queueId", "2")]);
        },
    },
    Case {
        name: "max_offset_of_unknown",
        codes: &[0, 0],
        script: |s| {
            s.ask(30, &[("topic", "NoSuchTopic"), ("queueId", "0")]);
            s.ask(30, &[("topic", "TBW102"), ("queueId", "99")]);
        },
    },
    Case {
        name: "min_offset",
        codes: &[0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 4);
            s.ask(31, &[("topic", &topic), ("queueId", "0")]);
            s.ask(31, &[("topic", &topic), ("queueId", "2")]);
            s.ask(31, &[("topic", "NoSuchTopic"), ("queueId", "0")]);
        },
    },
    Case {
        name: "bounds_missing_fields",
        codes: &[1, 1, 1],
        script: |s| {
            for code in [29, 30, 31] {
                s.ask_code(Command::request(code, &[("topic", "TBW102")], b""));
            }
        },
    },
    Case {
        name: "search_by_time",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 3);
            s.ask(29, &[("topic", &topic), ("queueId", "0"), ("timestamp", "0")]);
            s.ask(29, &[("topic", &topic), ("queueId", "0"), ("timestamp", "4000000000000")]);
            s.ask(
                29,
                &[
                    ("topic", &topic),
                    ("queueId", "0"),
                    ("timestamp", "4000000000000"),
                    ("boundaryType", "UPPER"),
                ],
            );
            s.ask(29, &[("topic", &topic), ("queueId", "1"), ("timestamp", "0")]);
        },
    },
    Case {
        name: "search_in_unknown_topic",
        codes: &[0],
        script: |s| {
            s.ask(29, &[("topic", "NoSuchTopic"), ("queueId", "0"), ("timestamp", "0")]);
        },
    },
    Case {
        name: "earliest_store_time",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 1);
            s.ask(32, &[("topic", &topic), ("queueId", "0")]);
            s.ask(32, &[("topic", &topic), ("queueId", "3")]);
        },
    },
];

fn update(s: &mut Script, group: &str, topic: &str, queue_id: &str, offset: &str) {
    s.ask(15, &[("consumerGroup", group), ("topic", topic), ("queueId", queue_id), ("commitOffset", offset)]);
}

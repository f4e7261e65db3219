//! PULL_MESSAGE and LITE_PULL_MESSAGE: found, not found, refused, filtered, parked and woken.

use compat_tests::client::{
    COMMIT, Pull, SUBSCRIPTION, SUSPEND, Send, WAIT, consumer_heartbeat, fill, filled, query_offset,
    subscription, wait_for_max,
};
use compat_tests::differential::Case;
use compat_tests::until;
use compat_tests::wire::{Codec, Command};

pub const CASES: &[Case] = &[
    Case {
        name: "pull_from_start",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.ask_command(Pull::of(&group, &topic).command());
        },
    },
    Case {
        name: "pull_binary_header",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            let mut request = Pull::of(&group, &topic).command();
            request.codec = Codec::RocketMq;
            s.ask_command(request);
        },
    },
    Case {
        name: "pull_from_the_middle",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.ask_command(Pull::of(&group, &topic).set("queueOffset", 2).command());
        },
    },
    Case {
        name: "pull_at_the_end",
        codes: &[19],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.ask_command(Pull::of(&group, &topic).set("queueOffset", 3).command());
        },
    },
    Case {
        name: "pull_behind_the_end",
        codes: &[21],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.ask_command(Pull::of(&group, &topic).set("queueOffset", 9).command());
        },
    },
    Case {
        name: "pull_negative_offset",
        codes: &[21],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.ask_command(Pull::of(&group, &topic).set("queueOffset", -1).command());
        },
    },
    Case {
        name: "pull_empty_queue",
        codes: &[19, 21],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.ask_command(Pull::of(&group, &topic).set("queueId", 1).command());
            s.ask_command(Pull::of(&group, &topic).set("queueId", 1).set("queueOffset", 5).command());
        },
    },
    Case {
        name: "pull_batch_size",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, group) = filled(s, 5);
            s.ask_command(Pull::of(&group, &topic).set("maxMsgNums", 2).command());
            s.ask_command(Pull::of(&group, &topic).set("maxMsgNums", 2).set("queueOffset", 2).command());
            s.ask_command(Pull::of(&group, &topic).set("maxMsgNums", 100).command());
        },
    },
    Case {
        name: "pull_counts_beyond_reason",
        codes: &[0, 0, 0, 20, 20, 20],
        script: |s| {
            let (topic, group) = filled(s, 3);
            for count in [0, -5, i32::MAX] {
                s.ask_command(Pull::of(&group, &topic).set("maxMsgNums", count).command());
            }
            // One pull looks at no more than 800 messages, or as many as it wants.
            let many = s.unique("many");
            fill(s, &many, 900);
            for count in [32, 850, i32::MAX] {
                let pull = Pull::of(&group, &many).set("subscription", "NoSuchTag");
                s.ask_command(pull.set("maxMsgNums", count).command());
            }
        },
    },
    Case {
        name: "pull_that_need_not_wait",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            let pull = Pull::of(&group, &topic).set("sysFlag", SUSPEND | SUBSCRIPTION);
            s.ask_command(pull.without("suspendTimeoutMillis").command());
        },
    },
    Case {
        name: "pull_max_in_memory",
        codes: &[0],
        script: |s| {
            // maxTransferCountOnMessageInMemory: 32
            let (topic, group) = filled(s, 40);
            s.ask_command(Pull::of(&group, &topic).set("maxMsgNums", 1000).command());
        },
    },
    Case {
        name: "pull_max_bytes_in_memory",
        codes: &[0],
        script: |s| {
            // maxTransferBytesOnMessageInMemory: 256 KiB
            let (topic, group) = filled(s, 1);
            for _ in 0..4 {
                s.quietly(Send::to(&topic).body(&[b'x'; 100 * 1024]).v2());
            }
            wait_for_max(s, &topic, 0, 5);
            s.ask_command(Pull::of(&group, &topic).command());
        },
    },
    Case {
        name: "pull_bytes_of_its_own_choice",
        codes: &[0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            fill(s, &topic, 3);
            s.ask_command(Pull::of(&group, &topic).set("maxMsgBytes", 100).command());
        },
    },
    Case {
        name: "pull_unknown_topic",
        codes: &[17],
        script: |s| {
            s.ask_command(Pull::of(&s.unique("g"), "NoSuchTopic").command());
        },
    },
    Case {
        name: "pull_queue_out_of_range",
        codes: &[29, 29],
        script: |s| {
            let (topic, group) = filled(s, 1);
            // The remark holds Java's form of a socket address ("/1.2.3.4:5"), as it is.
            s.ask_command(Pull::of(&group, &topic).set("queueId", 4).command());
            s.ask_command(Pull::of(&group, &topic).set("queueId", -1).command());
        },
    },
    Case {
        name: "pull_tag",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            for tag in ["TagA", "TagB", "TagA", "TagC"] {
                s.quietly(Send::to(&topic).tag(tag).v2());
            }
            wait_for_max(s, &topic, 0, 4);
            s.ask_command(Pull::of(&group, &topic).set("subscription", "TagA").command());
            s.ask_command(Pull::of(&group, &topic).set("subscription", "TagB || TagC").command());
            s.ask_command(
                Pull::of(&group, &topic).set("subscription", "TagC").set("maxMsgNums", 1).command(),
            );
        },
    },
    Case {
        name: "pull_tag_that_matches_nothing",
        codes: &[20],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.ask_command(Pull::of(&group, &topic).set("subscription", "TagZ").command());
        },
    },
    Case {
        name: "pull_null_subscription",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.ask_command(
                Pull::of(&group, &topic).without("subscription").without("expressionType").command(),
            );
        },
    },
    Case {
        name: "pull_sql_is_off",
        codes: &[1],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.ask_command(
                Pull::of(&group, &topic)
                    .set("expressionType", "SQL92")
                    .set("subscription", "a > 1")
                    .command(),
            );
        },
    },
    Case {
        name: "pull_broken_sql",
        codes: &[23],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.ask_command(
                Pull::of(&group, &topic).set("expressionType", "SQL92").set("subscription", "").command(),
            );
        },
    },
    Case {
        name: "pull_without_subscription_flag",
        codes: &[24, 0, 24, 0, 25],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.ask_command(Pull::of(&group, &topic).set("sysFlag", 0).command());
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("Other", "*", 5)]));
            s.ask_command(Pull::of(&group, &topic).set("sysFlag", 0).command());
            s.quietly(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription(&topic, "*", 5)]));
            s.ask_command(Pull::of(&group, &topic).set("sysFlag", 0).set("subVersion", 5).command());
            s.ask_command(Pull::of(&group, &topic).set("sysFlag", 0).set("subVersion", 6).command());
        },
    },
    Case {
        name: "pull_in_a_group_of_two_minds",
        codes: &[0, 24, 0, 24, 0, 25, 0, 0],
        script: |s| {
            // Each heartbeat replaces what the group subscribes, whoever of it sends it.
            let (red, blue, group) = (s.unique("red"), s.unique("blue"), s.unique("g"));
            fill(s, &red, 1);
            fill(s, &blue, 1);
            let beat = |client: &str, topic: &str, expression: &str, version: i64| {
                consumer_heartbeat(client, &group, "CLUSTERING", &[subscription(topic, expression, version)])
            };
            let pull = |topic: &str, version: i64| {
                Pull::of(&group, topic).set("sysFlag", 0).set("subVersion", version).command()
            };
            s.quietly(beat("c1", &red, "*", 3));
            s.ask_command(pull(&red, 3));
            s.client(1).quietly(beat("c2", &blue, "*", 3));
            s.client(0).ask_command(pull(&red, 3));
            s.client(1).ask_command(pull(&blue, 3));
            s.client(0).quietly(beat("c1", &red, "*", 3));
            s.client(1).ask_command(pull(&blue, 3));
            // One topic, two expressions: the newer one is everybody's, an older one nobody's.
            s.client(1).quietly(beat("c2", &red, "Tag", 2));
            s.ask_command(pull(&red, 2));
            s.client(0).ask_command(pull(&red, 4));
            s.client(1).quietly(beat("c2", &red, "*", 4));
            s.client(0).ask_command(pull(&red, 3));
            s.client(0).ask_command(pull(&red, 4));
        },
    },
    Case {
        name: "pull_of_broadcasting_consumers",
        codes: &[0, 0, 0, 22, 0, 0],
        script: |s| {
            // Committed every five seconds: the offset of the slowest.
            let (topic, group) = (s.unique("T"), s.unique("g"));
            fill(s, &topic, 5);
            for (client, offset) in [(0, 4), (1, 2)] {
                let id = format!("c{client}");
                let beat = consumer_heartbeat(&id, &group, "BROADCASTING", &[subscription(&topic, "*", 1)]);
                s.client(client).quietly(beat);
                let pull = Pull::of(&group, &topic).set("sysFlag", 0).set("queueOffset", offset);
                s.ask_command(pull.command());
            }
            let apart = format!("{group}@broadcast");
            let question = |setting: &str| {
                let fields = [("topic", topic.as_str()), ("queueId", "0"), ("setZeroIfNotFound", setting)];
                let mut question = Command::request(14, &fields, b"");
                question.ext.insert("consumerGroup".into(), apart.clone());
                question
            };
            until(
                WAIT,
                || "the offset of a broadcasting group".into(),
                || (s.quietly(question("false")).code == 0).then_some(()),
            );
            s.ask_command(question("false"));
            s.ask(
                14,
                &[
                    ("consumerGroup", &group),
                    ("topic", &topic),
                    ("queueId", "0"),
                    ("setZeroIfNotFound", "false"),
                ],
            );
            s.ask(300, &[("topic", &topic)]);
            s.ask(343, &[("group", &apart)]);
        },
    },
    Case {
        name: "pull_commits_offset",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            let pull = Pull::of(&group, &topic).set("queueOffset", 2).set("commitOffset", 2);
            s.ask_command(pull.set("sysFlag", COMMIT | SUBSCRIPTION).command());
            query_offset(s, &group, &topic);
            // Without the flag the field means nothing.
            s.quietly(Pull::of(&group, &topic).set("commitOffset", 1).command());
            query_offset(s, &group, &topic);
        },
    },
    Case {
        name: "pull_missing_fields",
        codes: &[1, 1, 1],
        script: |s| {
            let (topic, group) = filled(s, 1);
            for field in ["queueId", "queueOffset", "maxMsgNums"] {
                s.ask_code(Pull::of(&group, &topic).without(field).command());
            }
        },
    },
    Case {
        name: "pull_parked_is_woken_by_a_send",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            let pull = Pull::of(&group, &topic).set("queueOffset", 1).set("sysFlag", SUSPEND | SUBSCRIPTION);
            let parked = s.send(pull.command());
            s.client(1);
            s.quietly(Send::to(&topic).body(b"wake").v2());
            s.client(0);
            s.reply_to(parked);
        },
    },
    Case {
        name: "pull_parked_ignores_other_tags",
        codes: &[0],
        script: |s| {
            // Every five seconds each broker wakes pulls whose queue has grown, whatever the tags: then once more.
            let woken_by_its_tag = (0..5).any(|attempt| {
                let (topic, group) = (format!("{}_{attempt}", s.unique("T")), s.unique("g"));
                fill(s, &topic, 1);
                let pull = Pull::of(&group, &topic).set("queueOffset", 1).set("subscription", "Mine");
                s.send(pull.set("sysFlag", SUSPEND | SUBSCRIPTION).command());
                s.client(1);
                s.quietly(Send::to(&topic).body(b"other").tag("Other").v2());
                s.quietly(Send::to(&topic).body(b"mine").tag("Mine").v2());
                s.client(0).any_reply().code == 0
            });
            assert!(woken_by_its_tag);
            let topic = format!("{}_0", s.unique("T"));
            wait_for_max(s, &topic, 0, 3);
            let pull = Pull::of(&s.unique("g"), &topic).set("queueOffset", 1).set("subscription", "Mine");
            s.ask_command(pull.command());
        },
    },
    Case {
        name: "pull_parked_times_out",
        codes: &[19],
        script: |s| {
            let (topic, group) = filled(s, 1);
            let pull = Pull::of(&group, &topic).set("queueOffset", 1).set("sysFlag", SUSPEND | SUBSCRIPTION);
            let parked = s.send(pull.set("suspendTimeoutMillis", 1000).command());
            s.reply_to(parked);
        },
    },
    Case {
        name: "pull_parked_does_not_block_its_connection",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            let pull = Pull::of(&group, &topic).set("queueOffset", 1).set("sysFlag", SUSPEND | SUBSCRIPTION);
            let parked = s.send(pull.command());
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
            s.client(1);
            s.quietly(Send::to(&topic).body(b"wake").v2());
            s.client(0);
            s.reply_to(parked);
        },
    },
    Case {
        name: "lite_pull",
        codes: &[0, 19],
        script: |s| {
            let (topic, group) = filled(s, 3);
            let lite = Pull { code: 361, ..Pull::of(&group, &topic).set("sysFlag", 16 | SUBSCRIPTION) };
            s.ask_command(lite.command());
            s.ask_command(lite.set("queueOffset", 3).command());
        },
    },
    Case {
        name: "pull_of_groups_that_may_not_be",
        codes: &[26, 26, 26, 26, 0, 1],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 1);
            for group in ["", "no good", "a/b", &"x".repeat(121), &"x".repeat(120)] {
                s.ask_command(Pull::of(group, &topic).command());
            }
            s.ask_code(Pull::of("", &topic).without("consumerGroup").command());
        },
    },
    Case {
        name: "pull_creates_group",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            s.ask_command(Pull::of(&group, &topic).command());
            // An unknown group could not.
            s.ask(
                15,
                &[("consumerGroup", &group), ("topic", &topic), ("queueId", "0"), ("commitOffset", "1")],
            );
        },
    },
];

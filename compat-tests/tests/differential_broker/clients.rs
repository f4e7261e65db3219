//! Clients that come, change and go: heartbeats, consumer lists, change notices, locks, client checks.

use std::time::Duration;

use compat_tests::client::{Pull, consumer_heartbeat, subscription};
use compat_tests::differential::{Case, Script};
use compat_tests::until;
use compat_tests::wire::{Command, VERSION_4_9_7};

const WAIT: Duration = Duration::from_secs(10);

pub const CASES: &[Case] = &[
    Case {
        name: "heartbeat_of_producer",
        codes: &[0],
        script: |s| {
            let body = br#"{"clientID":"p1","consumerDataSet":[],"heartbeatFingerprint":0,"producerDataSet":[{"groupName":"pg"}],"withoutSub":false}"#;
            s.ask_with(34, &[], body);
        },
    },
    Case {
        name: "heartbeat_and_consumer_list",
        codes: &[1, 0, 0],
        script: |s| {
            let group = s.unique("g");
            s.ask(38, &[("consumerGroup", &group)]);
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", 1)]));
            s.ask(38, &[("consumerGroup", &group)]);
        },
    },
    Case {
        name: "heartbeat_from_4_9_7",
        codes: &[0, 0],
        script: |s| {
            let group = s.unique("g");
            let mut beat = consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", 1)]);
            beat.version = VERSION_4_9_7;
            let text = String::from_utf8(beat.body).unwrap();
            beat.body = text
                .replace(",\"heartbeatFingerprint\":0", "")
                .replace(",\"withoutSub\":false", "")
                .into_bytes();
            s.ask_command(beat);
            s.ask(38, &[("consumerGroup", &group)]);
        },
    },
    Case {
        name: "heartbeat_of_a_cpp_client",
        codes: &[0, 0, 1],
        script: |s| {
            // Enums by ordinal, a long as a text, and no more fields than that.
            let group = s.unique("g");
            let body = r#"{"clientID":"c1","consumerDataSet":[{"consumeFromWhere":0,"consumeType":1,"groupName":"GROUP","messageModel":1,"subscriptionDataSet":[{"codeSet":[2598919],"subString":"TagA","subVersion":"1234","tagsSet":["TagA"],"topic":"T"}]}],"producerDataSet":[{"groupName":"pg"}]}"#;
            let body = body.replace("GROUP", &group);
            s.ask_with(34, &[], body.as_bytes());
            s.ask(203, &[("consumerGroup", &group)]);
            let beyond = body.replace("\"messageModel\":1", "\"messageModel\":9");
            s.ask_code(Command::request(34, &[], beyond.as_bytes()));
        },
    },
    Case {
        name: "heartbeat_v2_sub_changes",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let group = s.unique("g");
            // First with subscriptions, then only the fingerprint, then a new fingerprint.
            for (fingerprint, without, version) in
                [(11, false, 1), (11, true, 1), (12, true, 1), (12, false, 2)]
            {
                let mut beat =
                    consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", version)]);
                let text = String::from_utf8(beat.body).unwrap();
                beat.body = text
                    .replace("\"heartbeatFingerprint\":0", &format!("\"heartbeatFingerprint\":{fingerprint}"))
                    .replace("\"withoutSub\":false", &format!("\"withoutSub\":{without}"))
                    .into_bytes();
                s.ask_command(beat);
            }
        },
    },
    Case {
        name: "heartbeat_empty",
        codes: &[0],
        script: |s| {
            s.ask_with(34, &[], br#"{"clientID":"c","consumerDataSet":[],"heartbeatFingerprint":0,"producerDataSet":[],"withoutSub":false}"#);
        },
    },
    Case {
        name: "heartbeat_broken_body",
        codes: &[1],
        script: |s| {
            s.ask_code(Command::request(34, &[], b"{\"clientID\":"));
        },
    },
    Case {
        name: "heartbeat_without_body",
        codes: &[1],
        script: |s| {
            s.ask_code(Command::request(34, &[], b""));
        },
    },
    Case {
        name: "second_consumer_notifies_the_first",
        codes: &[0, 0, 0],
        script: |s| {
            let group = s.unique("g");
            let subs = [subscription("T", "*", 1)];
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &subs));
            drain_notices(s);
            s.client(1).ask_command(consumer_heartbeat("c2", &group, "CLUSTERING", &subs));
            s.client(0);
            s.call_from_server(WAIT);
            s.ask(38, &[("consumerGroup", &group)]);
        },
    },
    Case {
        name: "consumer_leaves_by_unregister",
        codes: &[0, 0],
        script: |s| {
            let group = s.unique("g");
            let subs = [subscription("T", "*", 1)];
            s.quietly(consumer_heartbeat("c1", &group, "CLUSTERING", &subs));
            s.client(1).quietly(consumer_heartbeat("c2", &group, "CLUSTERING", &subs));
            s.client(1).ask(35, &[("clientID", "c2"), ("consumerGroup", &group)]);
            s.client(0);
            wait_for_consumers(s, &group, r#"["c1"]"#);
            s.ask(38, &[("consumerGroup", &group)]);
        },
    },
    Case {
        name: "unregistering_a_stranger_tells_the_members",
        codes: &[0, 0],
        script: |s| {
            let group = s.unique("g");
            s.quietly(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", 1)]));
            drain_notices(s);
            s.client(1).ask(35, &[("clientID", "c2"), ("consumerGroup", &group)]);
            s.client(0);
            s.call_from_server(WAIT);
            s.ask(38, &[("consumerGroup", &group)]);
        },
    },
    Case {
        name: "heartbeat_in_unit_mode",
        codes: &[0, 19, 0, 19],
        script: |s| {
            for mode in ["true", "false"] {
                let group = format!("{}_{mode}", s.unique("g"));
                let mut beat = consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", 1)]);
                let text = String::from_utf8(beat.body).unwrap();
                beat.body = text.replace("\"unitMode\":false", &format!("\"unitMode\":{mode}")).into_bytes();
                s.ask_command(beat);
                s.ask_command(Pull::of(&group, &format!("%RETRY%{group}")).command());
            }
        },
    },
    Case {
        name: "consumer_leaves_by_disconnect",
        codes: &[0],
        script: |s| {
            let group = s.unique("g");
            let subs = [subscription("T", "*", 1)];
            s.quietly(consumer_heartbeat("c1", &group, "CLUSTERING", &subs));
            s.client(1).quietly(consumer_heartbeat("c2", &group, "CLUSTERING", &subs));
            s.disconnect();
            s.client(0);
            wait_for_consumers(s, &group, r#"["c1"]"#);
            s.ask(38, &[("consumerGroup", &group)]);
        },
    },
    Case {
        name: "last_consumer_leaves",
        codes: &[0, 1],
        script: |s| {
            let group = s.unique("g");
            s.quietly(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", 1)]));
            s.ask(35, &[("clientID", "c1"), ("consumerGroup", &group)]);
            s.ask(38, &[("consumerGroup", &group)]);
        },
    },
    Case {
        name: "unregister_producer_and_unknown",
        codes: &[0, 0, 0],
        script: |s| {
            s.ask(35, &[("clientID", "p1"), ("producerGroup", "pg")]);
            s.ask(35, &[("clientID", "nobody"), ("consumerGroup", "nowhere")]);
            s.ask(35, &[("clientID", "nobody")]);
        },
    },
    Case {
        name: "consumer_list_without_group",
        codes: &[1],
        script: |s| {
            s.ask_code(Command::request(38, &[], b""));
        },
    },
    Case {
        name: "lock_and_unlock",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let (group, topic) = (s.unique("g"), s.unique("T"));
            s.ask_with(41, &[], lock_body("c1", &group, &topic, &[0, 1]).as_bytes());
            // The owner may lock again; another one gets only what is free.
            s.ask_with(41, &[], lock_body("c1", &group, &topic, &[0]).as_bytes());
            s.ask_with(41, &[], lock_body("c2", &group, &topic, &[1, 2]).as_bytes());
            s.ask_with(42, &[], lock_body("c1", &group, &topic, &[0, 1]).as_bytes());
            s.ask_with(41, &[], lock_body("c2", &group, &topic, &[0, 1]).as_bytes());
        },
    },
    Case {
        name: "unlock_of_another_changes_nothing",
        codes: &[0, 0, 0],
        script: |s| {
            let (group, topic) = (s.unique("g"), s.unique("T"));
            s.ask_with(41, &[], lock_body("c1", &group, &topic, &[0]).as_bytes());
            s.ask_with(42, &[], lock_body("c2", &group, &topic, &[0]).as_bytes());
            s.ask_with(41, &[], lock_body("c2", &group, &topic, &[0]).as_bytes());
        },
    },
    Case {
        name: "locks_are_per_group",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            s.ask_with(41, &[], lock_body("c1", &s.unique("g1"), &topic, &[0]).as_bytes());
            s.ask_with(41, &[], lock_body("c2", &s.unique("g2"), &topic, &[0]).as_bytes());
        },
    },
    Case {
        name: "lock_nothing",
        codes: &[0],
        script: |s| {
            s.ask_with(41, &[], lock_body("c1", &s.unique("g"), "T", &[]).as_bytes());
        },
    },
    Case {
        name: "check_client_tag",
        codes: &[0],
        script: |s| {
            check_client(s, "TAG", "TagA");
        },
    },
    Case {
        name: "check_client_sql_is_off",
        codes: &[1],
        script: |s| {
            check_client(s, "SQL92", "a > 1");
        },
    },
    Case {
        name: "check_client_without_subscription",
        codes: &[0],
        script: |s| {
            s.ask_with(46, &[], br#"{"clientId":"c","group":"g"}"#);
        },
    },
];

fn lock_body(client: &str, group: &str, topic: &str, queues: &[i32]) -> String {
    let set: Vec<_> = queues
        .iter()
        .map(|queue| format!(r#"{{"brokerName":"broker-a","queueId":{queue},"topic":"{topic}"}}"#))
        .collect();
    format!(
        r#"{{"clientId":"{client}","consumerGroup":"{group}","mqSet":[{}],"onlyThisBroker":false}}"#,
        set.join(",")
    )
}

fn check_client(s: &mut Script, kind: &str, expression: &str) {
    let subscription = format!(
        r#"{{"classFilterMode":false,"codeSet":[],"expressionType":"{kind}","subString":"{expression}","subVersion":1,"tagsSet":[],"topic":"T"}}"#
    );
    let body = format!(r#"{{"clientId":"c","group":"g","subscriptionData":{subscription}}}"#);
    s.ask_with(46, &[], body.as_bytes());
}

/// A consumer is told of its own arrival too; that notice may come before or after the heartbeat's reply.
fn drain_notices(s: &mut Script) {
    s.call_from_server(WAIT);
}

fn wait_for_consumers(s: &mut Script, group: &str, list: &str) {
    let question = Command::request(38, &[("consumerGroup", group)], b"");
    until(
        WAIT,
        || format!("consumers of {group} never were {list}"),
        || String::from_utf8_lossy(&s.quietly(question.clone()).body).contains(list).then_some(()),
    );
}

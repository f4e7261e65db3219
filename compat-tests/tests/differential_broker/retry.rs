//! CONSUMER_SEND_MSG_BACK: retry topics with delay, dead letters after the last retry.

use compat_tests::differential::{Case, Script};

use compat_tests::client::{
    Pull, Send, consumer_heartbeat, fill, first_physical_offset, subscription, wait_for_max,
};

pub const CASES: &[Case] = &[
    Case {
        name: "send_back_comes_again_after_its_delay",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            let offset = message_to_send_back(s, &topic, &group);
            send_back(s, &topic, &group, &offset, "1", "16");
            let retry = format!("%RETRY%{group}");
            wait_for_max(s, &retry, 0, 1);
            s.ask_command(Pull::of(&group, &retry).command());
        },
    },
    Case {
        name: "send_back_twice_counts_up",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            let offset = message_to_send_back(s, &topic, &group);
            send_back(s, &topic, &group, &offset, "1", "16");
            let retry = format!("%RETRY%{group}");
            wait_for_max(s, &retry, 0, 1);
            let again = s.ask_command(Pull::of(&group, &retry).command());
            send_back(s, &retry, &group, &first_physical_offset(&again.body), "1", "16");
            wait_for_max(s, &retry, 0, 2);
            s.ask_command(Pull::of(&group, &retry).set("queueOffset", 1).command());
        },
    },
    Case {
        name: "send_back_without_delay_is_a_dead_letter",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            let offset = message_to_send_back(s, &topic, &group);
            send_back(s, &topic, &group, &offset, "-1", "16");
            dead_letter(s, &group);
        },
    },
    Case {
        name: "send_back_after_last_retry_is_a_dead_letter",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            let offset = message_to_send_back(s, &topic, &group);
            send_back(s, &topic, &group, &offset, "1", "0");
            dead_letter(s, &group);
        },
    },
    Case {
        name: "send_back_unknown_offset",
        codes: &[1],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            message_to_send_back(s, &topic, &group);
            let reply = s.quietly(compat_tests::wire::Command::request(
                36,
                &[
                    ("offset", "99999999999"),
                    ("group", &group),
                    ("delayLevel", "1"),
                    ("originMsgId", "x"),
                    ("originTopic", &topic),
                    ("unitMode", "false"),
                    ("maxReconsumeTimes", "16"),
                ],
                b"",
            ));
            s.note_code(reply.code);
        },
    },
    Case {
        name: "send_to_retry_topic_as_a_client_does",
        codes: &[0, 0],
        script: |s| {
            // What a consumer does when its send-back failed: it sends the message again itself.
            let (topic, group) = (s.unique("T"), s.unique("g"));
            message_to_send_back(s, &topic, &group);
            let retry = format!("%RETRY%{group}");
            s.ask_command(
                Send::to(&retry)
                    .property("RETRY_TOPIC", &topic)
                    .property("ORIGIN_MESSAGE_ID", "AC11000100010000")
                    .ext("j", "1")
                    .v2(),
            );
            wait_for_max(s, &retry, 0, 1);
            s.ask_command(Pull::of(&group, &retry).command());
        },
    },
    Case {
        name: "send_to_retry_topic_beyond_the_last_retry",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            message_to_send_back(s, &topic, &group);
            let retry = format!("%RETRY%{group}");
            s.ask_command(Send::to(&retry).property("RETRY_TOPIC", &topic).ext("j", "17").v2());
            dead_letter(s, &group);
        },
    },
];

/// A consumed message: the group is known to the broker, and its physical offset to the consumer.
fn message_to_send_back(s: &mut Script, topic: &str, group: &str) -> String {
    fill(s, topic, 1);
    s.quietly(consumer_heartbeat("c1", group, "CLUSTERING", &[subscription(topic, "*", 1)]));
    let pulled = s.quietly(Pull::of(group, topic).command());
    first_physical_offset(&pulled.body)
}

fn send_back(s: &mut Script, topic: &str, group: &str, offset: &str, level: &str, max: &str) {
    s.ask(
        36,
        &[
            ("offset", offset),
            ("group", group),
            ("delayLevel", level),
            ("originMsgId", "AC110001000100000000000000000001"),
            ("originTopic", topic),
            ("unitMode", "false"),
            ("maxReconsumeTimes", max),
        ],
    );
}

fn dead_letter(s: &mut Script, group: &str) {
    let dead = format!("%DLQ%{group}");
    wait_for_max(s, &dead, 0, 1);
    s.ask_command(Pull::of(group, &dead).command());
}

//! CONSUMER_SEND_MSG_BACK: retry topics with delay, dead letters after the last retry.

use compat_tests::client::{
    Pull, Send, fill, first_physical_offset, message_to_send_back, send_back_command, wait_for_max,
};
use compat_tests::differential::{Case, Script};

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
        name: "send_back_when_nobody_can_count_on",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            // A producer may claim any number of retries.
            for (n, times) in ["2147483647", "2147483646"].iter().enumerate() {
                let (topic, group) = (s.unique(&format!("T{n}")), s.unique(&format!("g{n}")));
                s.quietly(Send::to(&topic).ext("j", times).v2());
                wait_for_max(s, &topic, 0, 1);
                let pulled = s.quietly(Pull::of(&group, &topic).command());
                let offset = first_physical_offset(&pulled.body);
                send_back(s, &topic, &group, &offset, "0", "2147483647");
                send_back(s, &topic, &group, &offset, "-1", "2147483647");
            }
            let dead = format!("%DLQ%{}", s.unique("g0"));
            wait_for_max(s, &dead, 0, 2);
            s.ask_command(Pull::of(&s.unique("g0"), &dead).command());
        },
    },
    Case {
        name: "send_back_of_messages_with_a_past",
        codes: &[0; 24],
        script: |s| {
            type Past = fn(Send) -> Send;
            let pasts: [Past; 6] = [
                |send| send.ext("f", "8"),
                |send| send.property("TIMER_DELAY_SEC", "1"),
                |send| send.property("ORIGIN_MESSAGE_ID", " "),
                |send| send.property("RETRY_TOPIC", "Elsewhere"),
                |send| send.property("DELAY", "0").property("WAIT", "x"),
                |send| send.property("TRAN_MSG", "false").property("PGROUP", "pg").tag(""),
            ];
            // All at a time, so that they wait together.
            let names = [0, 1, 2, 3, 4, 5].map(|n| (s.unique(&format!("T{n}")), s.unique(&format!("g{n}"))));
            for (past, (topic, _)) in pasts.iter().zip(&names) {
                s.quietly(past(Send::to(topic)).v2());
            }
            for (topic, group) in &names {
                wait_for_max(s, topic, 0, 1);
                let pulled = s.quietly(Pull::of(group, topic).command());
                let offset = first_physical_offset(&pulled.body);
                send_back(s, topic, group, &offset, "1", "16");
                send_back(s, topic, group, &offset, "-1", "16");
                dead_letter(s, group);
            }
            for (_, group) in &names {
                let retry = format!("%RETRY%{group}");
                wait_for_max(s, &retry, 0, 1);
                s.ask_command(Pull::of(group, &retry).command());
            }
        },
    },
    Case {
        name: "send_back_unknown_offset",
        codes: &[1],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            message_to_send_back(s, &topic, &group);
            s.ask_code(send_back_command(&topic, &group, "99999999999", "1", "16"));
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
    Case {
        name: "send_to_retry_topic_of_an_orderly_group",
        codes: &[0, 0, 0],
        script: |s| {
            // Somebody holds a lock: what the group gives up is dead at once, however seldom it was tried.
            let (topic, group) = (s.unique("T"), s.unique("g"));
            message_to_send_back(s, &topic, &group);
            let lock = format!(
                r#"{{"clientId":"c1","consumerGroup":"{group}","mqSet":[{{"brokerName":"broker-a","queueId":0,"topic":"{topic}"}}],"onlyThisBroker":false}}"#
            );
            s.ask_with(41, &[], lock.as_bytes());
            let send = Send::to(&format!("%RETRY%{group}")).property("RETRY_TOPIC", &topic);
            s.ask_command(send.property("DELAY", "4").ext("j", "1").v2());
            dead_letter(s, &group);
        },
    },
    Case {
        name: "send_back_in_a_namespace",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let (topic, group) = (format!("ns%{}", s.unique("T")), format!("ns%{}", s.unique("g")));
            let offset = message_to_send_back(s, &topic, &group);
            send_back(s, &topic, &group, &offset, "1", "16");
            let retry = format!("%RETRY%{group}");
            wait_for_max(s, &retry, 0, 1);
            let again = s.ask_command(Pull::of(&group, &retry).command());
            send_back(s, &retry, &group, &first_physical_offset(&again.body), "-1", "16");
            dead_letter(s, &group);
        },
    },
    Case {
        name: "send_back_in_unit_mode",
        codes: &[0, 0],
        script: |s| {
            // The group has sent no heartbeat: this makes its retry topic.
            let (topic, group) = (s.unique("T"), s.unique("g"));
            fill(s, &topic, 1);
            let pulled = s.quietly(Pull::of(&group, &topic).command());
            let mut command =
                send_back_command(&topic, &group, &first_physical_offset(&pulled.body), "1", "16");
            command.ext.insert("unitMode".into(), "true".into());
            s.ask_command(command);
            let retry = format!("%RETRY%{group}");
            wait_for_max(s, &retry, 0, 1);
            s.ask_command(Pull::of(&group, &retry).command());
        },
    },
];

fn send_back(s: &mut Script, topic: &str, group: &str, offset: &str, level: &str, max: &str) {
    s.ask_command(send_back_command(topic, group, offset, level, max));
}

fn dead_letter(s: &mut Script, group: &str) {
    let dead = format!("%DLQ%{group}");
    wait_for_max(s, &dead, 0, 1);
    s.ask_command(Pull::of(group, &dead).command());
}

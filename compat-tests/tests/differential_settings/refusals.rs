//! A broker that takes as little as it can be told to.

use compat_tests::differential::{Case, Script};

use compat_tests::client::{
    Pull, Send, consumer_heartbeat, create_topic_command, fill, first_physical_offset, send_back_command,
    subscription, wait_for_max,
};

pub const CONF: [(&str, &str); 9] = [
    ("brokerPermission", "4"),
    ("litePullMessageEnable", "false"),
    ("rejectTransactionMessage", "true"),
    ("rejectPullConsumerEnable", "true"),
    ("autoCreateTopicEnable", "false"),
    ("notifyConsumerIdsChangedEnable", "false"),
    ("traceOn", "false"),
    ("regionId", "Nowhere"),
    ("timerWheelEnable", "false"),
];

pub const CASES: &[Case] = &[
    Case {
        name: "lite_pull_is_off",
        codes: &[16],
        script: |s| {
            let topic = topic(s, "false");
            s.ask_command(Pull { code: 361, ..Pull::of("TOOLS_CONSUMER", &topic) }.command());
        },
    },
    Case {
        name: "pull_consumers_are_rejected",
        codes: &[24, 0, 0, 24, 1, 0, 0, 0, 0],
        script: |s| {
            let (topic, group) = (topic(s, "false"), s.unique("g"));
            fill(s, &topic, 1);
            s.ask_command(Pull::of(&group, &topic).command());
            s.ask_command(Pull::of("TOOLS_CONSUMER", &topic).command());
            // The heartbeat of a pull consumer says nothing.
            let subscriptions = [subscription(&topic, "*", 1)];
            let mut active = consumer_heartbeat("c1", &group, "CLUSTERING", &subscriptions);
            let text = String::from_utf8(active.body).unwrap();
            active.body = text.replace("CONSUME_PASSIVELY", "CONSUME_ACTIVELY").into_bytes();
            s.ask_command(active);
            s.ask_command(Pull::of(&group, &topic).command());
            s.ask(38, &[("consumerGroup", &group)]);
            // Once the group has a push consumer, everybody in it may pull.
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &subscriptions));
            s.ask_command(Pull::of(&group, &topic).command());
            s.client(1).ask_command(Pull::of(&group, &topic).command());
            s.ask_command(Pull::of(&group, &topic).set("sysFlag", 0).command());
        },
    },
    Case {
        name: "nobody_is_told_of_changes",
        codes: &[0],
        script: |s| {
            let (group, subscriptions) = (s.unique("g"), [subscription("T", "*", 1)]);
            s.quietly(consumer_heartbeat("c1", &group, "CLUSTERING", &subscriptions));
            s.client(1).quietly(consumer_heartbeat("c2", &group, "CLUSTERING", &subscriptions));
            s.client(0).ask(38, &[("consumerGroup", &group)]);
            s.note_calls_waiting();
        },
    },
    Case {
        name: "transactions_are_off",
        codes: &[16, 0],
        script: |s| {
            let topic = topic(s, "false");
            s.ask_command(Send::to(&topic).property("TRAN_MSG", "true").property("PGROUP", "pg").v2());
            s.ask_command(Send::to(&topic).property("TRAN_MSG", "false").v2());
        },
    },
    Case {
        name: "timed_messages_are_off",
        codes: &[1, 0, 1, 1, 16],
        script: |s| {
            let topic = topic(s, "false");
            s.ask_command(Send::to(&topic).property("TIMER_DELAY_SEC", "1").v2());
            let by_level =
                s.quietly(Send::to(&topic).property("TIMER_DELAY_SEC", "1").property("DELAY", "1").v2());
            s.note_code(by_level.code);
            s.ask(60, &[]);
            s.ask(61, &[]);
            s.ask(370, &[("topic", &topic), ("recallHandle", "h")]);
        },
    },
    Case {
        name: "no_topic_is_made",
        codes: &[17, 17],
        script: |s| {
            s.ask_command(Send::to(&s.unique("T")).v2());
            s.ask_command(Send::to(&s.unique("T")).ext("m", "true").v2());
        },
    },
    Case {
        name: "broker_is_read_only",
        // Sends are refused for topics in order alone.
        codes: &[16, 0, 16],
        script: |s| {
            let ordered = topic(s, "true");
            s.ask_command(Send::to(&ordered).v2());
            let plain = format!("{ordered}_plain");
            create(s, &plain, "false");
            s.ask_command(Send::to(&plain).v2());
            wait_for_max(s, &plain, 0, 1);
            let pulled = s.quietly(Pull::of("TOOLS_CONSUMER", &plain).command());
            let offset = first_physical_offset(&pulled.body);
            s.ask_command(send_back_command(&plain, "TOOLS_CONSUMER", &offset, "1", "16"));
        },
    },
    Case {
        name: "trace_is_off",
        codes: &[0, 0],
        script: |s| {
            let topic = topic(s, "false");
            s.ask_command(Send::to(&topic).property("TRACE_ON", "true").property("MSG_REGION", "mine").v2());
            wait_for_max(s, &topic, 0, 1);
            s.ask_command(Pull::of("TOOLS_CONSUMER", &topic).command());
        },
    },
];

/// The case's topic, made by an operator.
fn topic(s: &mut Script, order: &str) -> String {
    let topic = s.unique("T");
    create(s, &topic, order);
    topic
}

fn create(s: &mut Script, topic: &str, order: &str) {
    let reply = s.quietly(create_topic_command(topic, &[("order", order)]));
    assert_eq!(reply.code, 0, "{:?}", reply.remark);
}

//! Groups that an operator has set up, and none beside them; topics that are allowed.

use compat_tests::differential::{Case, Script};
use compat_tests::wire::Command;

use compat_tests::client::{
    Pull, Send, consumer_heartbeat, fill, first_physical_offset, message_to_send_back, send_back_command,
    subscription, wait_for_max,
};

pub const CONF: [(&str, &str); 8] = [
    ("autoCreateSubscriptionGroup", "false"),
    ("slaveReadEnable", "true"),
    // Whoever is behind at all reads too slowly.
    ("accessMessageInMemoryMaxRatio", "0"),
    ("traceTopicEnable", "true"),
    ("msgTraceTopicName", "my_trace"),
    ("flushDiskType", "SYNC_FLUSH"),
    ("validateSystemTopicWhenUpdateTopic", "false"),
    ("enableMixedMessageType", "true"),
];

/// A client of before `maxReconsumeTimes`.
const OLD_VERSION: i32 = 100;

pub const FILE: &str = r#"{
    "dataVersion":{"counter":1,"stateVersion":0,"timestamp":1700000000000},
    "forbiddenTable":{"g_forbidden":{"T_topic_is_forbidden":4}},
    "subscriptionGroupTable":{
        "g_plain":{"groupName":"g_plain"},
        "g_off":{"groupName":"g_off","consumeEnable":false},
        "g_no_broadcast":{"groupName":"g_no_broadcast","consumeBroadcastEnable":false},
        "g_forbidden":{"groupName":"g_forbidden"},
        "g_slow":{"groupName":"g_slow","brokerId":3,"whichBrokerWhenConsumeSlowly":7,"groupSysFlag":5},
        "g_no_retry":{"groupName":"g_no_retry","retryQueueNums":0},
        "g_quiet":{"groupName":"g_quiet","notifyConsumerIdsChangedEnable":false},
        "g_once":{"groupName":"g_once","retryMaxTimes":0}
    }
}
"#;

pub const CASES: &[Case] = &[
    Case {
        name: "topics_that_are_refused_elsewhere",
        codes: &[0, 0, 0, 29],
        script: |s| {
            for (topic, attributes) in
                [("TBW102", ""), ("rmq_sys_mine", ""), (&*s.unique("T"), "+message.type=MIXED"), ("", "")]
            {
                let fields = [
                    ("topic", topic),
                    ("readQueueNums", "4"),
                    ("writeQueueNums", "4"),
                    ("perm", "7"),
                    ("topicFilterType", "SINGLE_TAG"),
                    ("attributes", attributes),
                ];
                s.ask(17, &fields);
            }
        },
    },
    Case {
        name: "unknown_group",
        codes: &[26, 26, 26, 0, 1, 26, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 1);
            let pulled = s.quietly(Pull::of("g_plain", &topic).command());
            let offset = first_physical_offset(&pulled.body);
            s.ask_command(Pull::of("nobody", &topic).command());
            let fields =
                [("consumerGroup", "nobody"), ("topic", &topic), ("queueId", "0"), ("commitOffset", "1")];
            s.ask(15, &fields);
            s.ask_command(send_back_command(&topic, "nobody", &offset, "1", "16"));
            s.ask_command(consumer_heartbeat("c1", "nobody", "CLUSTERING", &[subscription(&topic, "*", 1)]));
            s.ask(38, &[("consumerGroup", "nobody")]);
            s.ask_command(Send::to("%RETRY%nobody").ext("j", "1").v2());
            // The broker's own groups come into being all the same.
            s.ask_command(Pull::of("CID_RMQ_SYS_x", &topic).command());
        },
    },
    Case {
        name: "consumption_is_off",
        codes: &[16, 16, 0, 0, 16],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 1);
            s.ask_command(Pull::of("g_off", &topic).command());
            let lite = Pull { code: 361, ..Pull::of("g_off", &topic) };
            s.ask_command(lite.command());
            s.ask_command(consumer_heartbeat("c1", "g_off", "CLUSTERING", &[subscription(&topic, "*", 1)]));
            let fields =
                [("consumerGroup", "g_off"), ("topic", &topic), ("queueId", "0"), ("commitOffset", "1")];
            s.ask(15, &fields);
            s.ask_command(Pull::of("g_off", "NoSuchTopic").command());
        },
    },
    Case {
        name: "broadcast_is_off",
        codes: &[0, 16, 0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), "g_no_broadcast");
            fill(s, &topic, 1);
            let beat = |model: &str| consumer_heartbeat("c1", group, model, &[subscription(&topic, "*", 1)]);
            s.ask_command(beat("BROADCASTING"));
            s.ask_command(Pull::of(group, &topic).set("sysFlag", 0).command());
            // A pull with a subscription of its own is not asked how its group consumes.
            s.ask_command(Pull::of(group, &topic).command());
            s.quietly(beat("CLUSTERING"));
            s.ask_command(Pull::of(group, &topic).set("sysFlag", 0).command());
        },
    },
    Case {
        name: "topic_is_forbidden",
        codes: &[16, 0, 0],
        script: |s| {
            let (topic, other, group) = (s.unique("T"), s.unique("other"), "g_forbidden");
            fill(s, &topic, 1);
            fill(s, &other, 1);
            let both = [subscription(&topic, "*", 1), subscription(&other, "*", 1)];
            s.quietly(consumer_heartbeat("c1", group, "CLUSTERING", &both));
            s.ask_command(Pull::of(group, &topic).set("sysFlag", 0).command());
            s.ask_command(Pull::of(group, &other).set("sysFlag", 0).command());
            s.ask_command(Pull::of(group, &topic).command());
        },
    },
    Case {
        name: "suggested_broker",
        codes: &[0, 0, 0, 19, 21, 20, 0, 19],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 3);
            let pull = |offset: i64| Pull::of("g_slow", &topic).set("queueOffset", offset);
            s.ask_command(pull(0).set("maxMsgNums", 1).command());
            s.ask_command(pull(0).command());
            s.ask_command(pull(2).command());
            s.ask_command(pull(3).command());
            s.ask_command(pull(9).command());
            s.ask_command(pull(0).set("subscription", "NoSuchTag").command());
            s.ask_command(Pull::of("g_plain", &topic).command());
            s.ask_command(Pull::of("g_plain", &topic).set("queueOffset", 3).command());
        },
    },
    Case {
        name: "retries_are_off",
        codes: &[0, 0, 19],
        script: |s| {
            let topic = s.unique("T");
            let offset = message_to_send_back(s, &topic, "g_no_retry");
            s.ask_command(send_back_command(&topic, "g_no_retry", &offset, "1", "16"));
            s.ask_command(send_back_command(&topic, "g_no_retry", "99999999999", "-1", "16"));
            s.ask_command(Pull::of("g_no_retry", &topic).set("queueOffset", 1).command());
        },
    },
    Case {
        name: "retries_of_the_group",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), "g_once");
            let offset = message_to_send_back(s, &topic, group);
            let mut old = send_back_command(&topic, group, &offset, "1", "16");
            old.version = OLD_VERSION;
            s.ask_command(old);
            dead_letters(s, group, 1);
            let mut silent = send_back_command(&topic, group, &offset, "1", "16");
            silent.ext.remove("maxReconsumeTimes");
            s.ask_command(silent);
            dead_letters(s, group, 2);
        },
    },
    Case {
        name: "groups_that_are_told_of_changes",
        codes: &[0, 0, 0, 0],
        script: |s| {
            for group in ["g_plain", "g_quiet"] {
                let subscriptions = [subscription("T", "*", 1)];
                s.client(0).ask_command(consumer_heartbeat("c1", group, "CLUSTERING", &subscriptions));
                s.client(1).quietly(consumer_heartbeat("c2", group, "CLUSTERING", &subscriptions));
                s.client(1).quietly(Command::request(
                    35,
                    &[("clientID", "c2"), ("consumerGroup", group)],
                    b"",
                ));
                s.client(0).ask(38, &[("consumerGroup", group)]);
                s.note_calls_waiting();
            }
        },
    },
    Case {
        name: "trace_topic",
        codes: &[0, 0, 17, 0],
        script: |s| {
            s.ask_command(Send::to("my_trace").ext("c", "no_model").v2());
            wait_for_max(s, "my_trace", 0, 1);
            s.ask_command(Pull::of("g_plain", "my_trace").command());
            s.ask_command(Send::to("RMQ_SYS_TRACE_TOPIC").ext("c", "no_model").v2());
            let list = s.quietly(Command::request(305, &[], b""));
            s.note_code(list.code);
            s.note("listed", &String::from_utf8_lossy(&list.body).contains("\"my_trace\"").to_string());
        },
    },
    Case {
        name: "flushed_or_not",
        codes: &[0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for wait in ["true", "false"] {
                let mut send = Send::to(&topic);
                send.properties.retain(|(name, _)| *name != "WAIT");
                s.ask_command(send.property("WAIT", wait).v2());
            }
            wait_for_max(s, &topic, 0, 2);
            s.ask_command(Pull::of("g_plain", &topic).command());
        },
    },
];

fn dead_letters(s: &mut Script, group: &str, count: i64) {
    let dead = format!("%DLQ%{group}");
    wait_for_max(s, &dead, 0, count);
    s.ask_command(Pull::of(group, &dead).set("queueOffset", count - 1).command());
}

//! What the broker asks of clients for others: replies to requests, running info, direct consumption, status.

use std::collections::BTreeMap;
use std::time::Duration;

use compat_tests::client::{Send, consumer_heartbeat, subscription, wait_for_max};
use compat_tests::differential::{Case, Script};
use compat_tests::record;
use compat_tests::wire::Command;

const WAIT: Duration = Duration::from_secs(10);

pub const CASES: &[Case] = &[
    Case {
        name: "reply_to_nobody",
        codes: &[1, 1, 1],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(reply(&topic, None));
            s.ask_command(reply(&topic, Some("nobody")));
            let mut long_form = Send::to(&topic).property("REPLY_TO_CLIENT", "nobody").v1();
            long_form.code = 324;
            s.ask_command(long_form);
        },
    },
    Case {
        name: "reply_refused_by_checks",
        codes: &[16, 29, 29],
        script: |s| {
            s.ask_command(reply("SCHEDULE_TOPIC_XXXX", Some("nobody")));
            s.ask_command(reply("no good/topic", Some("nobody")));
            let mut beyond = Send::to("TBW102").queue(99).v2();
            beyond.code = 325;
            let answer = s.quietly(beyond);
            s.note_code(answer.code);
        },
    },
    Case {
        name: "reply_reaches_who_asked",
        codes: &[0, 1],
        script: |s| {
            let (topic, client) = (s.unique("T"), s.unique("c"));
            s.quietly(producer_heartbeat(&client, "pg"));
            for code in [0, 1] {
                let asked = s.client(1).send(reply(&topic, Some(&client)));
                let call = s.client(0).call_of(326, WAIT);
                note_pushed(s, &call);
                s.answer(&call, Command::request(code, &[], b""));
                s.client(1).reply_to(asked);
                s.client(0);
            }
        },
    },
    Case {
        name: "reply_after_the_producer_left",
        codes: &[1],
        script: |s| {
            let (topic, client) = (s.unique("T"), s.unique("c"));
            s.quietly(producer_heartbeat(&client, "pg"));
            s.quietly(Command::request(35, &[("clientID", &client), ("producerGroup", "pg")], b""));
            s.ask_command(reply(&topic, Some(&client)));
        },
    },
    Case {
        name: "running_info",
        codes: &[0],
        script: |s| {
            let group = consumer(s, 513);
            let fields = [("consumerGroup", group.as_str()), ("clientId", "c1"), ("jstackEnable", "true")];
            let asked = s.client(1).send(Command::request(307, &fields, b""));
            let call = s.client(0).call_of(307, WAIT);
            s.record_call(&call);
            // Version and language of the answer are the client's, as is an answer's every field.
            let mut answer = Command::request(0, &[("x", "y")], b"{\"jstack\":\"...\"}");
            (answer.version, answer.language, answer.remark) = (407, "GO".into(), Some("fine".into()));
            s.answer(&call, answer);
            s.client(1).reply_to(asked);
        },
    },
    Case {
        name: "running_info_of_nobody",
        codes: &[1, 1, 1],
        script: |s| {
            let group = consumer(s, 61);
            s.ask(307, &[("consumerGroup", "nowhere"), ("clientId", "c1")]);
            s.ask(307, &[("consumerGroup", &group), ("clientId", "c2")]);
            s.ask(307, &[("consumerGroup", &group), ("clientId", "c1")]);
        },
    },
    Case {
        name: "consume_directly",
        codes: &[0],
        script: |s| {
            let topic = s.unique("T");
            let sent = s.quietly(Send::to(&topic).v2());
            wait_for_max(s, &topic, 0, 1);
            let group = consumer(s, 513);
            let fields = [
                ("consumerGroup", group.as_str()),
                ("clientId", "c1"),
                ("topic", &topic),
                ("msgId", &sent.ext["msgId"]),
            ];
            let asked = s.client(1).send(Command::request(309, &fields, b""));
            let call = s.client(0).call_of(309, WAIT);
            s.record_call(&call);
            s.answer(&call, Command::request(0, &[], b"{\"consumeResult\":\"CR_SUCCESS\"}"));
            s.client(1).reply_to(asked);
        },
    },
    Case {
        name: "consume_directly_what_is_not_there",
        codes: &[1, 1],
        script: |s| {
            let group = consumer(s, 513);
            for id in ["no id", "7F00000100002A9F7000000000000000"] {
                let fields = [("consumerGroup", group.as_str()), ("clientId", "c1"), ("msgId", id)];
                let answer = s.quietly(Command::request(309, &fields, b""));
                s.note_code(answer.code);
            }
        },
    },
    Case {
        name: "consumer_status",
        codes: &[0, 0, 0, 1],
        script: |s| {
            let group = consumer(s, 513);
            let status =
                br#"{"consumerTable":{},"messageQueueTable":{{"brokerName":"b","queueId":3,"topic":"T"}:7}}"#;
            for answer in [Command::request(0, &[], status), Command::request(1, &[], b"")] {
                let fields = [("group", group.as_str()), ("topic", "T")];
                let asked = s.client(1).send(Command::request(223, &fields, b""));
                let call = s.client(0).call_of(221, WAIT);
                s.record_call(&call);
                s.answer(&call, answer);
                s.client(1).reply_to(asked);
            }
            // Nobody is asked.
            s.ask(223, &[("group", &group), ("topic", "T"), ("clientAddr", "c2")]);
            let answer = s.quietly(Command::request(223, &[("group", "nowhere"), ("topic", "T")], b""));
            s.note_code(answer.code);
        },
    },
    Case {
        name: "consumer_connections",
        codes: &[0, 206],
        script: |s| {
            let group = consumer(s, 513);
            s.ask(203, &[("consumerGroup", &group)]);
            s.ask(203, &[("consumerGroup", "nowhere")]);
        },
    },
    Case {
        name: "producer_connections",
        codes: &[0, 1],
        script: |s| {
            let group = s.unique("pg");
            s.quietly(producer_heartbeat("p1", &group));
            s.ask(204, &[("producerGroup", &group)]);
            s.ask(204, &[("producerGroup", "nowhere")]);
        },
    },
];

/// A consumer `c1` of that version on the current client; returns its group.
fn consumer(s: &mut Script, version: i32) -> String {
    let group = s.unique("g");
    let mut beat = consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription("T", "*", 1)]);
    beat.version = version;
    s.quietly(beat);
    group
}

fn producer_heartbeat(client: &str, group: &str) -> Command {
    let body = format!(
        r#"{{"clientID":"{client}","consumerDataSet":[],"heartbeatFingerprint":0,"producerDataSet":[{{"groupName":"{group}"}}],"withoutSub":false}}"#
    );
    Command::request(34, &[], body.as_bytes())
}

/// A reply (325) to the client of that id.
fn reply(topic: &str, client: Option<&str>) -> Command {
    let mut send = Send::to(topic).body(b"answer").property("CORRELATION_ID", "1");
    if let Some(client) = client {
        send = send.property("REPLY_TO_CLIENT", client);
    }
    let mut command = send.v2();
    command.code = 325;
    command
}

/// The pushed reply without the port of its sender, its properties in any order.
fn note_pushed(s: &mut Script, call: &Command) {
    let mut ext = call.ext.clone();
    let properties: BTreeMap<_, _> = record::properties(&ext.remove("properties").unwrap_or_default());
    assert!(ext.remove("bornHost").is_some());
    s.note("pushed", &format!("{ext:?} {properties:?} {}", String::from_utf8_lossy(&call.body)));
}

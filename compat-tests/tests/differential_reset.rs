//! Offsets that the consumers themselves set to where the broker tells them: `useServerSideResetOffset=false`.

use std::process::ExitCode;
use std::time::Duration;

use compat_tests::client::{Pull, Send, consumer_heartbeat, fill, subscription};
use compat_tests::differential::{Case, Script, Side, Table, run};
use compat_tests::lab::{Edition, Lab};
use compat_tests::wire::Command;

const WAIT: Duration = Duration::from_secs(10);

static TABLE: Table = Table { area: "reset", cases: &[CASES], start, settle: |_| () };

fn main() -> ExitCode {
    run(&TABLE)
}

fn start(lab: &Lab, edition: Edition) -> Side {
    let name_server = lab.name_server(edition, "namesrv");
    let conf = [("useServerSideResetOffset", "false"), ("storeReplyMessageEnable", "false")];
    let broker = lab.broker(edition, "broker-a", &[&name_server], &conf);
    Side { edition, name_server, broker: Some(broker) }
}

const CASES: &[Case] = &[
    Case {
        name: "consumers_are_told",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let (topic, group) = consumed(s);
            join(s, &topic, &group, 513);
            for (ms, force) in
                [("0", "false"), ("4000000000000", "false"), ("-1", "true"), ("4000000000000", "true")]
            {
                let asked = s.client(1).send(reset(&topic, &group, ms, force));
                s.reply_to(asked);
                let call = s.client(0).call_of(220, WAIT);
                s.record_call(&call);
            }
        },
    },
    Case {
        name: "asked_from_cpp",
        codes: &[0],
        script: |s| {
            let (topic, group) = consumed(s);
            join(s, &topic, &group, 513);
            let mut request = reset(&topic, &group, "0", "true");
            request.language = "CPP".into();
            let asked = s.client(1).send(request);
            s.reply_to(asked);
            // A list, in the order of a hash table.
            let call = s.client(0).call_of(220, WAIT);
            let mut queues: Vec<_> =
                std::str::from_utf8(&call.body).unwrap().split("},{").map(trimmed).collect();
            queues.sort();
            s.note("list", &queues.join(" "));
        },
    },
    Case {
        name: "refusals",
        codes: &[17, 1, 206, 1],
        script: |s| {
            let (topic, group) = consumed(s);
            s.ask_command(reset("NoSuchTopic", &group, "0", "true"));
            s.ask_command(reset(&topic, "nowhere", "0", "true"));
            s.ask_command(reset(&topic, &group, "0", "true"));
            join(s, &topic, &group, 27);
            s.ask_command(reset(&topic, &group, "0", "true"));
        },
    },
    Case {
        name: "reply_is_not_stored",
        codes: &[1, 0],
        script: |s| {
            let topic = s.unique("T");
            let mut reply = Send::to(&topic).v2();
            reply.code = 325;
            s.ask_command(reply);
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
];

fn trimmed(queue: &str) -> &str {
    queue.trim_start_matches(r#"{"offsetTable":[{"#).trim_end_matches("}]}")
}

fn reset(topic: &str, group: &str, ms: &str, force: &str) -> Command {
    let fields = [("topic", topic), ("group", group), ("timestamp", ms), ("isForce", force)];
    Command::request(222, &fields, b"")
}

/// A topic with 3 messages in queue 0, of which the group has consumed 2.
fn consumed(s: &mut Script) -> (String, String) {
    let (topic, group) = (s.unique("T"), s.unique("g"));
    fill(s, &topic, 3);
    s.quietly(Pull::of(&group, &topic).command());
    for (queue_id, offset) in [("0", "2"), ("1", "0"), ("2", "0"), ("3", "0")] {
        let fields = [
            ("consumerGroup", group.as_str()),
            ("topic", &topic),
            ("queueId", queue_id),
            ("commitOffset", offset),
        ];
        s.quietly(Command::request(15, &fields, b""));
    }
    (topic, group)
}

fn join(s: &mut Script, topic: &str, group: &str, version: i32) {
    let mut beat = consumer_heartbeat("c1", group, "CLUSTERING", &[subscription(topic, "*", 1)]);
    beat.version = version;
    s.quietly(beat);
}

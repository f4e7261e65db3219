//! Messages with a delivery time of their own, RECALL_MESSAGE, GET_TIMER_CHECK_POINT, GET_TIMER_METRICS.
//!
//! All cases share one queue of waiting messages, so that offsets in it are not compared.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use compat_tests::client::{Pull, Send, WAIT, first_physical_offset, send_back_command, wait_for_max};
use compat_tests::differential::{Case, Script};
use compat_tests::until;
use compat_tests::wire::Command;

/// Recalls are refused by default.
pub const CONF: (&str, &str) = ("recallMessageEnable", "true");

const UNIQ_KEY: &str = "AC110001000100000000000000000001";

pub const CASES: &[Case] = &[
    Case { name: "timer_after_seconds", codes: &[0, 0], script: |s| delivered(s, "TIMER_DELAY_SEC", "1") },
    Case {
        name: "timer_after_milliseconds",
        codes: &[0, 0],
        script: |s| delivered(s, "TIMER_DELAY_MS", "1300"),
    },
    Case {
        name: "timer_at_a_moment",
        codes: &[0, 0],
        script: |s| delivered(s, "TIMER_DELIVER_MS", &(now_ms() + 1500).to_string()),
    },
    Case {
        name: "timer_for_the_past_is_delivered_at_once",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            for (name, value) in
                [("TIMER_DELAY_SEC", "0"), ("TIMER_DELAY_MS", "-5"), ("TIMER_DELIVER_MS", "1700000000000")]
            {
                delivered(s, name, value);
            }
        },
    },
    Case {
        name: "timer_as_it_cannot_be",
        codes: &[13, 13, 13, 13, 13, 13],
        script: |s| {
            let topic = s.unique("T");
            for (name, value) in [
                ("TIMER_DELAY_SEC", "soon"),
                ("TIMER_DELAY_SEC", "259201"),
                ("TIMER_DELAY_MS", "259201000"),
                ("TIMER_DELAY_MS", "1.5"),
                ("TIMER_DELIVER_MS", "9223372036854775807"),
                ("TIMER_DELIVER_MS", ""),
            ] {
                let value = if value.is_empty() { " " } else { value };
                s.ask_command(Send::to(&topic).property(name, value).v2());
            }
        },
    },
    Case {
        name: "timer_of_more_than_all_time",
        codes: &[0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for (name, value) in [
                ("TIMER_DELAY_SEC", "9223372036854775807"),
                ("TIMER_DELAY_SEC", "2305843009213693952"),
                ("TIMER_DELAY_MS", "9223372036854775807"),
            ] {
                s.ask_code(Send::to(&topic).property(name, value).v2());
            }
        },
    },
    Case {
        name: "timer_seconds_go_before_milliseconds_and_a_level_before_all",
        codes: &[13, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            let send = Send::to(&topic).property("TIMER_DELAY_SEC", "x").property("TIMER_DELAY_MS", "10");
            s.ask_command(send.v2());
            let send = Send::to(&topic).property("TIMER_DELAY_SEC", "100").property("TIMER_DELAY_MS", "1");
            let sent = s.quietly(
                send.property("TIMER_DELIVER_MS", "5").property("DELAY", "1").property("KEYS", "k").v2(),
            );
            note_sent(s, &sent);
            pull(s, &topic);
        },
    },
    Case {
        name: "timer_message_sent_back_waits_by_level",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            s.quietly(Send::to(&topic).property("TIMER_DELAY_SEC", "1").v2());
            wait_for_max(s, &topic, 0, 1);
            let pulled = s.quietly(Pull::of(&group, &topic).command());
            let offset = first_physical_offset(&pulled.body);
            s.ask_command(send_back_command(&topic, &group, &offset, "1", "16"));
            pull(s, &format!("%RETRY%{group}"));
        },
    },
    Case {
        name: "timer_retry_has_no_handle",
        codes: &[0, 0],
        script: |s| {
            let group = s.unique("g");
            // Makes the group's topic.
            let topic = format!("%RETRY%{group}");
            s.quietly(Send::to(&topic).v2());
            wait_for_max(s, &topic, 0, 1);
            let sent = s.quietly(Send::to(&topic).property("TIMER_DELAY_SEC", "1").v2());
            note_sent(s, &sent);
            wait_for_max(s, &topic, 0, 2);
            s.ask_command(Pull::of("g", &topic).set("queueOffset", 1).command());
        },
    },
    Case {
        name: "timer_recall",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            let first = s.quietly(Send::to(&topic).property("TIMER_DELAY_SEC", "4").v2());
            note_sent(s, &first);
            let mut other = Send::to(&topic).property("TIMER_DELAY_SEC", "4").body(b"the other");
            other.properties.retain(|(name, _)| *name != "UNIQ_KEY");
            let other = s.quietly(other.property("UNIQ_KEY", "AC110001000100000000000000000002").v2());
            s.note_code(other.code);
            s.ask(
                370,
                &[("topic", &topic), ("producerGroup", "pg"), ("recallHandle", &first.ext["recallHandle"])],
            );
            pull(s, &topic);
        },
    },
    Case {
        name: "timer_recall_refused",
        codes: &[0, 13, 17, 604, 604, 604, 604, 604, 604],
        script: |s| {
            let topic = s.unique("T");
            let sent = s.quietly(Send::to(&topic).v2());
            s.note_code(sent.code);
            let later = (now_ms() + 60_000).to_string();
            let far = (now_ms() + 259_300_000).to_string();
            let handle = |topic: &str, broker: &str, ms: &str| {
                URL_SAFE.encode(format!("v1 {topic} {broker} {ms} {UNIQ_KEY}"))
            };
            // What no producer asks for: the recall of a message that is due before.
            s.ask_command(
                Send::to(&topic).property("TIMER_DEL_UNIQKEY", "k").property("TIMER_DELIVER_MS", "5").v2(),
            );
            for (topic, handle) in [
                ("none", handle("none", "broker-a", &later)),
                (&topic, "*".into()),
                (&topic, URL_SAFE.encode(format!("v2 {topic} broker-a {later} {UNIQ_KEY}"))),
                (&topic, handle("other", "broker-a", &later)),
                (&topic, handle(&topic, "broker-b", &later)),
                (&topic, handle(&topic, "broker-a", "1700000000000")),
                (&topic, handle(&topic, "broker-a", &far)),
            ] {
                s.ask(370, &[("topic", topic), ("producerGroup", "pg"), ("recallHandle", &handle)]);
            }
        },
    },
    Case {
        name: "timer_recall_missing_fields",
        codes: &[604, 1],
        script: |s| {
            let topic = s.unique("T");
            s.quietly(Send::to(&topic).v2());
            s.ask(370, &[("topic", &topic)]);
            s.ask_code(Command::request(370, &[("recallHandle", "h")], b""));
        },
    },
    Case {
        name: "timer_counts_and_checkpoint",
        codes: &[0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for _ in 0..2 {
                let sent = s.quietly(Send::to(&topic).property("TIMER_DELAY_SEC", "3").v2());
                s.note_code(sent.code);
            }
            wait_for_count(s, &topic, 2);
            wait_for_max(s, &topic, 0, 2);
            wait_for_count(s, &topic, 0);
            let checkpoint = until(
                WAIT,
                || "a checkpoint with a log behind it".into(),
                || {
                    let reply = s.quietly(Command::request(60, &[], b""));
                    let is_written =
                        reply.body.get(8..16).is_some_and(|log| log.iter().any(|byte| *byte != 0));
                    is_written.then_some(reply)
                },
            );
            s.note_code(checkpoint.code);
            s.note("bytes", &checkpoint.body.len().to_string());
            let fields: Vec<_> = checkpoint
                .body
                .chunks_exact(8)
                .map(|field| i64::from_be_bytes(field.try_into().unwrap()))
                .collect();
            s.note("read to a second", &(fields[0] % 1000).to_string());
            s.note("whole records", &(fields[1] % 52).to_string());
            s.note("the master's offset is its own", &(fields[2] == fields[3]).to_string());
        },
    },
];

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_millis() as i64
}

/// Sends a message with that property and waits until it is in its topic.
fn delivered(s: &mut Script, name: &'static str, value: &str) {
    let topic = s.unique(name);
    let send = Send::to(&topic).tag("t").ext("f", "1").ext("h", "9").property(name, value);
    let sent = s.quietly(send.v2());
    note_sent(s, &sent);
    pull(s, &topic);
}

/// The reply to a send, without its place in the common queue.
fn note_sent(s: &mut Script, sent: &Command) {
    s.note_code(sent.code);
    for key in ["queueId", "transactionId", "MSG_REGION", "TRACE_ON"] {
        s.note(key, sent.ext.get(key).map_or("none", String::as_str));
    }
    let handle = sent.ext.get("recallHandle").map(|handle| {
        let bytes = URL_SAFE.decode(handle).expect("a handle in Base64");
        String::from_utf8(bytes).expect("a handle of text")
    });
    s.note("recallHandle", handle.as_deref().unwrap_or("none"));
    if let Some(ms) = handle.as_deref().and_then(|handle| handle.split(' ').nth(3)) {
        s.note("recallHandle's part of a second", &ms[ms.len() - 3..]);
    }
}

/// The first message of the topic, once it is there.
fn pull(s: &mut Script, topic: &str) {
    wait_for_max(s, topic, 0, 1);
    s.ask_command(Pull::of("g", topic).command());
}

/// Waits until so many messages of the topic wait.
fn wait_for_count(s: &mut Script, topic: &str, count: i64) {
    until(
        WAIT,
        || format!("{topic}: there never waited {count}"),
        || {
            let reply = s.quietly(Command::request(61, &[], b""));
            let counts: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
            (counts["timingCount"][topic]["count"] == count).then_some(())
        },
    );
}

//! Half messages, END_TRANSACTION, CHECK_TRANSACTION_STATE, RESUME_CHECK_HALF_MESSAGE.
//!
//! All cases share one queue of half messages, so that offsets in it are not compared.

use std::time::{SystemTime, UNIX_EPOCH};

use compat_tests::client::{Pull, Send, WAIT, physical_offset, wait_for_max};
use compat_tests::differential::{Case, Script};
use compat_tests::record::{self, Record};
use compat_tests::until;
use compat_tests::wire::Command;

/// Checks come soon, so that cases can wait for them.
pub const CONF: [(&str, &str); 3] = [
    ("transactionCheckInterval", "500"),
    ("transactionTimeOut", "2000"),
    ("transactionOpBatchInterval", "200"),
];

const COMMIT: &str = "8";
const ROLLBACK: &str = "12";

pub const CASES: &[Case] = &[
    Case {
        name: "transaction_commit",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, half) = half(s, "pg", &[]);
            s.ask_command(half.end(COMMIT).command());
            note_committed(s, &topic, &half);
        },
    },
    Case {
        name: "transaction_rollback",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, half) = half(s, "pg", &[]);
            s.ask_command(half.end(ROLLBACK).command());
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "transaction_ended_again",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let (topic, half) = half(s, "pg", &[]);
            s.ask_command(half.end(ROLLBACK).command());
            s.ask_command(half.end(COMMIT).command());
            s.ask_command(half.end(COMMIT).command());
            wait_for_max(s, &topic, 0, 2);
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "transaction_of_a_delayed_message_is_none",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, half) = half(s, "pg", &[("DELAY", "1")]);
            s.ask_command(half.end(COMMIT).command());
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "transaction_left_open_has_no_answer",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let (topic, half) = half(s, "pg", &[]);
            s.send(half.end("0").command());
            s.send(half.end("0").set("fromTransactionCheck", "true").command());
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
            s.ask_command(half.end(COMMIT).command());
            note_committed(s, &topic, &half);
        },
    },
    Case {
        name: "transaction_end_wrong_fields",
        codes: &[0, 1, 1, 1, 1, 1],
        script: |s| {
            let (_, half) = half(s, "pg", &[]);
            s.ask_code(half.end("4").command());
            s.ask_command(half.end(COMMIT).set("producerGroup", "other").command());
            s.ask_command(half.end(ROLLBACK).set("tranStateTableOffset", "999999").command());
            s.ask_command(half.end(COMMIT).set("commitLogOffset", "99999999999").command());
            s.ask_command(half.end(ROLLBACK).set("commitLogOffset", "99999999999").command());
        },
    },
    Case {
        name: "transaction_end_missing_fields",
        codes: &[0, 1, 1, 1, 1],
        script: |s| {
            let (_, half) = half(s, "pg", &[]);
            for field in ["commitOrRollback", "commitLogOffset", "tranStateTableOffset", "producerGroup"] {
                s.ask_code(half.end(COMMIT).without(field).command());
            }
        },
    },
    Case {
        name: "transaction_end_of_no_half_message",
        codes: &[1],
        script: |s| {
            let topic = s.unique("T");
            let sent = s.quietly(Send::to(&topic).v2());
            let whole = Half::of("pg", &sent);
            s.ask_code(whole.end(COMMIT).command());
        },
    },
    Case {
        name: "transaction_end_after_its_own_time",
        codes: &[0, 604, 604, 0, 0],
        script: |s| {
            let (topic, half) =
                half(s, "pg", &[("CHECK_IMMUNITY_TIME_IN_SECONDS", "1"), ("born", "1700000000000")]);
            s.ask_command(half.end(COMMIT).command());
            s.ask_command(half.end(ROLLBACK).command());
            s.ask_command(half.end(COMMIT).set("fromTransactionCheck", "true").command());
            note_committed(s, &topic, &half);
        },
    },
    Case {
        name: "transaction_of_a_retried_and_delayed_message_is_none",
        codes: &[0, 0],
        script: |s| {
            // What clients before 4.6.1 make of a half message that a consumer sends back.
            let topic = s.unique("T");
            let send = Send::to(&topic).property("TRAN_MSG", "true").property("DELAY", "1");
            s.ask_command(send.ext("j", "1").v2());
            wait_for_max(s, &topic, 0, 1);
            s.ask_command(Pull::of("g", &topic).command());
        },
    },
    Case {
        name: "transaction_of_a_timed_message_is_none",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, half) = half(s, "pg", &[("TIMER_DELAY_MS", "1000")]);
            s.ask_command(half.end(COMMIT).command());
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "transaction_producer_is_asked_and_commits",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let group = s.unique("pg");
            let heartbeat = format!(
                r#"{{"clientID":"p","consumerDataSet":[],"heartbeatFingerprint":0,"producerDataSet":[{{"groupName":"{group}"}}],"withoutSub":false}}"#
            );
            s.ask_with(34, &[], heartbeat.as_bytes());
            let (topic, _) = half(s, &group, &[]);
            let call = s.quiet_call_from_server(WAIT);
            s.note("call", &format!("{} flag {}", call.code, call.flag));
            for (key, value) in &call.ext {
                let is_place =
                    ["commitLogOffset", "offsetMsgId", "tranStateTableOffset"].contains(&key.as_str());
                s.note(key, if is_place { "<place>" } else { value });
            }
            note_records(s, &call.body);
            let again = Half {
                group,
                commit_log_offset: call.ext["commitLogOffset"].clone(),
                queue_offset: call.ext["tranStateTableOffset"].clone(),
            };
            s.ask_command(again.end(COMMIT).set("fromTransactionCheck", "true").command());
            note_committed(s, &topic, &again);
        },
    },
    Case {
        name: "transaction_too_old_is_given_up_and_resumed",
        codes: &[0, 0],
        script: |s| {
            let keys = s.unique("K");
            let (_, half) = half(s, "pg", &[("KEYS", &keys), ("born", "1700000000000")]);
            let given_up = until(
                WAIT,
                || "the message given up".into(),
                || {
                    let reply = s.quietly(Pull::of("g", "TRANS_CHECK_MAX_TIME_TOPIC").command());
                    let records = record::decode_all(&reply.body).unwrap_or_default();
                    records.into_iter().find(|record| record.properties.get("KEYS") == Some(&keys))
                },
            );
            note_record(s, given_up);
            s.ask(323, &[("msgId", &half.msg_id(s)), ("topic", "TRANS_CHECK_MAX_TIME_TOPIC")]);
        },
    },
    Case {
        name: "transaction_resume_of_nothing",
        codes: &[1, 1, 1],
        script: |s| {
            s.ask(323, &[]);
            s.ask(323, &[("msgId", "nonsense")]);
            s.ask(323, &[("msgId", "7F00000100002A9F0000000026AB8243")]);
        },
    },
];

struct Half {
    group: String,
    commit_log_offset: String,
    queue_offset: String,
}

impl Half {
    /// From the reply to a send.
    fn of(group: &str, sent: &Command) -> Half {
        let physical = physical_offset(&sent.ext["msgId"]);
        Half {
            group: group.into(),
            commit_log_offset: physical.to_string(),
            queue_offset: sent.ext["queueOffset"].clone(),
        }
    }

    /// END_TRANSACTION, its fields open to change.
    fn end(&self, how: &str) -> Pull {
        let fields = [
            ("producerGroup", self.group.as_str()),
            ("tranStateTableOffset", &self.queue_offset),
            ("commitLogOffset", &self.commit_log_offset),
            ("commitOrRollback", how),
            ("fromTransactionCheck", "false"),
            ("msgId", "AC110001000100000000000000000001"),
            ("transactionId", "AC110001000100000000000000000001"),
        ];
        Pull { fields: fields.map(|(name, value)| (name, value.to_string())).to_vec(), code: 37 }
    }

    fn msg_id(&self, s: &Script) -> String {
        let addr: std::net::SocketAddr = s.server_addr().parse().expect("an address");
        let offset: i64 = self.commit_log_offset.parse().expect("an offset");
        format!("{}{:08X}{offset:016X}", compat_tests::lab::hex_ip(addr.ip()), addr.port())
    }
}

/// Sends a half message to a topic of the case's own. `born` among the properties is its born time.
fn half(s: &mut Script, group: &str, properties: &[(&'static str, &str)]) -> (String, Half) {
    let topic = s.unique("T");
    let now_ms =
        SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_millis().to_string();
    let mut send =
        Send::to(&topic).property("TRAN_MSG", "true").property("PGROUP", group).tag("t").ext("g", &now_ms);
    send = send.ext("f", "4").ext("h", "9");
    for (name, value) in properties {
        send = if *name == "born" { send.ext("g", value) } else { send.property(name, value) };
    }
    let sent = s.quietly(send.v2());
    s.note_code(sent.code);
    for key in ["queueId", "transactionId", "MSG_REGION", "TRACE_ON"] {
        s.note(key, sent.ext.get(key).map_or("none", String::as_str));
    }
    (topic, Half::of(group, &sent))
}

/// The message as consumers of its real topic see it.
fn note_committed(s: &mut Script, topic: &str, half: &Half) {
    wait_for_max(s, topic, 0, 1);
    let pulled = s.quietly(Pull::of("g", topic).command());
    s.note_code(pulled.code);
    for mut record in record::decode_all(&pulled.body).expect("records") {
        let is_half_s = record.prepared_offset.to_string() == half.commit_log_offset;
        s.note("prepared offset is the half message's", &is_half_s.to_string());
        record.prepared_offset = 0;
        s.note("record", &format!("{record:?}"));
    }
}

fn note_records(s: &mut Script, body: &[u8]) {
    for record in record::decode_all(body).expect("records") {
        note_record(s, record);
    }
}

fn note_record(s: &mut Script, record: Record) {
    s.note("record", &format!("{:?}", Record { queue_offset: 0, ..record }));
}

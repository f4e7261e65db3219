//! Bytes that no client sends, given to Java's servers and to ours: both must answer alike or close the connection, and
//! everybody else must not notice.

use std::process::ExitCode;

use compat_tests::Numbers;
use compat_tests::client::Send;
use compat_tests::differential::{Case, Script, Side, Table, run};
use compat_tests::lab::{Edition, Lab, Server};
use compat_tests::wire::{Command, frame};

static TABLE: Table = Table { area: "bad_input", cases: &[CASES], start, settle: others_are_served };

fn main() -> ExitCode {
    run(&TABLE)
}

fn start(lab: &Lab, edition: Edition) -> Side {
    let name_server = lab.name_server(edition, "namesrv");
    let broker = lab.broker(edition, "broker-a", &[&name_server], &[]);
    Side { edition, name_server, broker: Some(broker) }
}

/// After each case both servers still answer a new connection.
fn others_are_served(side: &Side) {
    assert_eq!(side.name_server.ask(105, &[("topic", "TBW102")], b"").code, 0);
    let broker = side.broker.as_ref().expect("started with one");
    assert_eq!(broker.ask(30, &[("topic", "TBW102"), ("queueId", "0")], b"").code, 0);
}

const CASES: &[Case] = &[
    Case { name: "length_zero", codes: &[], script: |s| both(s, &[0, 0, 0, 0]) },
    Case {
        name: "length_one_to_three",
        codes: &[],
        script: |s| {
            for length in 1..=3u8 {
                both(s, &[&[0, 0, 0, length], &[0u8; 3][..length as usize]].concat());
            }
        },
    },
    Case { name: "length_negative", codes: &[], script: |s| both(s, &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]) },
    Case { name: "length_2_gib", codes: &[], script: |s| both(s, &[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]) },
    Case { name: "length_just_over_16_mib", codes: &[], script: |s| both(s, &[0x01, 0, 0, 1, 0, 0, 0, 0]) },
    Case {
        name: "half_a_frame",
        codes: &[],
        script: |s| {
            let whole = Command::request(105, &[("topic", "T")], b"").encode();
            for cut in [1, 3, 4, 7, 8, whole.len() / 2, whole.len() - 1] {
                both(s, &whole[..cut]);
            }
        },
    },
    Case {
        name: "header_longer_than_frame",
        codes: &[],
        script: |s| both(s, &[0, 0, 0, 8, 0, 0, 0xFF, 0xFF, b'{', b'}', 0, 0]),
    },
    Case {
        name: "header_of_16_mib_less_one",
        codes: &[],
        script: |s| both(s, &[0, 0, 0, 8, 0, 0xFF, 0xFF, 0xFF, b'{', b'}', 0, 0]),
    },
    Case { name: "header_empty", codes: &[], script: |s| both(s, &frame(0, b"", b"body")) },
    Case {
        name: "unknown_header_encoding",
        codes: &[],
        script: |s| {
            both(s, &frame(2, br#"{"code":105,"opaque":1}"#, b""));
            both(s, &frame(0x7F, br#"{"code":105,"opaque":1}"#, b""));
        },
    },
    Case {
        name: "json_broken",
        codes: &[],
        script: |s| {
            for header in
                ["{", "{\"code\":", "[]", "nonsense", "{\"code\":105,\"opaque\":1,}x", "{\"code\":\"abc\"}"]
            {
                both(s, &frame(0, header.as_bytes(), b""));
            }
        },
    },
    Case { name: "json_null", codes: &[], script: |s| both(s, &frame(0, b"null", b"")) },
    Case {
        name: "json_deep",
        codes: &[],
        script: |s| both(s, &frame(0, "[".repeat(100_000).as_bytes(), b"")),
    },
    Case { name: "json_code_only", codes: &[], script: |s| both(s, &frame(0, br#"{"code":9999}"#, b"")) },
    Case { name: "json_without_code", codes: &[], script: |s| both(s, &frame(0, br#"{"opaque":5}"#, b"")) },
    Case {
        name: "json_unknown_keys_and_types",
        codes: &[],
        script: |s| {
            both(s, &frame(0, br#"{"code":9999,"opaque":5,"what":{"a":[1,2]},"version":513}"#, b""));
            both(s, &frame(0, br#"{"code":9999,"opaque":5,"extFields":{"n":5,"b":true,"z":null}}"#, b""));
            both(s, &frame(0, br#"{"code":9999,"opaque":5,"extFields":null,"remark":null}"#, b""));
        },
    },
    Case {
        name: "json_numbers_as_strings",
        codes: &[],
        script: |s| both(s, &frame(0, br#"{"code":"9999","opaque":"5","version":"513"}"#, b"")),
    },
    Case {
        name: "json_numbers_too_big",
        codes: &[],
        script: |s| {
            both(s, &frame(0, br#"{"code":99999999999,"opaque":5}"#, b""));
            both(s, &frame(0, br#"{"code":9999,"opaque":99999999999}"#, b""));
        },
    },
    Case {
        name: "json_unknown_language",
        codes: &[],
        script: |s| both(s, &frame(0, br#"{"code":9999,"opaque":5,"language":"COBOL"}"#, b"")),
    },
    Case {
        name: "json_wrong_utf8",
        codes: &[],
        script: |s| {
            both(s, &frame(0, b"{\"code\":105,\"opaque\":5,\"extFields\":{\"topic\":\"\xFF\xC0\"}}", b""))
        },
    },
    Case {
        name: "binary_header_cut",
        codes: &[],
        script: |s| {
            let whole = binary_header();
            for cut in [0, 1, 8, 12, 16, 20, whole.len() - 1] {
                both(s, &frame(1, &whole[..cut], b""));
            }
        },
    },
    Case {
        name: "binary_ext_longer_than_header",
        codes: &[],
        script: |s| {
            let mut header = binary_header();
            let at = 17;
            header[at..at + 4].copy_from_slice(&0x7FFF_FFFFu32.to_be_bytes());
            both(s, &frame(1, &header, b""));
        },
    },
    Case {
        name: "binary_remark_longer_than_header",
        codes: &[],
        script: |s| {
            let mut header = binary_header();
            header[13..17].copy_from_slice(&0x00FF_FFFFu32.to_be_bytes());
            both(s, &frame(1, &header, b""));
        },
    },
    Case {
        name: "binary_negative_lengths",
        codes: &[],
        script: |s| {
            for at in [13, 17] {
                let mut header = binary_header();
                header[at..at + 4].copy_from_slice(&(-1i32).to_be_bytes());
                both(s, &frame(1, &header, b""));
            }
        },
    },
    Case {
        name: "unknown_codes",
        codes: &[3, 3, 3, 3, 3, 3],
        script: |s| {
            for server in [Server::NameServer, Server::Broker] {
                s.at(server);
                for code in [0, -1, i32::MAX] {
                    s.ask(code, &[]);
                }
            }
        },
    },
    Case {
        name: "reply_that_nobody_asked_for",
        codes: &[],
        script: |s| {
            both(s, &frame(0, br#"{"code":0,"flag":1,"opaque":77,"version":513,"language":"JAVA"}"#, b""))
        },
    },
    Case { name: "http", codes: &[], script: |s| both(s, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
    Case {
        name: "random_bytes",
        codes: &[],
        script: |s| {
            let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
            for _ in 0..60 {
                let length = numbers.below(300) as usize;
                let mut bytes: Vec<u8> = (0..length).map(|_| numbers.any() as u8).collect();
                // 0x16 would begin a TLS hello, which is not what this is about.
                if bytes.first() == Some(&0x16) {
                    bytes[0] = 0x17;
                }
                both(s, &bytes);
            }
        },
    },
    Case {
        name: "random_headers",
        codes: &[],
        script: |s| {
            let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
            for _ in 0..60 {
                let length = numbers.below(100) as usize;
                let header: Vec<u8> = (0..length).map(|_| numbers.any() as u8).collect();
                both(s, &frame(numbers.below(2) as u8, &header, b""));
            }
        },
    },
    Case {
        name: "send_with_absurd_fields",
        codes: &[],
        script: |s| {
            s.at(Server::Broker);
            for (field, value) in
                [("e", "99999999999999999999"), ("g", "-1"), ("j", "-5"), ("k", "maybe"), ("h", "x")]
            {
                let topic = format!("AbsurdField_{field}");
                let reply = s.quietly(send_with(&topic, field, value));
                s.note(field, &reply.code.to_string());
            }
        },
    },
    Case {
        name: "send_with_all_sys_flags",
        codes: &[13],
        script: |s| {
            s.at(Server::Broker);
            s.ask_code(send_with("AllSysFlags", "f", "-1"));
        },
    },
    Case {
        name: "send_that_makes_a_topic_with_negative_queues",
        codes: &[29],
        script: |s| {
            s.at(Server::Broker);
            s.ask_code(send_with("NegativeQueues", "d", "-7"));
        },
    },
    Case {
        name: "batch_with_broken_body",
        codes: &[],
        script: |s| {
            s.at(Server::Broker);
            for body in
                [&b"x"[..], &[0, 0, 0, 0], &[0x7F, 0xFF, 0xFF, 0xFF, 0, 0], &[0xFF; 40], &[0, 0, 0, 40, 1, 2]]
            {
                let reply = s.quietly(Send::plain("BadInput").body(body).batch());
                s.note("refused", &(reply.code != 0).to_string());
            }
        },
    },
];

/// A send (310) to a new topic with one field set by hand.
fn send_with(topic: &str, field: &'static str, value: &str) -> Command {
    Send::plain(topic).ext(field, value).v2()
}

/// The ROCKETMQ header of a request with one ext field: code, language, version, opaque, flag, remark, ext fields.
fn binary_header() -> Vec<u8> {
    let mut command = Command::request(9999, &[("k", "v")], b"");
    command.codec = compat_tests::wire::Codec::RocketMq;
    command.encode()[8..].to_vec()
}

/// Gives the bytes to both servers on fresh connections and compares what became of each.
fn both(s: &mut Script, bytes: &[u8]) {
    for server in [Server::NameServer, Server::Broker] {
        s.at(server);
        s.raw(bytes);
    }
}

//! SEND_MESSAGE, SEND_MESSAGE_V2, SEND_BATCH_MESSAGE, and what comes out of a pull afterwards.

use compat_tests::client::{Pull, Send, batch_item, create_topic_command, fill, pull_back, wait_for_max};
use compat_tests::differential::{Case, Script};
use compat_tests::wire::{Codec, VERSION_4_9_7};

pub const CASES: &[Case] = &[
    Case {
        name: "send_v2",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).v2());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_v1",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).v1());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_binary_header",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            let mut request = Send::to(&topic).v2();
            request.codec = Codec::RocketMq;
            s.ask_command(request);
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_from_4_9_7",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            let mut request = Send::to(&topic).v2();
            request.version = VERSION_4_9_7;
            request.ext.remove("n");
            // 4.9.7 puts no separator behind the last property.
            let properties = request.ext["i"].trim_end_matches('\u{2}').to_string();
            request.ext.insert("i".into(), properties);
            s.ask_command(request);
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_without_uniq_key",
        codes: &[0],
        script: |s| {
            let mut send = Send::to(&s.unique("T"));
            send.properties.retain(|(name, _)| *name != "UNIQ_KEY");
            s.ask_command(send.v2());
        },
    },
    Case {
        name: "send_without_properties",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            let mut request = Send::to(&topic).v2();
            request.ext.remove("i");
            s.ask_command(request);
            wait_for_max(s, &topic, 0, 1);
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "send_properties_and_flags",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(
                Send::to(&topic)
                    .tag("TagA")
                    .property("KEYS", "k1 k2")
                    .property("user", "ü 中文")
                    .ext("h", "77")
                    .v2(),
            );
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_empty_property_value",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).property("empty", "").v2());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_compressed_flag_is_kept",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).ext("f", "1").v2());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_compressed_bodies_are_kept",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            // The kinds of compression that 5.x knows, and one that nobody does; the broker never looks inside.
            let topic = s.unique("T");
            for kind in [0x101, 0x201, 0x301, 0x701] {
                s.ask_command(
                    Send::to(&topic).body(b"\x04\x22\x4d\x18 as it came").ext("f", &kind.to_string()).v2(),
                );
            }
            pull_back(s, &topic, 4);
        },
    },
    Case {
        name: "send_with_namespace_fields",
        codes: &[0, 0, 0, 17],
        script: |s| {
            // 5.x clients with a namespaceV2 name it beside the plain topic.
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).ext("nsd", "true").ext("ns", "one").v2());
            wait_for_max(s, &topic, 0, 1);
            let mut pull = Pull::of(&s.unique("g"), &topic).command();
            for (name, value) in [("nsd", "true"), ("ns", "another")] {
                pull.ext.insert(name.into(), value.into());
            }
            s.ask_command(pull);
            s.ask(30, &[("topic", &topic), ("queueId", "0"), ("nsd", "true"), ("ns", "one")]);
            s.ask_command(Pull::of(&s.unique("g"), &format!("one%{topic}")).command());
        },
    },
    Case {
        name: "send_in_unit_mode",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            s.ask_command(Send::to(&topic).ext("k", "true").v2());
            pull_back(s, &topic, 1);
            // A topic that is there stays as it is.
            let plain = s.unique("P");
            s.quietly(Send::to(&plain).v2());
            s.ask_command(Send::to(&plain).ext("k", "true").v2());
            pull_back(s, &plain, 2);
            let retry = format!("%RETRY%{group}");
            s.ask_command(Send::to(&retry).ext("k", "true").ext("c", "none").ext("j", "1").v2());
            pull_back(s, &retry, 1);
        },
    },
    Case {
        name: "send_wait_or_not",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for wait in ["true", "false", "", "TRUE"] {
                let mut send = Send::to(&topic);
                send.properties.retain(|(name, _)| *name != "WAIT");
                s.ask_command(send.property("WAIT", wait).v2());
            }
            pull_back(s, &topic, 4);
        },
    },
    Case {
        name: "send_queue_offsets_count_up",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for _ in 0..3 {
                s.ask_command(Send::to(&topic).v2());
            }
            s.ask_command(Send::to(&topic).queue(1).v2());
            pull_back(s, &topic, 3);
        },
    },
    Case {
        name: "send_auto_creates_with_client_queue_count",
        codes: &[0, 0, 29],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).ext("d", "2").queue(1).v2());
            s.ask(31, &[("topic", &topic), ("queueId", "0")]);
            remark_without_config(s, Send::to(&topic).queue(2));
        },
    },
    Case {
        name: "send_auto_create_is_capped_by_default_topic",
        codes: &[0, 29],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).ext("d", "100").queue(7).v2());
            remark_without_config(s, Send::to(&topic).queue(8));
        },
    },
    Case {
        name: "send_unknown_default_topic",
        codes: &[17],
        script: |s| {
            s.ask_command(Send::to(&s.unique("T")).ext("c", "NoSuchDefault").v2());
        },
    },
    Case {
        name: "send_negative_queue_picks_one",
        codes: &[0],
        script: |s| {
            let reply = s.quietly(Send::to(&s.unique("T")).queue(-1).v2());
            s.note_code(reply.code);
            let queue: i32 = reply.ext["queueId"].parse().unwrap();
            s.note("queue in range", &(0..4).contains(&queue).to_string());
        },
    },
    Case {
        name: "send_illegal_topic_characters",
        codes: &[29, 29, 29],
        script: |s| {
            s.ask_command(Send::to("with space").v2());
            s.ask_command(Send::to("with.dot").v2());
            s.ask_command(Send::to("ünicode").v2());
        },
    },
    Case {
        name: "send_blank_topic",
        codes: &[29],
        script: |s| {
            s.ask_command(Send::to(" ").v2());
        },
    },
    Case {
        name: "send_topic_length",
        codes: &[0, 29],
        script: |s| {
            let longest = format!("{:L<127}", s.unique("T"));
            s.ask_command(Send::to(&longest).v2());
            s.ask_command(Send::to(&format!("{longest}L")).v2());
        },
    },
    Case {
        name: "send_to_system_topics",
        // Not every system topic is closed to clients.
        codes: &[16, 16, 16, 0],
        script: |s| {
            for topic in [
                "SCHEDULE_TOPIC_XXXX",
                "RMQ_SYS_TRANS_HALF_TOPIC",
                "RMQ_SYS_TRANS_OP_HALF_TOPIC",
                "RMQ_SYS_TRANS_CHECK_MAX_TIME_TOPIC",
            ] {
                s.ask_command(Send::to(topic).v2());
            }
        },
    },
    Case {
        name: "send_to_default_topic",
        codes: &[0],
        script: |s| {
            s.ask_command(Send::to("TBW102").v2());
        },
    },
    Case {
        name: "send_topic_missing",
        codes: &[1],
        script: |s| {
            let mut request = Send::to("x").v2();
            request.ext.remove("b");
            s.ask_code(request);
        },
    },
    Case {
        name: "send_queue_id_missing",
        codes: &[1],
        script: |s| {
            let mut request = Send::to(&s.unique("T")).v2();
            request.ext.remove("e");
            s.ask_code(request);
        },
    },
    Case {
        name: "send_queue_id_not_a_number",
        codes: &[1],
        script: |s| {
            s.ask_code(Send::to(&s.unique("T")).ext("e", "seven").v2());
        },
    },
    Case {
        name: "send_body_at_the_limit",
        codes: &[0, 13],
        script: |s| {
            // maxMessageSize, 4 MiB; the limit is on the body.
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).body(&vec![b'x'; 4 << 20]).v2());
            s.ask_command(Send::to(&topic).body(&vec![b'x'; (4 << 20) + 1]).v2());
        },
    },
    Case {
        name: "send_properties_too_long",
        codes: &[13],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).property("long", &"p".repeat(32_768)).v2());
        },
    },
    Case {
        name: "send_empty_body",
        codes: &[1],
        script: |s| {
            s.ask_code(Send::to(&s.unique("T")).body(b"").v2());
        },
    },
    Case {
        name: "send_oneway",
        codes: &[0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 1);
            s.send(Send::to(&topic).body(b"oneway").v2().oneway());
            pull_back(s, &topic, 2);
        },
    },
    Case {
        name: "send_batch",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            let body = [
                batch_item(b"one", &[("UNIQ_KEY", "AC110001000100000000000000000001"), ("TAGS", "A")]),
                batch_item(b"two", &[("UNIQ_KEY", "AC110001000100000000000000000002")]),
                batch_item(b"three", &[("UNIQ_KEY", "AC110001000100000000000000000003"), ("KEYS", "k")]),
            ]
            .concat();
            s.ask_command(Send::to(&topic).body(&body).batch());
            pull_back(s, &topic, 3);
        },
    },
    Case {
        name: "send_batch_of_one",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            let body = batch_item(b"one", &[("UNIQ_KEY", "AC110001000100000000000000000001")]);
            s.ask_command(Send::to(&topic).body(&body).batch());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "send_batch_after_singles",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 2);
            let body = [batch_item(b"one", &[]), batch_item(b"two", &[])].concat();
            s.ask_command(Send::to(&topic).body(&body).batch());
            wait_for_max(s, &topic, 0, 4);
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "send_batch_to_retry_topic",
        codes: &[13],
        script: |s| {
            let body = batch_item(b"one", &[]);
            s.ask_command(Send::to(&format!("%RETRY%{}", s.unique("g"))).body(&body).batch());
        },
    },
    Case {
        name: "send_delay_level_one",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 1);
            s.ask_command(Send::to(&topic).body(b"late").property("DELAY", "1").v2());
            pull_back(s, &topic, 2);
        },
    },
    Case {
        name: "pipelined_sends_are_all_stored",
        codes: &[0, 0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            fill(s, &topic, 1);
            for _ in 0..5 {
                s.send(Send::to(&topic).body(b"same").v2());
            }
            for _ in 0..5 {
                let reply = s.any_reply();
                s.note_code(reply.code);
            }
            wait_for_max(s, &topic, 0, 6);
        },
    },
    Case {
        name: "send_on_fast_port_code_on_broker_port_205",
        codes: &[3],
        script: |s| {
            // A name server's code.
            s.ask(205, &[("brokerName", "broker-a")]);
        },
    },
    Case {
        name: "unknown_code",
        codes: &[3],
        script: |s| {
            s.ask(9999, &[]);
        },
    },
    Case {
        name: "topic_without_write_permission",
        // 5.5.0 looks at the broker's permission only, and only for order topics.
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            create_topic(s, &topic, 4);
            s.ask_command(Send::to(&topic).v2());
        },
    },
    Case {
        name: "topic_without_read_permission",
        codes: &[0, 0, 16],
        script: |s| {
            let topic = s.unique("T");
            create_topic(s, &topic, 2);
            s.ask_command(Send::to(&topic).v2());
            s.ask_command(Pull::of(&s.unique("g"), &topic).command());
        },
    },
];

fn create_topic(s: &mut Script, topic: &str, perm: i32) {
    s.ask_command(create_topic_command(topic, &[("perm", &perm.to_string())]));
}

/// An illegal queue id: the remark prints Java's TopicConfig, whose column order is no interface.
fn remark_without_config(s: &mut Script, send: Send) {
    let reply = s.quietly(send.v2());
    s.note_code(reply.code);
    let remark = reply.remark.unwrap_or_default();
    s.note("remark", remark.split(',').next().unwrap_or(""));
}

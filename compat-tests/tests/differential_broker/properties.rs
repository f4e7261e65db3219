//! Properties and fields of sends by which the broker acts: a priority, delays that are none, names that come twice, keys
//! that a compacted topic wants, fields that are missing, flags of transactions.

use compat_tests::client::{Pull, Send, batch_item, pull_back, wait_for_max};
use compat_tests::differential::Case;

use crate::topic::create;

const PRIORITY: &str = "_SYS_MSG_PRIORITY_";

pub const CASES: &[Case] = &[
    Case {
        name: "property_priority_picks_the_queue",
        codes: &[0, 0, 0, 0, 0, 0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for priority in ["2", "0", "9", "2147483647", "+1", " 1"] {
                s.ask_command(Send::to(&topic).queue(1).property(PRIORITY, priority).v2());
            }
            for (queue_id, count) in [(0, 1), (2, 1), (3, 2)] {
                wait_for_max(s, &topic, queue_id, count);
                s.ask_command(Pull::of("g", &topic).set("queueId", queue_id).command());
            }
        },
    },
    Case {
        name: "property_priority_of_other_messages_is_dropped",
        codes: &[0, 0, 0, 0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for (name, value) in [
                ("__SHARDINGKEY", "k"),
                ("DELAY", "0"),
                ("DELAY", "1"),
                ("TIMER_DELIVER_MS", "5"),
                ("TIMER_DELAY_SEC", "0"),
                ("TIMER_DELAY_MS", "0"),
            ] {
                let sent = s.quietly(Send::to(&topic).property(PRIORITY, "2").property(name, value).v2());
                s.note_code(sent.code);
                s.note("queue", &sent.ext["queueId"]);
            }
            wait_for_max(s, &topic, 0, 6);
            s.ask_command(Pull::of("g", &topic).command());
        },
    },
    Case {
        name: "property_priority_of_a_half_message_is_dropped",
        codes: &[0],
        script: |s| {
            let sent = Send::to(&s.unique("T")).property(PRIORITY, "2").property("TRAN_MSG", "true");
            let sent = s.quietly(sent.property("PGROUP", "pg").v2());
            s.note_code(sent.code);
            s.note("queue", &sent.ext["queueId"]);
        },
    },
    Case {
        name: "property_priority_below_zero_or_no_number_is_none",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for priority in ["-1", "x", "2147483648"] {
                s.ask_command(Send::to(&topic).property(PRIORITY, priority).v2());
            }
            pull_back(s, &topic, 3);
        },
    },
    Case {
        name: "property_priority_of_a_batch_is_none",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            let body = batch_item(b"one", &[(PRIORITY, "2")]);
            s.ask_command(Send::to(&topic).property(PRIORITY, "3").body(&body).batch());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "property_delay_level_that_is_no_number",
        codes: &[1, 1, 1, 0],
        script: |s| {
            let topic = s.unique("T");
            for level in ["x", "1 ", "2147483648"] {
                s.ask_code(Send::to(&topic).property("DELAY", level).v2());
            }
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "property_delay_level_of_a_half_message_that_is_no_number",
        codes: &[1],
        script: |s| {
            let send = Send::to(&s.unique("T")).property("TRAN_MSG", "true").property("DELAY", "x");
            s.ask_code(send.v2());
        },
    },
    Case {
        name: "property_batch_with_a_delay_level",
        codes: &[13, 0, 1, 0],
        script: |s| {
            let topic = s.unique("T");
            let body = batch_item(b"one", &[]);
            for level in ["1", "0"] {
                s.ask_command(Send::to(&topic).property("DELAY", level).body(&body).batch());
            }
            s.ask_code(Send::to(&topic).property("DELAY", "x").body(&body).batch());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "property_that_comes_twice",
        codes: &[0, 0],
        script: |s| {
            let topic = s.unique("T");
            let send = Send::to(&topic).property("TAGS", "A").property("user", "1").property("TAGS", "B");
            s.ask_command(send.property("user", "2").v2());
            pull_back(s, &topic, 1);
        },
    },
    Case {
        name: "property_lengths_at_the_limit",
        codes: &[0, 13, 0, 0],
        script: |s| {
            // 32,767 bytes with those that the broker adds.
            let topic = s.unique("T");
            for bytes in [32_647, 32_648] {
                s.ask_command(Send::to(&topic).property("long", &"p".repeat(bytes)).v2());
            }
            pull_back(s, &topic, 1);
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "property_compacted_topic_wants_keys",
        codes: &[0, 13, 13, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            create(s, &topic, &[("attributes", "+cleanup.policy=COMPACTION")]);
            s.ask_command(Send::to(&topic).v2());
            s.ask_command(Send::to(&topic).property("KEYS", " ").v2());
            s.ask_command(Send::to(&topic).property("KEYS", "k").v2());
            let body = batch_item(b"one", &[]);
            s.ask_command(Send::to(&topic).body(&body).batch());
        },
    },
    Case {
        name: "property_no_queue_to_pick_one_from",
        codes: &[0, 1, 0],
        script: |s| {
            let topic = s.unique("T");
            create(s, &topic, &[("writeQueueNums", "0")]);
            s.ask_code(Send::to(&topic).queue(-1).v2());
            s.ask_command(Send::to(&topic).queue(3).v2());
        },
    },
    Case {
        name: "property_fields_missing",
        codes: &[0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0],
        script: |s| {
            for field in ["a", "c", "d", "e", "f", "g", "h", "j", "k", "l", "m"] {
                let topic = s.unique(&format!("T{field}"));
                let mut request = Send::to(&topic).v2();
                request.ext.remove(field);
                s.ask_code(request);
            }
        },
    },
    Case {
        name: "property_fields_missing_of_a_topic_that_is_there",
        codes: &[0, 0, 0, 1, 1, 1, 1, 0],
        script: |s| {
            let topic = s.unique("T");
            s.quietly(Send::to(&topic).v2());
            for field in ["a", "c", "d", "e", "f", "g", "h"] {
                let mut request = Send::to(&topic).v2();
                request.ext.remove(field);
                s.ask_code(request);
            }
            wait_for_max(s, &topic, 0, 4);
            s.ask(30, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "property_fields_odd",
        codes: &[29, 1, 0, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            for (field, value) in [("d", "-5"), ("e", "-1")] {
                s.ask_code(Send::to(&topic).ext(field, value).v2());
            }
            let topic = s.unique("U");
            for (field, value) in [("e", "+1"), ("k", "TRUE"), ("g", "-1")] {
                s.ask_command(Send::to(&topic).ext(field, value).v2());
            }
        },
    },
    Case {
        name: "property_transaction_bits_without_a_transaction",
        codes: &[0, 0, 0, 0, 0, 0, 13],
        script: |s| {
            let topic = s.unique("T");
            for bits in ["4", "8", "12"] {
                s.ask_command(Send::to(&topic).ext("f", bits).v2());
            }
            // Only what is committed waits.
            let waiting = Send::to(&topic).property("DELAY", "1");
            s.ask_code(waiting.ext("f", "8").v2());
            let rolled_back = Send::to(&topic).property("DELAY", "1").ext("f", "12");
            s.ask_command(rolled_back.v2());
            pull_back(s, &topic, 2);
            s.ask_command(Send::to(&topic).ext("f", "4").body(&batch_item(b"one", &[])).batch());
        },
    },
    Case {
        name: "property_inner_batch_claims",
        codes: &[13, 13, 0, 13],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(Send::to(&topic).property("INNER_NUM", "2").v2());
            s.ask_command(Send::to(&topic).ext("f", &(1 << 7).to_string()).v2());
            let batched = s.unique("B");
            create(s, &batched, &[("attributes", "+queue.type=BatchCQ")]);
            let body = batch_item(b"one", &[]);
            // Java's refusal has the batch's id among its fields.
            s.ask_code(Send::to(&batched).property("DELAY", "1").body(&body).batch());
        },
    },
];

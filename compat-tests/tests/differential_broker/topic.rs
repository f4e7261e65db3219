//! UPDATE_AND_CREATE_TOPIC, and what a send finds of it.

use compat_tests::client::{Pull, Send, create_topic_command};
use compat_tests::differential::{Case, Script};

pub const CASES: &[Case] = &[
    Case {
        name: "topic_filter_type",
        codes: &[0, 0, 1, 1, 1, 29],
        script: |s| {
            for kind in ["SINGLE_TAG", "MULTI_TAG", "single_tag", "", "BOTH"] {
                let topic = s.unique(&format!("T{kind}"));
                s.ask_code(create_topic_command(&topic, &[("topicFilterType", kind)]));
            }
            s.ask_code(create_topic_command("rmq_sys_x", &[]));
        },
    },
    Case {
        name: "topic_filter_type_missing",
        codes: &[1],
        script: |s| {
            let mut request = create_topic_command(&s.unique("T"), &[]);
            request.ext.remove("topicFilterType");
            s.ask_code(request);
        },
    },
    Case {
        name: "topic_fields_missing",
        codes: &[1, 1, 1, 1, 0, 0],
        script: |s| {
            for name in ["topic", "readQueueNums", "writeQueueNums", "perm", "order", "topicSysFlag"] {
                let mut request = create_topic_command(&s.unique("T"), &[]);
                request.ext.remove(name);
                s.ask_code(request);
            }
        },
    },
    Case {
        name: "topic_with_odd_numbers",
        codes: &[0, 29, 0, 29, 0, 0],
        script: |s| {
            let topic = s.unique("T");
            create(s, &topic, &[("readQueueNums", "-1"), ("writeQueueNums", "-1")]);
            refused(s, &topic, 0);
            let topic = s.unique("U");
            create(s, &topic, &[("readQueueNums", "3"), ("writeQueueNums", "0"), ("perm", "9")]);
            refused(s, &topic, 3);
            s.ask_command(Send::to(&topic).queue(2).v2());
            // As it is: nothing changes.
            create(s, &topic, &[("readQueueNums", "3"), ("writeQueueNums", "0"), ("perm", "9")]);
        },
    },
    Case {
        name: "topic_attributes",
        codes: &[1, 0, 1, 0, 29, 1, 1, 1, 0, 1, 1],
        script: |s| {
            let topic = s.unique("T");
            for attributes in [
                "-message.type",
                "+message.type=FIFO",
                "+queue.type=BatchCQ",
                "+message.type=DELAY,+reserve.time=7",
                "+message.type=MIXED",
                "+message.type=OTHER",
                "+no.such=1",
                "message.type=FIFO",
                "-message.type",
            ] {
                s.ask_command(create_topic_command(&topic, &[("attributes", attributes)]));
            }
            for attributes in ["+queue.type=x", "+cleanup.policy=x"] {
                s.ask_command(create_topic_command(&s.unique("U"), &[("attributes", attributes)]));
            }
        },
    },
    Case {
        name: "topic_of_the_system",
        codes: &[29, 29, 29, 29, 29],
        script: |s| {
            for topic in ["TBW102", "rmq_sys_mine", "DefaultCluster_REPLY_TOPIC", "with space", ""] {
                create(s, topic, &[]);
            }
        },
    },
    // The last: Java's broker falls over such a queue where it goes over all of them, and where it is asked by time (29).
    Case {
        name: "bounds_of_an_empty_batch_queue",
        codes: &[0, 0, 0, 0, 19],
        script: |s| {
            let topic = s.unique("T");
            create(s, &topic, &[("attributes", "+queue.type=BatchCQ")]);
            for code in [31, 30] {
                s.ask(code, &[("topic", &topic), ("queueId", "0")]);
            }
            s.ask(32, &[("topic", &topic), ("queueId", "2")]);
            s.ask_command(Pull::of(&s.unique("g"), &topic).command());
        },
    },
];

/// Compares the answer to making a topic of 4 queues, but for `fields`.
pub fn create(s: &mut Script, topic: &str, fields: &[(&str, &str)]) {
    s.ask_command(create_topic_command(topic, fields));
}

/// The topic has no such queue.
fn refused(s: &mut Script, topic: &str, queue_id: i32) {
    s.ask_code(Send::to(topic).queue(queue_id).v2());
}

//! What admins ask of topics, groups and queues, and change.

use compat_tests::client::{
    Pull, Send, consumer_heartbeat, create_topic_command, fill, filled, query_offset, subscription,
};
use compat_tests::dialect::Json;
use compat_tests::differential::{Case, Script};
use compat_tests::wire::Command;

pub const CASES: &[Case] = &[
    Case {
        name: "admin_topic_config",
        codes: &[0, 0, 17, 0],
        script: |s| {
            let topic = s.unique("T");
            let fields = [("attributes", "+message.type=FIFO"), ("order", "true")];
            s.ask_command(create_topic_command(&topic, &fields));
            s.ask(351, &[("topic", &topic)]);
            let none = s.unique("none");
            s.ask(351, &[("topic", &none)]);
            s.ask(351, &[("topic", "SELF_TEST_TOPIC"), ("lo", "true")]);
        },
    },
    Case {
        name: "admin_topic_list",
        codes: &[0, 0, 0, 0, 29, 29, 1, 17, 1, 1],
        script: |s| {
            let [one, two, three] = ["A", "B", "C"].map(|name| s.unique(name));
            s.ask_with(18, &[], &topics(&[(&one, "{}"), (&two, r#"{"+message.type":"DELAY"}"#)]));
            s.ask(351, &[("topic", &one)]);
            s.ask(351, &[("topic", &two)]);
            s.ask_with(18, &[], &topics(&[]));
            s.ask_with(18, &[], &topics(&[("with space", "{}")]));
            s.ask_with(18, &[], &topics(&[("TBW102", "{}")]));
            s.ask_code(Command::request(18, &[], &topics(&[(&three, r#"{"+no.such":"1"}"#)])));
            s.ask(351, &[("topic", &three)]);
            s.ask_code(Command::request(18, &[], b"{}"));
            s.ask_code(Command::request(18, &[], b"no json"));
        },
    },
    Case {
        name: "admin_all_topics",
        codes: &[0],
        script: |s| {
            let topic = s.unique("T");
            s.ask_command(create_topic_command(&topic, &[("writeQueueNums", "3")]));
            note_table(s, 21, "topicConfigTable", &topic, "Topic");
        },
    },
    Case {
        name: "admin_topic_deleted",
        codes: &[0, 0, 0, 0, 17, 17, 17, 0, 29, 29, 29],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            s.ask_command(create_topic_command(&topic, &[]));
            fill(s, &topic, 3);
            commit(s, &group, &topic, "2");
            s.ask(343, &[("group", &group)]);
            s.ask(215, &[("topic", &topic)]);
            s.ask(351, &[("topic", &topic)]);
            s.ask(202, &[("topic", &topic)]);
            s.ask_code(Pull::of(&group, &topic).command());
            // It is gone already.
            s.ask(215, &[("topic", &topic)]);
            for topic in ["", "TBW102", "rmq_sys_x"] {
                s.ask(215, &[("topic", topic)]);
            }
        },
    },
    // What a topic of the same name has afterwards: nothing of the first.
    Case {
        name: "admin_topic_deleted_and_made_again",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            commit(s, &group, &topic, "2");
            s.ask(215, &[("topic", &topic)]);
            s.ask_command(create_topic_command(&topic, &[]));
            s.ask(343, &[("group", &group)]);
            s.ask_command(Send::to(&topic).queue(0).body(b"first").v2());
            s.ask(31, &[("topic", &topic), ("queueId", "0")]);
        },
    },
    Case {
        name: "admin_groups",
        codes: &[0, 0, 0, 29, 29, 29, 0, 1, 1],
        script: |s| {
            let group = s.unique("g");
            let body = format!(
                r#"{{"groupName":"{group}","consumeBroadcastEnable":false,"retryMaxTimes":3,"brokerId":7,"attributes":{{}}}}"#
            );
            s.ask_with(200, &[], body.as_bytes());
            s.ask(352, &[("group", &group)]);
            // A pull would make it: so does this.
            let new = s.unique("new");
            s.ask(352, &[("group", &new)]);
            for name in ["", "with space", &"g".repeat(300)] {
                s.ask_with(200, &[], format!(r#"{{"groupName":"{name}"}}"#).as_bytes());
            }
            s.ask(200, &[]);
            s.ask_code(Command::request(200, &[], b"no json"));
            let attributes = format!(r#"{{"groupName":"{group}","attributes":{{"+no.such":"1"}}}}"#);
            s.ask_code(Command::request(200, &[], attributes.as_bytes()));
        },
    },
    Case {
        name: "admin_group_list",
        codes: &[0, 0, 0, 29, 1],
        script: |s| {
            let [one, two] = ["a", "b"].map(|name| s.unique(name));
            let list = |names: &[&str]| {
                let groups: Vec<_> = names
                    .iter()
                    .map(|name| format!(r#"{{"groupName":"{name}","retryQueueNums":2}}"#))
                    .collect();
                format!(r#"{{"groupConfigList":[{}]}}"#, groups.join(",")).into_bytes()
            };
            s.ask_with(225, &[], &list(&[&one, &two]));
            s.ask(352, &[("group", &two)]);
            s.ask_with(225, &[], &list(&[]));
            s.ask_with(225, &[], &list(&[&one, "with space"]));
            s.ask_code(Command::request(225, &[], b"{}"));
        },
    },
    Case {
        name: "admin_all_groups",
        codes: &[0],
        script: |s| {
            let group = s.unique("g");
            s.ask_with(200, &[], format!(r#"{{"groupName":"{group}"}}"#).as_bytes());
            note_table(s, 201, "subscriptionGroupTable", &group, "Group");
        },
    },
    Case {
        name: "admin_group_deleted",
        codes: &[0, 0, 0, 0, 0, 0, 0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            for clean in ["false", "true"] {
                commit(s, &group, &topic, "2");
                s.ask(207, &[("groupName", &group), ("cleanOffset", clean)]);
                s.ask(343, &[("group", &group)]);
            }
            let none = s.unique("none");
            s.ask(207, &[("groupName", &none)]);
        },
    },
    Case {
        name: "admin_group_forbidden",
        codes: &[0, 0, 0, 0, 16, 0, 0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            let fields = [("group", group.as_str()), ("topic", topic.as_str())];
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription(&topic, "*", 1)]));
            s.ask(353, &fields);
            // A pull that brings its subscription along is not asked.
            let pull = Pull::of(&group, &topic).set("sysFlag", 0).without("subscription");
            s.ask_command(pull.command());
            for readable in ["false", "true"] {
                s.ask(353, &[fields[0], fields[1], ("readable", readable)]);
                s.ask_command(pull.command());
            }
        },
    },
    Case {
        name: "admin_topic_stats",
        codes: &[0, 0, 17],
        script: |s| {
            let (topic, _) = filled(s, 3);
            s.ask(202, &[("topic", &topic)]);
            s.ask(202, &[("topic", "SELF_TEST_TOPIC")]);
            let none = s.unique("none");
            s.ask(202, &[("topic", &none)]);
        },
    },
    Case {
        name: "admin_consume_stats",
        codes: &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        script: |s| {
            let (topic, group) = filled(s, 5);
            let other = s.unique("U");
            fill(s, &other, 2);
            s.ask(208, &[("consumerGroup", &group)]);
            s.ask(208, &[("consumerGroup", &group), ("topic", &topic)]);
            commit(s, &group, &topic, "2");
            commit(s, &group, &other, "1");
            let both = [subscription(&topic, "*", 1), subscription(&other, "*", 1)];
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &both));
            let pull = Pull::of(&group, &topic).set("sysFlag", 0).set("maxMsgNums", 4);
            s.ask_command(pull.without("subscription").command());
            s.ask(208, &[("consumerGroup", &group)]);
            s.ask(208, &[("consumerGroup", &group), ("topic", &topic)]);
            // Only what it subscribes counts, but for a list.
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &both[1..]));
            s.ask(208, &[("consumerGroup", &group)]);
            s.ask(208, &[("consumerGroup", &group), ("topicList", &format!("{topic};none;"))]);
        },
    },
    Case {
        name: "admin_broker_consume_stats",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 5);
            commit(s, &group, &topic, "2");
            for is_order in ["false", "true"] {
                let all = s.quietly(Command::request(317, &[("isOrder", is_order)], b""));
                let Ok(body) = Json::parse(&all.body) else { panic!("{all:?}") };
                let Some(Json::List(groups)) = body.get("consumeStatsList") else { panic!("{all:?}") };
                let of_group = groups.iter().filter(|one| one.get(&group).is_some());
                let of_group: Vec<_> = of_group.map(|one| one.clone().sorted().to_string()).collect();
                s.note("the group's", &of_group.join(" "));
                s.note("address", &format!("{:?}", body.get("brokerAddr")));
            }
        },
    },
    Case {
        name: "admin_queue_entries",
        codes: &[0, 0, 0, 0, 0, 0, 1],
        script: |s| {
            let (topic, group) = filled(s, 3);
            let fields = [("topic", topic.as_str()), ("queueId", "0")];
            for (index, count) in [("0", "2"), ("1", "10"), ("0", "0"), ("3", "1")] {
                note_entries(s, &[fields[0], fields[1], ("index", index), ("count", count)]);
            }
            let of_group = [fields[0], fields[1], ("index", "0"), ("count", "1"), ("consumerGroup", &group)];
            note_entries(s, &of_group);
            s.ask_command(consumer_heartbeat("c1", &group, "CLUSTERING", &[subscription(&topic, "*", 1)]));
            s.ask(321, &[fields[0], ("queueId", "7"), ("index", "0"), ("count", "1")]);
        },
    },
    Case {
        name: "admin_all_producers",
        codes: &[0],
        script: |s| {
            let group = s.unique("pg");
            let body = format!(
                r#"{{"clientID":"p1","consumerDataSet":[],"producerDataSet":[{{"groupName":"{group}"}}]}}"#
            );
            s.ask_with(34, &[], body.as_bytes());
            let all = s.quietly(Command::request(328, &[], b""));
            let Ok(all) = Json::parse(&all.body) else { panic!("{all:?}") };
            let producers = all.get("data").and_then(|data| data.get(&group)).cloned();
            let Some(Json::List(producers)) = producers else { panic!("{group} has no producers") };
            for producer in producers {
                for name in ["clientId", "language", "version"] {
                    s.note(name, &format!("{:?}", producer.get(name)));
                }
                let ip = format!("{:?}", producer.get("remoteIP"));
                s.note("a slash before the address", &ip.contains("\"/").to_string());
            }
        },
    },
    Case {
        name: "admin_request_modes",
        codes: &[0, 0, 16, 17, 0],
        script: |s| {
            let (topic, group) = filled(s, 1);
            let body = |topic: &str, mode: &str| {
                let fields = format!(r#""topic":"{topic}","consumerGroup":"{group}","mode":"{mode}""#);
                format!(r#"{{{fields},"popShareQueueNum":3}}"#).into_bytes()
            };
            s.ask_with(401, &[], &body(&topic, "POP"));
            s.ask(402, &[]);
            s.ask_with(401, &[], &body(&format!("%RETRY%{group}"), "POP"));
            s.ask_with(401, &[], &body("none", "PULL"));
            s.ask_with(401, &[], &body(&topic, "PULL"));
        },
    },
    Case {
        name: "admin_ha_status",
        codes: &[0],
        script: |s| {
            let status = s.quietly(Command::request(907, &[], b""));
            let Ok(Json::Object(fields)) = Json::parse(&status.body) else { panic!("{status:?}") };
            for (name, value) in fields {
                match name_of(&name) {
                    "masterCommitLogMaxOffset" => {}
                    name => s.note(name, &value.sorted().to_string()),
                }
            }
            s.ask(908, &[("masterFlushOffset", "7")]);
        },
    },
    Case {
        name: "admin_cold_data_flow",
        codes: &[0, 0, 0, 0, 0, 0],
        script: |s| {
            s.ask(2003, &[]);
            s.ask_with(2001, &[], b"g1=100\ng2=2000\n");
            s.ask(2003, &[]);
            s.ask_with(2002, &[], b"g1");
            s.ask_with(2002, &[], b"g2");
            s.ask(2003, &[]);
        },
    },
    Case {
        name: "admin_log_read_mode",
        codes: &[0, 0, 29, 1],
        script: |s| {
            for mode in ["1", "0", "2", "x"] {
                s.ask(2004, &[("READ_AHEAD_MODE", mode)]);
            }
        },
    },
    Case {
        name: "admin_broker_config",
        codes: &[0, 16, 16, 0],
        script: |s| {
            let config = s.quietly(Command::request(26, &[], b""));
            s.note_code(config.code);
            for line in String::from_utf8_lossy(&config.body).lines() {
                let (key, value) = line.split_once('=').unwrap_or((line, ""));
                s.note(key, if ["listenPort", "haListenPort"].contains(&key) { "" } else { value });
            }
            s.note("version", &config.ext.contains_key("version").to_string());
            for forbidden in ["brokerConfigPath=x", "configBlackList=x"] {
                s.ask_with(25, &[], forbidden.as_bytes());
            }
            s.ask_code(Command::request(25, &[], b"maxMsgsNumBatch=65"));
            let config = s.quietly(Command::request(26, &[], b""));
            let text = String::from_utf8_lossy(&config.body).into_owned();
            let line = text.lines().find(|line| line.starts_with("maxMsgsNumBatch=")).unwrap_or_default();
            s.note("changed", line);
        },
    },
    Case {
        name: "admin_runtime_info",
        codes: &[0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            s.quietly(Pull::of(&group, &topic).command());
            let info = s.quietly(Command::request(28, &[], b""));
            s.note_code(info.code);
            let Ok(body) = Json::parse(&info.body) else { panic!("{info:?}") };
            let Some(Json::Object(lines)) = body.get("table") else { panic!("{body}") };
            for (key, value) in lines {
                let key = name_of(key);
                // Before all else `getTransferedTps`, which dashboards of 1.x ask for.
                if ["getTransferedTps", "getTransferredTps"].contains(&key) || key.starts_with("schedule") {
                    continue;
                }
                let key = key.split('/').next().unwrap_or(key);
                // What depends on the cases before, on the clock, or on how long a put takes.
                let is_same = key.ends_with("Capacity") && key != "commitLogDirCapacity"
                    || key.ends_with("Size") && key.contains("Queue")
                    || key.ends_with("HeadWaitTimeMills")
                    || key.ends_with("Morning")
                    || ["brokerActive", "brokerVersionDesc", "dispatchBehindBytes", "dispatchMaxBuffer"]
                        .contains(&key)
                    || ["remainTransientStoreBufferNumbs", "startAcceptSendRequestTimeStamp"].contains(&key)
                    || ["commitLogMinOffset", "pageCacheLockTimeMills"].contains(&key);
                s.note(key, &if is_same { value.to_string() } else { String::new() });
            }
            let ours = body.get("table").and_then(|table| table.get("getTransferredTps"));
            s.note("three numbers", &format!("{:?}", ours.map(|tps| tps.to_string().matches(' ').count())));
        },
    },
    Case {
        name: "admin_all_offsets",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = filled(s, 3);
            commit(s, &group, &topic, "2");
            let all = s.quietly(Command::request(43, &[], b""));
            let Ok(all) = Json::parse(&all.body) else { panic!("{all:?}") };
            let of_group = all.get("offsetTable").and_then(|table| table.get(&format!("{topic}@{group}")));
            s.note("offsets", &format!("{of_group:?}"));
            let topics = all.get("groupTopicMap").and_then(|map| map.get(&group));
            s.note("topics", &format!("{topics:?}"));
            query_offset(s, &group, &topic);
        },
    },
];

/// A body of code 18: names, and attributes as JSON.
fn topics(named: &[(&str, &str)]) -> Vec<u8> {
    let topic = |(name, attributes): &(&str, &str)| {
        format!(
            r#"{{"topicName":"{name}","readQueueNums":2,"writeQueueNums":2,"perm":6,"attributes":{attributes}}}"#
        )
    };
    let topics: Vec<_> = named.iter().map(topic).collect();
    format!(r#"{{"topicConfigList":[{}]}}"#, topics.join(",")).into_bytes()
}

/// Makes the group and commits.
fn commit(s: &mut Script, group: &str, topic: &str, offset: &str) {
    s.quietly(Command::request(352, &[("group", group)], b""));
    s.ask(15, &[("consumerGroup", group), ("topic", topic), ("queueId", "0"), ("commitOffset", offset)]);
}

/// Compares one row of a table, the other fields of its body, and how many rows pages have.
fn note_table(s: &mut Script, code: i32, table: &str, row: &str, what: &str) {
    let whole = s.quietly(Command::request(code, &[], b""));
    let Ok(Json::Object(fields)) = Json::parse(&whole.body) else { panic!("{whole:?}") };
    let mut version = String::new();
    for (name, value) in fields {
        match name_of(&name) {
            name if name == table => s.note("the row", &format!("{:?}", value.get(row))),
            "dataVersion" => version = value.to_string(),
            "mappingDataVersion" => {}
            name => s.note(name, &value.sorted().to_string()),
        }
    }
    let (seq_field, max_field) = (format!("{}Seq", what.to_lowercase()), format!("max{what}Num"));
    let total = whole.ext[&format!("total{what}Num")].clone();
    s.note("as many as it says", &(rows(&whole, table).to_string() == total).to_string());
    for (seq, max, version) in
        [("0", "3", ""), ("2", "2", version.as_str()), ("2", "3", "{}"), ("999999", "2", version.as_str())]
    {
        let fields = [(seq_field.as_str(), seq), (max_field.as_str(), max), ("dataVersion", version)];
        let page = s.quietly(Command::request(code, &fields, b""));
        s.note(&format!("rows from {seq} on, {max} at most"), &rows(&page, table).to_string());
    }
}

fn rows(reply: &Command, table: &str) -> usize {
    let Ok(body) = Json::parse(&reply.body) else { panic!("{reply:?}") };
    match body.get(table) {
        Some(Json::Object(rows)) => rows.len(),
        other => panic!("{other:?}"),
    }
}

/// Compares entries of a queue but for where they lie in the log.
fn note_entries(s: &mut Script, fields: &[(&str, &str)]) {
    let reply = s.quietly(Command::request(321, fields, b""));
    s.note_code(reply.code);
    s.note("remark", &format!("{:?}", reply.remark));
    if reply.body.is_empty() {
        return;
    }
    let Ok(Json::Object(body)) = Json::parse(&reply.body) else { panic!("{reply:?}") };
    for (name, value) in body {
        match value {
            Json::List(entries) => {
                for entry in entries {
                    let Json::Object(mut entry) = entry else { panic!("{entry:?}") };
                    entry.retain(|(name, _)| name_of(name) != "physicOffset");
                    s.note("entry", &Json::Object(entry).sorted().to_string());
                }
            }
            value => s.note(name_of(&name), &value.sorted().to_string()),
        }
    }
}

fn name_of(key: &Json) -> &str {
    match key {
        Json::Text(name) | Json::Atom(name) => name,
        other => panic!("{other}"),
    }
}

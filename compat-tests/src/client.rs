//! What a client of a broker asks, with the fields of 5.5.0's client as defaults.

use std::time::Duration;

use crate::differential::Script;
use crate::record::properties_string;
use crate::until;
use crate::wire::Command;

pub const WAIT: Duration = Duration::from_secs(20);

/// Flags of a pull (`PullSysFlag`).
pub const COMMIT: i32 = 1;
pub const SUSPEND: i32 = 2;
pub const SUBSCRIPTION: i32 = 4;

/// A send, its fields open to change.
pub struct Send {
    pub topic: String,
    /// Of a topic that the send makes.
    pub queue_nums: i32,
    pub queue_id: i32,
    pub properties: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub ext: Vec<(&'static str, String)>,
}

impl Send {
    pub fn to(topic: &str) -> Send {
        let plain = Send::plain(topic).property("UNIQ_KEY", "AC110001000100000000000000000001");
        plain.property("WAIT", "true")
    }

    /// Without the properties that every client sends.
    pub fn plain(topic: &str) -> Send {
        Send {
            topic: topic.into(),
            queue_nums: 4,
            queue_id: 0,
            properties: vec![],
            body: b"hello".to_vec(),
            ext: vec![],
        }
    }

    pub fn body(mut self, body: &[u8]) -> Send {
        self.body = body.to_vec();
        self
    }

    pub fn queue_nums(mut self, queue_nums: i32) -> Send {
        self.queue_nums = queue_nums;
        self
    }

    pub fn queue(mut self, queue_id: i32) -> Send {
        self.queue_id = queue_id;
        self
    }

    pub fn property(mut self, name: &'static str, value: &str) -> Send {
        self.properties.push((name, value.into()));
        self
    }

    /// Overrides or adds an ext field.
    pub fn ext(mut self, name: &'static str, value: &str) -> Send {
        self.ext.push((name, value.into()));
        self
    }

    pub fn tag(self, tag: &str) -> Send {
        self.property("TAGS", tag)
    }

    fn properties_text(&self) -> String {
        let pairs: Vec<_> = self.properties.iter().map(|(name, value)| (*name, value.as_str())).collect();
        properties_string(&pairs)
    }

    fn fields(&self, names: [&str; 14]) -> Vec<(String, String)> {
        let values = [
            "group".to_string(),
            self.topic.clone(),
            "TBW102".into(),
            self.queue_nums.to_string(),
            self.queue_id.to_string(),
            "0".into(),
            "1700000000000".into(),
            "0".into(),
            self.properties_text(),
            "0".into(),
            "false".into(),
            "16".into(),
            "false".into(),
            "broker-a".into(),
        ];
        let mut fields: Vec<_> = names.iter().map(|n| n.to_string()).zip(values).collect();
        for (name, value) in &self.ext {
            fields.retain(|(known, _)| known != name);
            fields.push((name.to_string(), value.clone()));
        }
        fields
    }

    pub fn v2(&self) -> Command {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
        self.command(310, names)
    }

    pub fn v1(&self) -> Command {
        self.command(
            10,
            [
                "producerGroup",
                "topic",
                "defaultTopic",
                "defaultTopicQueueNums",
                "queueId",
                "sysFlag",
                "bornTimestamp",
                "flag",
                "properties",
                "reconsumeTimes",
                "unitMode",
                "maxReconsumeTimes",
                "batch",
                "bname",
            ],
        )
    }

    /// A batch (320): the body is already the batch's.
    pub fn batch(self) -> Command {
        let mut command = self.ext("m", "true").v2();
        command.code = 320;
        command
    }

    fn command(&self, code: i32, names: [&str; 14]) -> Command {
        let mut command = Command::request(code, &[], &self.body);
        command.ext = self.fields(names).into_iter().collect();
        command
    }
}

/// One item of a batch body (`MessageDecoder.encodeMessage`).
pub fn batch_item(body: &[u8], properties: &[(&str, &str)]) -> Vec<u8> {
    let properties = properties_string(properties);
    let size = 4 * 5 + body.len() + 2 + properties.len();
    let mut item = Vec::new();
    for number in [size as i32, 0, 0, 0, body.len() as i32] {
        item.extend_from_slice(&number.to_be_bytes());
    }
    item.extend_from_slice(body);
    item.extend_from_slice(&(properties.len() as i16).to_be_bytes());
    item.extend_from_slice(properties.as_bytes());
    item
}

/// A pull (11) with a subscription of its own, so that it needs no heartbeat.
pub struct Pull {
    pub fields: Vec<(&'static str, String)>,
    pub code: i32,
}

impl Pull {
    pub fn of(group: &str, topic: &str) -> Pull {
        let fields = [
            ("consumerGroup", group),
            ("topic", topic),
            ("queueId", "0"),
            ("queueOffset", "0"),
            ("maxMsgNums", "32"),
            ("sysFlag", "4"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "15000"),
            ("subscription", "*"),
            ("subVersion", "1"),
            ("expressionType", "TAG"),
        ];
        Pull { fields: fields.map(|(name, value)| (name, value.to_string())).to_vec(), code: 11 }
    }

    pub fn set(mut self, name: &'static str, value: impl ToString) -> Pull {
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, value.to_string()));
        self
    }

    pub fn without(mut self, name: &str) -> Pull {
        self.fields.retain(|(known, _)| *known != name);
        self
    }

    pub fn command(&self) -> Command {
        let mut command = Command::request(self.code, &[], b"");
        command.ext = self.fields.iter().map(|(n, v)| (n.to_string(), v.clone())).collect();
        command
    }
}

/// Sends `count` messages with bodies "0", "1", ... and waits until they can be pulled.
pub fn fill(s: &mut Script, topic: &str, count: usize) {
    for i in 0..count {
        let reply = s.quietly(Send::to(topic).body(i.to_string().as_bytes()).v2());
        assert_eq!(reply.code, 0, "{:?}", reply.remark);
    }
    wait_for_max(s, topic, 0, count as i64);
}

/// A topic of [`fill`], and a group to read it.
pub fn filled(s: &mut Script, count: usize) -> (String, String) {
    let (topic, group) = (s.unique("T"), s.unique("g"));
    fill(s, &topic, count);
    (topic, group)
}

/// The group's offset in queue 0.
pub fn query_offset(s: &mut Script, group: &str, topic: &str) {
    s.ask(14, &[("consumerGroup", group), ("topic", topic), ("queueId", "0")]);
}

/// Waits until the queue's max offset is there: both brokers derive queues behind the send.
pub fn wait_for_max(s: &mut Script, topic: &str, queue_id: i32, max: i64) {
    let (queue_id, max) = (queue_id.to_string(), max.to_string());
    let question = Command::request(30, &[("topic", topic), ("queueId", &queue_id)], b"");
    until(
        WAIT,
        || format!("{topic}: max offset never was {max}"),
        || {
            let reply = s.quietly(question.clone());
            (reply.ext.get("offset") == Some(&max)).then_some(())
        },
    );
}

/// A subscription as heartbeats carry it.
pub fn subscription(topic: &str, expression: &str, version: i64) -> String {
    let tags: Vec<_> = expression.split("||").map(str::trim).filter(|tag| *tag != "*").collect();
    let quoted: Vec<_> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
    let codes: Vec<_> = tags.iter().map(|tag| java_hash(tag).to_string()).collect();
    format!(
        r#"{{"classFilterMode":false,"codeSet":[{}],"expressionType":"TAG","subString":"{expression}","subVersion":{version},"tagsSet":[{}],"topic":"{topic}"}}"#,
        codes.join(","),
        quoted.join(",")
    )
}

/// `String.hashCode` of ASCII text.
fn java_hash(text: &str) -> i32 {
    text.bytes().fold(0i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte as i32))
}

/// A heartbeat (34) of one consumer in `group`.
pub fn consumer_heartbeat(client: &str, group: &str, model: &str, subscriptions: &[String]) -> Command {
    let consumer = format!(
        r#"{{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"{group}","messageModel":"{model}","subscriptionDataSet":[{}],"unitMode":false}}"#,
        subscriptions.join(",")
    );
    let body = format!(
        r#"{{"clientID":"{client}","consumerDataSet":[{consumer}],"heartbeatFingerprint":0,"producerDataSet":[],"withoutSub":false}}"#
    );
    Command::request(34, &[], body.as_bytes())
}

/// Where the message of an offset id stands in the log.
pub fn physical_offset(id: &str) -> i64 {
    i64::from_str_radix(&id[id.len() - 16..], 16).expect("an offset id")
}

/// The physical offset of the first record in a pull reply's body.
pub fn first_physical_offset(body: &[u8]) -> String {
    let bytes = body.get(28..36).expect("a record in the pull reply");
    i64::from_be_bytes(bytes.try_into().unwrap()).to_string()
}

/// Waits until queue 0 holds `count` messages and compares what a consumer sees of them.
pub fn pull_back(s: &mut Script, topic: &str, count: i64) {
    wait_for_max(s, topic, 0, count);
    s.ask_command(Pull::of(&s.unique("g"), topic).command());
}

/// UPDATE_AND_CREATE_TOPIC: 4 queues to read and write, but for `fields`.
pub fn create_topic_command(topic: &str, fields: &[(&str, &str)]) -> Command {
    let usual = [
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "4"),
        ("writeQueueNums", "4"),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("topicSysFlag", "0"),
        ("order", "false"),
    ];
    Command::request(17, &[&usual[..], fields].concat(), b"")
}

/// A consumed message: the group is known to the broker, and its physical offset to the consumer.
pub fn message_to_send_back(s: &mut Script, topic: &str, group: &str) -> String {
    fill(s, topic, 1);
    s.quietly(consumer_heartbeat("c1", group, "CLUSTERING", &[subscription(topic, "*", 1)]));
    let pulled = s.quietly(Pull::of(group, topic).command());
    first_physical_offset(&pulled.body)
}

/// CONSUMER_SEND_MSG_BACK of the message at a physical offset, with a delay level, to be retried so often at most.
pub fn send_back_command(topic: &str, group: &str, offset: &str, level: &str, max: &str) -> Command {
    let fields = [
        ("offset", offset),
        ("group", group),
        ("delayLevel", level),
        ("originMsgId", "AC110001000100000000000000000001"),
        ("originTopic", topic),
        ("unitMode", "false"),
        ("maxReconsumeTimes", max),
    ];
    Command::request(36, &fields, b"")
}

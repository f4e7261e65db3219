//! Bodies and config files that real Java peers of 4.9.7 and 5.5.0 wrote are read, and written again as they were.

mod golden;

use remoting::body::*;
use remoting::json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Frame {
    path: PathBuf,
    name: String,
    is_response: bool,
    /// A request whose fields were set by hand: it may hold what no class writes.
    is_raw: bool,
    body: Vec<u8>,
    json: Option<Value>,
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The frames of a version that the index describes as having a JSON body.
fn json_frames(version: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    for lab in ["json", "rocketmq", "auth"] {
        let dir = golden::folder().join("wire").join(version).join(lab);
        let index: Value = serde_json::from_slice(&read(&dir.join("index.json"))).unwrap();
        for entry in index.as_array().unwrap() {
            let body = &entry["body"];
            if body["kind"] != "json" {
                continue;
            }
            let path = dir.join(entry["file"].as_str().unwrap());
            let frame = read(&path);
            let length = body["length"].as_u64().unwrap() as usize;
            frames.push(Frame {
                path,
                name: entry["name"].as_str().unwrap().to_owned(),
                is_response: entry["type"] == "response",
                is_raw: entry["type"] != "response" && entry["header"]["version"] == 0,
                body: frame[frame.len() - length..].to_vec(),
                json: body.get("json").cloned(),
            });
        }
    }
    assert!(frames.len() > 100, "only {} bodies", frames.len());
    frames
}

#[test]
fn every_json_body_is_read() {
    for frame in json_frames("5.5.0").into_iter().chain(json_frames("4.9.7")) {
        let value: Value =
            json::from_slice(&frame.body).unwrap_or_else(|e| panic!("{}: {e}", frame.path.display()));
        if let Some(expected) = frame.json {
            assert_eq!(value, expected, "{}", frame.path.display());
        }
    }
}

/// Java's hash maps and sets have an order of their own: the same bytes, though in another order where there are many.
fn assert_same(ours: &[u8], java: &[u8], what: &str) {
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    let value = |bytes: &[u8]| in_order(json::from_slice(bytes).unwrap_or_else(|e| panic!("{what}: {e}")));
    assert_eq!(value(ours), value(java), "{what}");
    assert_eq!(sorted(ours), sorted(java), "{what}:\n{}", String::from_utf8_lossy(ours));
}

fn in_order(value: Value) -> Value {
    match value {
        Value::Array(elements) => {
            let mut elements: Vec<Value> = elements.into_iter().map(in_order).collect();
            elements.sort_by_key(Value::to_string);
            Value::Array(elements)
        }
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, in_order(value))).collect(),
        other => other,
    }
}

fn check_body<T: Serialize + DeserializeOwned>(frame: &Frame, write: fn(&T) -> Vec<u8>) {
    let what = frame.path.display().to_string();
    let typed: T = json::from_slice(&frame.body).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_same(&write(&typed), &frame.body, &what);
}

#[test]
fn typed_bodies_are_written_as_java_does() {
    let mut checked = 0;
    for frame in json_frames("5.5.0") {
        checked += 1;
        match (frame.name.as_str(), frame.is_response) {
            _ if frame.is_raw => checked -= 1,
            ("REGISTER_BROKER", false) => check_body::<RegisterBrokerBody>(&frame, json::to_bytes),
            ("REGISTER_BROKER", true) => check_body::<KVTable>(&frame, json::to_bytes),
            ("GET_ROUTEINFO_BY_TOPIC", _) => check_body::<TopicRouteData>(&frame, json::to_standard),
            ("QUERY_DATA_VERSION", _) => check_body::<DataVersion>(&frame, json::to_bytes),
            ("GET_KVLIST_BY_NAMESPACE", _) => check_body::<KVTable>(&frame, json::to_bytes),
            ("GET_ALL_TOPIC_LIST_FROM_NAMESERVER" | "GET_SYSTEM_TOPIC_LIST_FROM_NS", _) => {
                check_body::<TopicList<String>>(&frame, json::to_bytes)
            }
            ("HEART_BEAT", _) => check_body::<HeartbeatData>(&frame, json::to_bytes),
            ("CHECK_CLIENT_CONFIG", _) => check_body::<CheckClientRequestBody>(&frame, json::to_bytes),
            ("LOCK_BATCH_MQ", false) => check_body::<LockBatchRequestBody>(&frame, json::to_bytes),
            ("LOCK_BATCH_MQ", true) => check_body::<LockBatchResponseBody>(&frame, json::to_bytes),
            ("UNLOCK_BATCH_MQ", _) => check_body::<UnlockBatchRequestBody>(&frame, json::to_bytes),
            ("GET_CONSUMER_LIST_BY_GROUP", _) => {
                check_body::<GetConsumerListByGroupResponseBody>(&frame, json::to_bytes)
            }
            ("UPDATE_AND_CREATE_SUBSCRIPTIONGROUP", _) => {
                check_body::<SubscriptionGroupConfig>(&frame, json::to_bytes)
            }
            ("GET_ALL_SUBSCRIPTIONGROUP_CONFIG", _) => {
                check_body::<SubscriptionGroupWrapper>(&frame, json::to_bytes)
            }
            ("GET_ALL_TOPIC_CONFIG", _) => {
                check_body::<TopicConfigAndMappingSerializeWrapper>(&frame, json::to_bytes)
            }
            ("GET_ALL_CONSUMER_OFFSET", _) => {
                check_body::<ConsumerOffsetSerializeWrapper>(&frame, json::to_bytes)
            }
            ("GET_ALL_DELAY_OFFSET", _) => check_body::<DelayOffsetSerializeWrapper>(&frame, json::to_bytes),
            _ => checked -= 1,
        }
    }
    assert!(checked > 100, "only {checked} bodies");
}

/// The config files of a store, unpacked.
fn config_files(version: &str, scenario: &str) -> Vec<(String, Vec<u8>)> {
    let archive = golden::folder().join("stores").join(version).join(scenario).join("store.tar.gz");
    let file = |name: &str| {
        let path = format!("store/config/{name}");
        let tar = Command::new("tar").arg("-xOzf").arg(&archive).arg(&path).output().unwrap();
        tar.status.success().then_some((name.to_owned(), tar.stdout))
    };
    let names = [
        "topics.json",
        "subscriptionGroup.json",
        "consumerOffset.json",
        "lmqConsumerOffset.json",
        "delayOffset.json",
    ];
    let files: Vec<_> = names.into_iter().filter_map(file).collect();
    assert!(files.len() >= 3, "only {} config files in {}", files.len(), archive.display());
    files
}

fn check_file<T: Serialize + DeserializeOwned>(version: &str, name: &str, content: &[u8]) {
    let typed: T = json::from_slice(content).unwrap_or_else(|e| panic!("{version} {name}: {e}"));
    let again = json::to_pretty(&typed);
    if version == "5.5.0" {
        assert_same(&again, content, name);
    } else {
        // 5.5.0 adds fields and breaks lines differently; nothing of 4.9.7's may be lost.
        let (ours, theirs): (Value, Value) =
            (json::from_slice(&again).unwrap(), json::from_slice(content).unwrap());
        assert_eq!(without_additions(ours, &theirs), theirs, "{version} {name}");
    }
}

fn without_additions(ours: Value, theirs: &Value) -> Value {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours
            .into_iter()
            .filter_map(|(key, value)| Some((key.clone(), without_additions(value, theirs.get(&key)?))))
            .collect(),
        (ours, _) => ours,
    }
}

#[test]
fn config_files_are_written_as_java_does() {
    for (version, scenario) in
        [("5.5.0", "five"), ("5.5.0", "flow"), ("5.5.0", "core"), ("4.9.7", "flow"), ("4.9.7", "core")]
    {
        for (name, content) in config_files(version, scenario) {
            match name.as_str() {
                "topics.json" => check_file::<TopicConfigSerializeWrapper>(version, &name, &content),
                "subscriptionGroup.json" => check_file::<SubscriptionGroupWrapper>(version, &name, &content),
                "delayOffset.json" => check_file::<DelayOffsetSerializeWrapper>(version, &name, &content),
                _ => check_file::<ConsumerOffsetSerializeWrapper>(version, &name, &content),
            }
        }
    }
}

/// A short walk through broken bodies: each is read or refused, none is a panic or takes long.
#[test]
fn mangled_bodies_are_read_or_refused() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    const SPICE: &[&str] =
        &["{", "}", "[", "]", "\"", "'", ":", ",", "null", "\\u", "\\", "-", "1e999", "{\"$ref\":\"$", "é"];
    for frame in json_frames("5.5.0") {
        for _ in 0..20 {
            let mut body = frame.body.clone();
            for _ in 0..1 + next(4) {
                let at = next(body.len().max(1));
                match next(4) {
                    0 => body.truncate(at),
                    1 if at < body.len() => body[at] = next(256) as u8,
                    2 if at < body.len() => drop(body.remove(at)),
                    _ => drop(body.splice(at.min(body.len()).., SPICE[next(SPICE.len())].bytes())),
                }
            }
            let _ = json::from_slice::<Value>(&body);
            let _ = json::from_slice::<TopicRouteData>(&body);
            let _ = json::from_slice::<HeartbeatData>(&body);
            let _ = json::from_slice::<LockBatchRequestBody>(&body);
            let _ = json::from_slice::<SubscriptionGroupWrapper>(&body);
            let _ = json::from_slice::<ConsumerOffsetSerializeWrapper>(&body);
            let _ = RegisterBrokerBody::peek_data_version(&body);
            let _ = RegisterBrokerBody::decode(&body, false, 513);
            let mut compressed = RegisterBrokerBody::default().encode(true);
            let at = next(compressed.len());
            compressed[at] = next(256) as u8;
            let _ = RegisterBrokerBody::decode(&compressed, true, 513);
        }
    }
}

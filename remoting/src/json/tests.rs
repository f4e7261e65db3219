use super::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
struct Key {
    a: String,
    n: i32,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bean {
    bool_value: bool,
    by_id: BTreeMap<i64, String>,
    by_key: BTreeMap<Key, i64>,
    keys: Vec<Key>,
    nothing: Option<String>,
    numbers: Vec<i64>,
    ratio: f64,
    text: Option<String>,
}

fn bean() -> Bean {
    Bean {
        bool_value: true,
        by_id: [(0, "x".into()), (12, "y".into())].into(),
        by_key: [(Key { a: "k".into(), n: 1 }, 7)].into(),
        numbers: vec![1, 2],
        text: Some("é/\u{1}\"\\\n\u{b}\u{7f}<".into()),
        ..Bean::default()
    }
}

const TEXT: &str = r#""é/\u0001\"\\\n\u000b<""#;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn written_as_fastjson2_does() {
    let text_json = TEXT.replace('<', "\u{7f}<");
    assert_eq!(
        text(to_bytes(&bean())),
        format!(
            r#"{{"boolValue":true,"byId":{{0:"x",12:"y"}},"byKey":{{{{"a":"k","n":1}}:7}},"keys":[],"numbers":[1,2],"ratio":0.0,"text":{text_json}}}"#
        )
    );
    assert!(text(to_standard(&bean())).contains(r#""byId":{"0":"x","12":"y"}"#));
}

#[test]
fn files_stand_on_tabbed_lines_but_numbers_on_one() {
    let bean = Bean { keys: vec![Key::default()], by_key: BTreeMap::new(), text: None, ..bean() };
    let expected = "{\n\t\"boolValue\":true,\n\t\"byId\":{\n\t\t0:\"x\",\n\t\t12:\"y\"\n\t},\n\t\"byKey\":{},\n\t\"keys\":[\n\t\t{\n\t\t\t\"a\":\"\",\n\t\t\t\"n\":0\n\t\t}\n\t],\n\t\"numbers\":[1,2],\n\t\"ratio\":0.0\n}";
    assert_eq!(text(to_pretty(&bean)), expected);
}

#[test]
fn doubles_as_java_prints_them() {
    let cases = [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e10, "1.0E10"),
        (1e-5, "1.0E-5"),
        (123456789.123, "1.23456789123E8"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (0.001, "0.001"),
        (f64::NAN, "null"),
        (f64::INFINITY, "null"),
    ];
    for (value, expected) in cases {
        assert_eq!(text(to_bytes(&value)), expected);
    }
}

#[test]
fn reads_back_all_that_is_written() {
    for bytes in [to_bytes(&bean()), to_pretty(&bean()), to_standard(&bean())] {
        assert_eq!(from_slice::<Bean>(&bytes), Ok(bean()));
    }
}

#[test]
fn reads_what_looser_clients_send() {
    let sent = r#" {'boolValue':"TRUE","byId":{"0":"x",12:'y',},"byKey":{{"n":"1","a":"k"}:7.0}, "keys":null,"nothing":null,
        "unknown":{1:[{},{{"a":1}:2}]},"numbers":["1",2,],"ratio":"0",
        "text":"é/\u0001\"\\\n\u000b\u007f\u003c"} "#;
    assert_eq!(from_slice::<Bean>(sent.as_bytes()), Ok(bean()));
    assert_eq!(from_slice::<Key>(b"{\"a\":5,\"n\":null}"), Ok(Key { a: "5".into(), n: 0 }));
}

#[test]
fn enums_are_read_by_name_and_by_ordinal() {
    use crate::body::MessageModel::{self, Broadcasting, Clustering};
    let read = |text: &str| from_slice::<Option<MessageModel>>(text.as_bytes());
    assert_eq!(read(r#""CLUSTERING""#), Ok(Some(Clustering)));
    assert_eq!(
        [read("0"), read("1"), read(r#""1""#)],
        [Ok(Some(Broadcasting)), Ok(Some(Clustering)), Ok(Some(Clustering))]
    );
    assert_eq!(read("null"), Ok(None));
    assert!(read("3").is_err() && read("-1").is_err() && read(r#""NONE""#).is_err());
}

#[test]
fn references_are_followed_once() {
    let key = Key { a: "k".into(), n: 1 };
    let sent = r#"{"keys":[{"a":"k","n":1},{"$ref":"$.keys[0]"}]}"#;
    assert_eq!(from_slice::<Bean>(sent.as_bytes()).unwrap().keys, [key.clone(), key.clone()]);
    let sent = r#"[{"a":"k","n":1},{"$ref":"$[0]"}]"#;
    assert_eq!(from_slice::<Vec<Key>>(sent.as_bytes()).unwrap(), [key.clone(), key]);
    for broken in
        [r#"[{"$ref":"$[0]"}]"#, r#"[{"$ref":"$[7]"}]"#, r#"[{"$ref":"$.a"}]"#, r#"[{"$ref":"[["}]"#]
    {
        assert!(
            matches!(from_slice::<Vec<Key>>(broken.as_bytes()), Err(JsonError::Reference(_))),
            "{broken}"
        );
    }
}

#[test]
fn broken_text_is_refused() {
    for broken in [
        "",
        " ",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":\"",
        "{\"a\":\"\\u12",
        "{a:1}",
        "{} x",
        "[]",
        "{\"n\":\"x\"}",
    ] {
        assert!(from_slice::<Key>(broken.as_bytes()).is_err(), "{broken}");
    }
    assert_eq!(from_slice::<Key>(b"{\"\xff\":1}"), Err(JsonError::NotUtf8));
    let deep = format!("{{\"x\":{}", "[".repeat(1 << 20));
    assert_eq!(from_slice::<Key>(deep.as_bytes()), Err(ScanError::TooDeep.into()));
    let deep = "[".repeat(1 << 20);
    assert_eq!(from_slice::<serde_json::Value>(deep.as_bytes()), Err(ScanError::TooDeep.into()));
}

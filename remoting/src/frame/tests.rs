use super::*;
use crate::command::{HeaderError, Language};
use crate::{ExtFields, RequestCode};

fn hex(text: &str) -> BytesMut {
    let digits: Vec<u8> = text.bytes().filter_map(|b| (b as char).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn taken(bytes: &mut BytesMut) -> Result<Command, FrameError> {
    Ok(take(bytes)?.expect("a whole frame"))
}

fn frame_of(header: &[u8], codec: u8) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u32(4 + header.len() as u32);
    out.put_u32((codec as u32) << 24 | header.len() as u32);
    out.extend_from_slice(header);
    out
}

#[test]
fn java_s_json_request() {
    let header = br#"{"code":105,"extFields":{"topic":"TopicA"},"flag":0,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":513}"#;
    let mut bytes = frame_of(header, 0);
    assert_eq!(bytes[..8], hex("00000084 00000080")[..]);
    let whole = bytes.clone();
    let command = taken(&mut bytes).unwrap();
    assert!(bytes.is_empty());
    assert_eq!(command.request_code(), RequestCode::GET_ROUTEINFO_BY_TOPIC);
    assert_eq!(command.ext.get("topic"), Some("TopicA"));
    assert_eq!((command.opaque, command.version, command.language), (7, 513, Language::JAVA));
    assert_eq!(encode(&command, Codec::Json), whole);
}

#[test]
fn java_s_rocketmq_request() {
    let mut bytes = hex(
        "0000002a 01000026 0069 00 0201 00000007 00000000 00000000 00000011 0005 746f706963 00000006 546f70696341",
    );
    let whole = bytes.clone();
    let command = taken(&mut bytes).unwrap();
    assert_eq!(command.code, 105);
    assert_eq!(command.ext.get("topic"), Some("TopicA"));
    assert_eq!(encode(&command, Codec::Rocketmq), whole);
}

#[test]
fn lenient_where_java_is() {
    let header = br#" { "extFields" : {"a":1,"b":true,"c":null,"d":"\u0001\u4e2d\ud83d\ude00\/"}, "new":[{"x":[1.5e3,null]},"y"], "opaque":"9", "language":"COBOL" } "#;
    let command = taken(&mut frame_of(header, 0)).unwrap();
    assert_eq!(command.ext.get("a"), Some("1"));
    assert_eq!(command.ext.get("b"), Some("true"));
    assert_eq!(command.ext.get("c"), None);
    assert_eq!(command.ext.get("d"), Some("\u{1}中😀/"));
    assert_eq!((command.code, command.opaque, command.language), (0, 9, Language::UNKNOWN));
}

#[test]
fn a_part_of_a_frame_says_what_it_needs() {
    let whole = frame_of(b"{\"code\":1}", 0);
    for end in 0..whole.len() {
        let mut part = BytesMut::from(&whole[..end]);
        assert_eq!(take(&mut part), Ok(None), "{end} bytes");
        assert_eq!(length_needed(&part), Ok(if end < 4 { 4 } else { whole.len() }));
        assert_eq!(part.len(), end);
    }
}

#[test]
fn absurd_lengths() {
    for length in [0, 1, 3, -1, i32::MIN, i32::MAX, FRAME_BYTES_MAX as i32] {
        let mut bytes = BytesMut::from(&length.to_be_bytes()[..]);
        assert_eq!(take(&mut bytes).err(), Some(FrameError::Length(length)));
    }
    assert_eq!(taken(&mut hex("00000004 00000005")), Err(FrameError::HeaderLength(5)));
    assert_eq!(taken(&mut hex("00000004 02000000")), Err(FrameError::UnknownCodec(2)));
    assert_eq!(taken(&mut hex("00000004 01000000")), Err(FrameError::Header(HeaderError::Truncated)));
}

#[test]
fn broken_headers() {
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for header in [
        "",
        "x",
        "{",
        "{}}",
        "{\"code\":}",
        "{\"code\":1,,}",
        "{\"code\":\"x\"}",
        "{\"remark\":\"\\u12\"}",
        &deep,
    ] {
        let result = taken(&mut frame_of(header.as_bytes(), 0));
        assert!(matches!(result, Err(FrameError::Header(_))), "{header:.40}: {result:?}");
    }
    assert_eq!(
        taken(&mut frame_of(b"{\"remark\":\"\xff\"}", 0)),
        Err(FrameError::Header(HeaderError::NotUtf8))
    );
    let mut long_remark = hex("0069 00 0201 00000007 00000000 7fffffff 00000000");
    assert!(taken(&mut frame_of(&long_remark.split(), 1)).is_err());
}

#[test]
fn control_characters_are_escaped_as_fastjson_does() {
    let mut ext = ExtFields::default();
    ext.push("p", "A\u{1}b\u{2}\"\\/\n\r\t\u{8}\u{c}\u{1f}é");
    let command = Command::request(RequestCode::SEND_MESSAGE, ext);
    let bytes = encode(&command, Codec::Json);
    let text = String::from_utf8_lossy(&bytes[8..]);
    assert!(text.contains(r#""p":"A\u0001b\u0002\"\\/\n\r\t\b\f\u001fé""#), "{text}");
    assert_eq!(taken(&mut BytesMut::from(&bytes[..])).unwrap(), command);
}

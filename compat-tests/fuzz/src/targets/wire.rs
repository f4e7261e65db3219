//! Frames, and the header fields of commands.

use bytes::BytesMut;
use remoting::frame;
use remoting::header::{client, namesrv, offset, pull, send, topic};
use remoting::{Codec, Command, ExtFields, Language};

/// A stream of frames: each that decodes is written again and read back.
pub fn frame(data: &[u8]) {
    let mut input = BytesMut::from(data);
    while let Ok(Some(command)) = frame::take(&mut input) {
        both_ways_back(&command);
    }
    let _ = frame::decode(data.to_vec().into());
}

/// A header of JSON holds more than ROCKETMQ has room for: 16 bits of code, no long keys.
fn both_ways_back(command: &Command) {
    comes_back(command, Codec::Json);
    if command.codec == Codec::Rocketmq {
        comes_back(command, Codec::Rocketmq);
    }
}

fn comes_back(command: &Command, codec: Codec) {
    if command.ext.iter().any(|(key, _)| key.len() > i16::MAX as usize) {
        // Bytes that were no UTF-8 grow when replaced; such a key no longer fits the ROCKETMQ encoding.
        return;
    }
    let bytes = frame::encode(command, codec);
    if bytes.len() > frame::FRAME_BYTES_MAX {
        // Escapes are longer than what they stand for.
        return;
    }
    let mut input = BytesMut::from(&bytes[..]);
    let mut again = frame::take(&mut input).expect("what we write is a frame").expect("a whole one");
    assert!(input.is_empty(), "{} bytes left", input.len());
    assert_eq!(
        (again.code, again.version, again.opaque, again.flag),
        (command.code, command.version, command.opaque, command.flag)
    );
    if command.language == Language::UNKNOWN {
        // Not written in JSON, and then read as Java's default.
        again.language = Language::UNKNOWN;
    }
    assert_eq!(again.language, command.language);
    assert_eq!(again.remark.as_deref().unwrap_or(""), command.remark.as_deref().unwrap_or(""));
    assert!(
        again.ext.iter().filter(stands_for_something).eq(command.ext.iter().filter(stands_for_something))
    );
    assert_eq!(again.body, command.body);
    assert_eq!(frame::encode(&again, codec), bytes, "written differently the second time");
}

/// The ROCKETMQ encoding reads an empty value as null.
fn stands_for_something(pair: &(&str, &str)) -> bool {
    !pair.1.is_empty()
}

macro_rules! headers_come_back {
    ($ext:expr, $($module:ident::$name:ident)*) => {$(
        let header = $module::$name::decode($ext);
        let again = header.encode();
        assert_eq!($module::$name::decode(&again), header);
    )*};
}

/// One header, in a frame that is sound: without that, few mutations would get this far. The first byte's lowest bit says
/// in which encoding.
pub fn header(data: &[u8]) {
    let Some((codec, header)) = data.split_first() else { return };
    let mut frame = (u32::from(codec & 1) << 24 | header.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(header);
    if let Ok(command) = frame::decode(frame.into()) {
        all_headers(&command.ext);
        both_ways_back(&command);
    }
}

fn all_headers(ext: &ExtFields) {
    headers_come_back!(ext,
        send::SendMessageRequestHeader
        send::SendMessageRequestHeaderV2
        send::ConsumerSendMsgBackRequestHeader
        pull::PullMessageRequestHeader
        pull::PullMessageResponseHeader
        client::UnregisterClientRequestHeader
        offset::SearchOffsetRequestHeader
        offset::UpdateConsumerOffsetRequestHeader
        topic::CreateTopicRequestHeader
        namesrv::RegisterBrokerRequestHeader
        namesrv::GetRouteInfoRequestHeader
        namesrv::BrokerHeartbeatRequestHeader
    );
}

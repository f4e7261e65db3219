//! Messages by key and by where they lie: 12 and 33. Java: `QueryMessageProcessor`.

#[cfg(test)]
mod tests;

use super::unreadable;
use crate::broker::Broker;
use bytes::Bytes;
use remoting::header::query::{
    QueryMessageRequestHeader, QueryMessageResponseHeader, ViewMessageRequestHeader,
};
use remoting::header::required;
use remoting::{Call, Command, Outcome, Peer, Refusal, ResponseCode};
use std::sync::Arc;
use store::{KeyKind, KeyQuery, MappedRange};

/// What Java's string concatenation makes of an absent field.
const NULL: &str = "null";
/// `MessageConst.INDEX_TAG_TYPE`.
const TAG_TYPE: &str = "T";

/// Messages of a key, from the index; QUERY_NOT_FOUND if there are none. Refused if the store cannot be read.
/// Java: `QueryMessageProcessor`.
pub fn query_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = QueryMessageRequestHeader::decode(&call.request.ext);
    let result = broker.store.query_message(key_query(broker, &header)?).map_err(unreadable)?;
    let reply_header = QueryMessageResponseHeader {
        index_last_update_timestamp_ms: Some(result.index_last_update_timestamp_ms),
        index_last_update_offset: Some(result.index_last_update_offset),
        ..Default::default()
    };
    let reply = match result.ranges.is_empty() {
        false => Command::success().with_body(body(call.peer(), result.ranges)?),
        true => Command::response(ResponseCode::QUERY_NOT_FOUND)
            .with_remark("can not find message, maybe time range not correct"),
    };
    Ok(Outcome::Now(reply.with_ext(reply_header.encode())))
}

fn key_query<'a>(broker: &Broker, header: &QueryMessageRequestHeader<'a>) -> Result<KeyQuery<'a>, Refusal> {
    let is_unique_key = header.is_unique_key == Some(true);
    let count_max = match is_unique_key {
        true => broker.settings().store.default_query_max_num,
        false => required(header.max_num, "maxNum")?,
    };
    Ok(KeyQuery {
        topic: header.topic.unwrap_or(NULL),
        key: header.key.unwrap_or(NULL),
        kind: match header.index_type {
            Some(TAG_TYPE) if !is_unique_key => KeyKind::Tag,
            _ => KeyKind::Key,
        },
        // Less than nothing is nothing; Java falls over it.
        count_max: usize::try_from(count_max).unwrap_or(0),
        begin_ms: required(header.begin_timestamp_ms, "beginTimestamp")?,
        end_ms: required(header.end_timestamp_ms, "endTimestamp")?,
    })
}

/// The record at an offset of the log. Refused with SYSTEM_ERROR if none begins there.
pub fn view_message_by_id(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = ViewMessageRequestHeader::decode(&call.request.ext);
    let offset = required(header.offset, "offset")?;
    let Some(record) = broker.store.look_message_by_offset(offset).map_err(unreadable)? else {
        let remark = format!("can not find message by the offset, {offset}");
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
    };
    Ok(Outcome::Now(Command::success().with_body(record)))
}

/// Messages as the body of a reply to `peer`: sent from where they are mapped, as long as nobody but the kernel reads them
/// there, else copied.
fn body(peer: &Peer, ranges: Vec<MappedRange>) -> Result<remoting::Body, Refusal> {
    let segment = |range: MappedRange| match peer.writes_in_place(range.bytes()) {
        true => Ok(Bytes::from_owner(range.for_socket())),
        false => range.to_vec().map(Bytes::from).map_err(unreadable),
    };
    ranges.into_iter().map(segment).collect()
}

//! Pulls: 11 and 361. Java: `PullMessageProcessor`, `DefaultPullMessageResultHandler`.

mod allowed;
mod park;
#[cfg(test)]
mod tests;

use super::unreadable;
use crate::broker::Broker;
use crate::config::BrokerSettings;
use crate::subscription::PullFilter;
use crate::topics::perm;
pub(super) use allowed::unsupported_filter;
use allowed::{Allowed, check, forbidden};
use bytes::Bytes;
use park::Wait;
use remoting::body::SubscriptionGroupConfig;
use remoting::header::pull::{
    PullMessageRequestHeader, PullMessageResponseHeader, forbidden_type, pull_sys_flag,
};
use remoting::header::required;
use remoting::{Call, Command, Outcome, Peer, Refusal, ResponseCode};
use std::sync::Arc;
use store::get::{PULL_BYTES_MAX, Piece};
use store::{GetMessageResult, GetMessageStatus, GetRequest};

const MASTER_ID: i64 = 0;

/// Messages of a queue from an offset on. If there are none the request may wait for some. Refused where the broker, the
/// topic or the group may not be read, and for a filter that is no good. Java: `PullMessageProcessor`.
pub fn pull_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    pull(broker, &broker.settings(), call, Turn::First)
}

/// As [`pull_message`], which consumers call that are not pushed to; `litePullMessageEnable` can forbid it.
pub fn lite_pull_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let settings = broker.settings();
    if !settings.broker.lite_pull_message_enable && perm::is_readable(settings.broker.broker_permission) {
        let ip = &settings.broker.broker_ip1;
        let remark = format!("the broker[{ip}] for lite pull consumer is forbidden");
        return Err(forbidden(forbidden_type::BROKER, remark));
    }
    pull(broker, &settings, call, Turn::First)
}

/// How often a pull has been here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    /// It was parked.
    Woken,
}

/// The settings are loaded once a request, and once more on the pool where it goes there.
fn pull(
    broker: &Arc<Broker>,
    settings: &BrokerSettings,
    call: &mut Call,
    turn: Turn,
) -> Result<Outcome, Refusal> {
    let header = PullMessageRequestHeader::decode(&call.request.ext);
    let allowed = check(broker, settings, call.peer(), &header)?;
    let wanted = Wanted::read(&header)?;
    if let Some(offset) = reset_offset(broker, settings, &wanted) {
        let result = moved_to(broker, &wanted, offset);
        note_offsets(broker, settings, call.peer(), &wanted, &result, ResponseCode::PULL_OFFSET_MOVED, turn);
        let reply = reply(settings, &allowed, ResponseCode::PULL_OFFSET_MOVED, &result);
        return Ok(Outcome::Now(reply.with_remark("OFFSET_RESET")));
    }
    // Tags stand in the queue, but an expression looks into each record.
    let looks_at_records = matches!(allowed.filter, PullFilter::Sql(_));
    if looks_at_records && broker.store.is_cold(wanted.topic, wanted.queue_id, wanted.offset) {
        let broker = broker.clone();
        return broker.clone().disk_pool.run(call, move |call| {
            let (header, settings) = (PullMessageRequestHeader::decode(&call.request.ext), broker.settings());
            let looked = look(&broker, &settings, call.peer(), &Wanted::read(&header)?, &allowed, turn)?;
            settle(&broker, &settings, call, allowed, looked)
        });
    }
    let looked = look(broker, settings, call.peer(), &wanted, &allowed, turn)?;
    settle(broker, settings, call, allowed, looked)
}

/// What a pull found, and what it means.
struct Looked {
    result: GetMessageResult,
    code: ResponseCode,
    wait: Option<Wait>,
}

fn look(
    broker: &Broker,
    settings: &BrokerSettings,
    peer: &Peer,
    wanted: &Wanted<'_>,
    allowed: &Allowed,
    turn: Turn,
) -> Result<Looked, Refusal> {
    let result = broker.store.get_message(wanted.get_request(), &allowed.filter).map_err(unreadable)?;
    let code = response_code(settings, &result, &allowed.group, wanted.offset);
    note_offsets(broker, settings, peer, wanted, &result, code, turn);
    let waits = code == ResponseCode::PULL_NOT_FOUND
        && turn == Turn::First
        && wanted.sys_flag & pull_sys_flag::SUSPEND != 0;
    let wait = if waits { Some(Wait::of(settings, wanted)?) } else { None };
    Ok(Looked { result, code, wait })
}

/// Parks the pull or answers it, at once where that takes no reading from the disk.
fn settle(
    broker: &Arc<Broker>,
    settings: &BrokerSettings,
    call: &mut Call,
    allowed: Allowed,
    looked: Looked,
) -> Result<Outcome, Refusal> {
    let Looked { result, code, wait } = looked;
    // Where no more may wait it is answered.
    if let Some(taken) = wait.and_then(|wait| wait.park(broker, call, &allowed.filter).ok()) {
        return Ok(Outcome::Later(taken));
    }
    if code != ResponseCode::SUCCESS {
        return Ok(Outcome::Now(reply(settings, &allowed, code, &result)));
    }
    if result.resident {
        let reply = reply(settings, &allowed, code, &result);
        let pieces = result.into_pieces(|bytes| call.peer().writes_in_place(bytes)).map_err(unreadable)?;
        return Ok(Outcome::Now(with_messages(reply, body(pieces))));
    }
    let cold_broker = broker.clone();
    broker.disk_pool.run(call, move |_| {
        let result = result.load().map_err(unreadable)?;
        let reply = reply(&cold_broker.settings(), &allowed, code, &result);
        // Copied: by the time they are sent the pages may be gone again.
        let messages = result.into_copy().map_err(unreadable)?;
        Ok(Outcome::Now(with_messages(reply, messages.into())))
    })
}

/// Where an admin has set the group to, once.
fn reset_offset(broker: &Broker, settings: &BrokerSettings, wanted: &Wanted<'_>) -> Option<i64> {
    let offset = broker.offsets.query_then_erase_reset(wanted.group, wanted.topic, wanted.queue_id);
    offset.filter(|_| settings.broker.use_server_side_reset_offset)
}

/// The fields that Java unboxes once the pull is allowed.
struct Wanted<'a> {
    topic: &'a str,
    group: &'a str,
    queue_id: i32,
    offset: i64,
    commit_offset: Option<i64>,
    count_max: usize,
    sys_flag: i32,
    suspend_timeout_ms: Option<i64>,
}

impl<'a> Wanted<'a> {
    fn read(header: &PullMessageRequestHeader<'a>) -> Result<Wanted<'a>, Refusal> {
        Ok(Wanted {
            topic: required(header.topic, "topic")?,
            group: required(header.consumer_group, "consumerGroup")?,
            queue_id: required(header.queue_id, "queueId")?,
            offset: required(header.queue_offset, "queueOffset")?,
            commit_offset: header.commit_offset,
            count_max: usize::try_from(required(header.max_msg_nums, "maxMsgNums")?).unwrap_or(0),
            sys_flag: required(header.sys_flag, "sysFlag")?,
            suspend_timeout_ms: header.suspend_timeout_ms,
        })
    }

    fn get_request(&self) -> GetRequest<'a> {
        GetRequest {
            topic: self.topic,
            queue_id: self.queue_id,
            offset: self.offset,
            count_max: self.count_max,
            // Java has a field for it, `maxMsgBytes`, that it does not look at.
            bytes_max: PULL_BYTES_MAX,
        }
    }
}

/// Java: `composeResponseHeader`, the code.
fn response_code(
    settings: &BrokerSettings,
    result: &GetMessageResult,
    group: &SubscriptionGroupConfig,
    offset: i64,
) -> ResponseCode {
    use GetMessageStatus::*;
    let code = match result.status {
        Found => ResponseCode::SUCCESS,
        MessageWasRemoving | NoMatchedMessage => ResponseCode::PULL_RETRY_IMMEDIATELY,
        NoMatchedLogicQueue | NoMessageInQueue if offset != 0 => ResponseCode::PULL_OFFSET_MOVED,
        NoMatchedLogicQueue | NoMessageInQueue | OffsetFoundNull | OffsetOverflowOne => {
            ResponseCode::PULL_NOT_FOUND
        }
        OffsetOverflowBadly | OffsetTooSmall => ResponseCode::PULL_OFFSET_MOVED,
    };
    if code != ResponseCode::PULL_OFFSET_MOVED {
        return code;
    }
    let (next, min, max) = (result.next_begin_offset, result.min_offset, result.max_offset);
    tracing::warn!(
        "PULL_OFFSET_MOVED: {} asked for {offset}, is moved to {next} of {min}..{max}",
        group.group_name
    );
    // A slave leaves the correction to the master that it sends the consumer to.
    if settings.store.is_slave() && !settings.store.offset_check_in_slave {
        return ResponseCode::PULL_RETRY_IMMEDIATELY;
    }
    code
}

fn reply(
    settings: &BrokerSettings,
    allowed: &Allowed,
    code: ResponseCode,
    result: &GetMessageResult,
) -> Command {
    let suggested = match settings.broker.slave_read_enable {
        false => MASTER_ID,
        true if result.suggest_pulling_from_slave => allowed.group.which_broker_when_consume_slowly,
        true => allowed.group.broker_id,
    };
    let header = PullMessageResponseHeader {
        suggest_which_broker_id: Some(suggested),
        next_begin_offset: Some(result.next_begin_offset),
        min_offset: Some(result.min_offset),
        max_offset: Some(result.max_offset),
        topic_sys_flag: Some(allowed.topic.topic_sys_flag),
        group_sys_flag: Some(allowed.group.group_sys_flag),
        ..Default::default()
    };
    Command::response(code).with_remark(result.status.name()).with_ext(header.encode())
}

/// An admin has set the group back; the consumer is told where to go on.
fn moved_to(broker: &Broker, wanted: &Wanted<'_>, offset: i64) -> GetMessageResult {
    let (min_offset, max_offset) = (
        broker.store.min_offset_in_queue(wanted.topic, wanted.queue_id),
        broker.store.max_offset_in_queue(wanted.topic, wanted.queue_id),
    );
    GetMessageResult::empty(GetMessageStatus::OffsetOverflowBadly, offset, min_offset, max_offset)
}

fn body(pieces: Vec<Piece>) -> remoting::Body {
    let segment = |piece| match piece {
        Piece::Mapped(range) => Bytes::from_owner(range.for_socket()),
        Piece::Copied(records) => Bytes::from(records),
    };
    pieces.into_iter().map(segment).collect()
}

/// None of the messages may have turned out to be readable: then the consumer goes on behind them.
fn with_messages(reply: Command, body: remoting::Body) -> Command {
    if body.is_empty() {
        let mut reply = reply.with_remark(GetMessageStatus::NoMatchedMessage.name());
        reply.code = ResponseCode::PULL_RETRY_IMMEDIATELY.0;
        return reply;
    }
    reply.with_body(body)
}

/// Java: `updateBroadcastPulledOffset`, `tryCommitOffset`.
fn note_offsets(
    broker: &Broker,
    settings: &BrokerSettings,
    peer: &Peer,
    wanted: &Wanted<'_>,
    result: &GetMessageResult,
    code: ResponseCode,
    turn: Turn,
) {
    let (group, topic, queue_id) = (wanted.group, wanted.topic, wanted.queue_id);
    if settings.broker.enable_broadcast_offset_store
        && let Some(client_id) = broker.clients.broadcasting_client(group, peer.id())
    {
        let is_moved = code == ResponseCode::PULL_OFFSET_MOVED;
        let offset = if is_moved { result.next_begin_offset } else { wanted.offset };
        broker.broadcast_offsets.update(topic, group, client_id, queue_id, offset);
    }
    broker.offsets.commit_pull(group, topic, queue_id, result.next_begin_offset);
    if turn == Turn::First
        && wanted.sys_flag & pull_sys_flag::COMMIT_OFFSET != 0
        && let Some(offset) = wanted.commit_offset
    {
        // Where there is no room for it, the pull is answered nevertheless.
        let _ = broker.offsets.commit(&peer.remote_addr(), group, topic, queue_id, offset);
    }
}

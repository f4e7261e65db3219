//! Replies to requests among clients: 324 and 325. Java: `ReplyMessageProcessor`.

use super::send::{Sent, header_v1, header_v2, sent_ext};
use crate::broker::Broker;
use crate::calls::CALL_TIMEOUT;
use crate::safety::{Waiting, safety_policy};
use bytes::Bytes;
use message::{Message, Properties, id, property};
use remoting::header::required;
use remoting::header::send::{
    ReplyMessageRequestHeader, SendMessageRequestHeader, SendMessageResponseHeader,
};
use remoting::{Call, Command, ExtFields, Outcome, Peer, Refusal, RequestCode, ResponseCode};
use std::borrow::Cow;
use std::sync::Arc;
use store::Appended;

/// Sends a reply on to the producer that waits for it, and stores it if `storeReplyMessageEnable` says so. Refused as a
/// send is; SYSTEM_ERROR if the producer cannot be reached. Java: `ReplyMessageProcessor`.
pub fn send_reply_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    reply(broker, call, header_v1)
}

/// As [`send_reply_message`], with the one-letter header.
pub fn send_reply_message_v2(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    reply(broker, call, header_v2)
}

fn reply(
    broker: &Arc<Broker>,
    call: &mut Call,
    decode: impl Fn(&ExtFields) -> SendMessageRequestHeader<'_>,
) -> Result<Outcome, Refusal> {
    let header = decode(&call.request.ext);
    required(header.topic, "topic")?;
    if call.request.body.is_empty() {
        return Err(Refusal::missing("body"));
    }
    let settings = &*broker.settings();
    let target = Sent { broker, settings, call, header }.check();
    let target = target.map_err(|refusal| refusal.with_ext(sent_ext(settings, ExtFields::empty())))?;
    let mut properties = Properties::parse(header.properties.unwrap_or_default());
    properties.put(property::MSG_REGION, &settings.broker.region_id);
    properties.put(property::TRACE_SWITCH, if settings.broker.trace_on { "true" } else { "false" });
    let stored = match settings.broker.store_reply_message_enable {
        true => Some(stored(broker, call.peer(), &header, target.queue_id, properties.encode())?),
        false => None,
    };
    let push = Push::of(broker, call, &header, properties);
    let work = push_and_store(broker.clone(), push, stored, call.request.body.bytes(), target.queue_id);
    broker.calls.answer_with(&broker.runtime, call, work)
}

/// The answer: whether the reply was pushed, and where it is stored.
async fn push_and_store(
    broker: Arc<Broker>,
    push: Push,
    stored: Option<Message<'static>>,
    body: Bytes,
    queue_id: i32,
) -> Command {
    let reply = match push.send().await {
        Ok(()) => Command::success(),
        Err(remark) => {
            tracing::warn!("{remark}");
            Command::response(ResponseCode::SYSTEM_ERROR).with_remark(remark)
        }
    };
    let appended = match stored {
        Some(message) => store(&broker, Message { body: &body, ..message }).await,
        None => None,
    };
    let msg_id = match appended {
        Some(appended) => id::offset_message_id(broker.store_host, appended.physical_offset),
        // Clients expect an id wherever the answer is good.
        None => "0".to_owned(),
    };
    let header = match appended.is_some() || reply.response_code() == ResponseCode::SUCCESS {
        true => SendMessageResponseHeader {
            msg_id: Some(&msg_id),
            queue_id: Some(queue_id),
            queue_offset: Some(appended.map_or(0, |appended| appended.queue_offset)),
            ..Default::default()
        },
        false => SendMessageResponseHeader::default(),
    };
    reply.with_ext(sent_ext(&broker.settings(), header.encode()))
}

/// A reply on its way to the client that waits for it.
struct Push {
    to: Result<(String, Arc<Peer>), String>,
    pushed: Command,
}

impl Push {
    fn of(
        broker: &Broker,
        call: &Call,
        header: &SendMessageRequestHeader<'_>,
        mut properties: Properties,
    ) -> Push {
        let now_ms = broker.clock.wall_ms();
        let to = match properties.get(property::MESSAGE_REPLY_TO_CLIENT) {
            None => {
                let name = property::MESSAGE_REPLY_TO_CLIENT;
                Err(format!("reply message properties[{name}] is null"))
            }
            Some(client_id) => match broker.clients.producer_peer(client_id) {
                None => Err(format!("push reply message fail, channel of <{client_id}> not found.")),
                Some(peer) => Ok((client_id.to_owned(), peer)),
            },
        };
        properties.put(property::PUSH_REPLY_TIME, &now_ms.to_string());
        let (born_host, store_host) = (call.peer().socket_addr().to_string(), broker.store_host.to_string());
        let pushed = ReplyMessageRequestHeader {
            producer_group: header.producer_group,
            topic: header.topic,
            default_topic: header.default_topic,
            default_topic_queue_nums: header.default_topic_queue_nums,
            queue_id: header.queue_id,
            sys_flag: header.sys_flag,
            born_timestamp_ms: header.born_timestamp_ms,
            flag: header.flag,
            properties: Some(&properties.encode()),
            reconsume_times: header.reconsume_times,
            unit_mode: header.unit_mode.unwrap_or(false),
            born_host: Some(&born_host),
            store_host: Some(&store_host),
            store_timestamp_ms: now_ms,
            ..Default::default()
        };
        let pushed = Command::request(RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT, pushed.encode());
        Push { to, pushed: pushed.with_body(call.request.body.clone()) }
    }

    /// Ends when the client has the reply; the error is the answer's remark.
    async fn send(self) -> Result<(), String> {
        let (client_id, peer) = self.to?;
        let failed = || format!("push reply message to {client_id}fail.");
        let answer = peer.call(self.pushed, CALL_TIMEOUT).await.map_err(|error| {
            tracing::warn!("reply to {client_id}: {error}");
            failed()
        })?;
        match answer.response_code() {
            ResponseCode::SUCCESS => Ok(()),
            _ => Err(failed()),
        }
    }
}

/// The reply as it is stored, but for its body. It loses its sysFlag, as in Java.
fn stored(
    broker: &Broker,
    peer: &Peer,
    header: &SendMessageRequestHeader<'_>,
    queue_id: i32,
    properties: String,
) -> Result<Message<'static>, Refusal> {
    Ok(Message {
        topic: Cow::Owned(required(header.topic, "topic")?.to_owned()),
        queue_id,
        flag: required(header.flag, "flag")?,
        sys_flag: 0,
        born_timestamp_ms: required(header.born_timestamp_ms, "bornTimestamp")?,
        born_host: peer.socket_addr(),
        store_host: broker.store_host,
        reconsume_times: header.reconsume_times.unwrap_or(0),
        prepared_transaction_offset: 0,
        body: &[],
        properties: Cow::Owned(properties),
    })
}

/// A reply that cannot be stored has been pushed all the same.
async fn store(broker: &Broker, message: Message<'_>) -> Option<Appended> {
    let wait = property::find(&message.properties, property::WAIT_STORE_MSG_OK);
    let waits = wait.is_none_or(|wait| wait.eq_ignore_ascii_case("true"));
    let appended = broker.store.append(&message).inspect_err(|error| {
        tracing::warn!("a reply in {} is not stored: {error:?}", message.topic);
    });
    let appended = appended.ok()?;
    if let Some(policy) = safety_policy(&broker.settings().store).filter(|_| waits) {
        let (done, safe) = tokio::sync::oneshot::channel();
        broker.waiting.when_safe(appended.end_offset(), policy, Waiting::Task(done));
        // Safe or not, the answer is the same.
        let _ = safe.await;
    }
    Some(appended)
}

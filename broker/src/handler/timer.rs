//! Messages with a delivery time of their own: recalls, and what slaves ask for.

use super::UNSET_REMARK;
use crate::broker::Broker;
use crate::config::BrokerSettings;
use crate::safety::{LateReply, Waiting, safety_policy};
use crate::timer::{RecallHandle, Timer};
use crate::topics::perm;
use message::property::{
    BORN_TIMESTAMP, MSG_REGION, PRODUCER_GROUP, TAGS, TIMER_DEL_UNIQKEY, TIMER_DELIVER_MS, UNIQ_KEY,
};
use message::{Message, property};
use remoting::header::required;
use remoting::header::send::{RecallMessageRequestHeader, RecallMessageResponseHeader};
use remoting::{Call, Command, ExtFields, Outcome, Peer, Refusal, ResponseCode};
use std::sync::Arc;
use store::Appended;

/// Java: `RECALL_MESSAGE_TAG`.
const RECALL_TAG: &str = "_RECALL_TAG_";

/// How far the delay levels' queues are delivered, which slaves copy.
pub fn get_all_delay_offset(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(Command::success().with_body(broker.delays.schedule.to_json())))
}

/// Java: `RecallMessageProcessor`.
pub fn recall_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = RecallMessageRequestHeader::decode(&call.request.ext);
    let topic = required(header.topic, "topic")?;
    let settings = &*broker.settings();
    let with_region = |mut ext: ExtFields| {
        ext.push(MSG_REGION, &settings.broker.region_id);
        ext
    };
    let recalled = handle_of(broker, settings, topic, header.recall_handle.unwrap_or_default())
        .and_then(|handle| Ok((put_recall(broker, call.peer(), &header, &handle)?, handle)));
    let (appended, handle) =
        recalled.map_err(|refusal| refusal.with_ext(with_region(ExtFields::with_capacity(64))))?;
    let header = RecallMessageResponseHeader { msg_id: Some(&handle.uniq_key), ..Default::default() };
    let ext = with_region(header.encode());
    let reply = Command::success().with_remark(UNSET_REMARK).with_ext(ext);
    let Some(policy) = safety_policy(&settings.store) else { return Ok(Outcome::Now(reply)) };
    let (responder, taken) = call.take_responder();
    // A disk that takes too long is no failure here.
    let late = LateReply { responder, reply, tells_outcome: false };
    broker.waiting.when_safe(appended.end_offset(), policy, Waiting::Reply(late));
    Ok(Outcome::Later(taken))
}

/// The handle, if the message that it names can be recalled.
fn handle_of(
    broker: &Broker,
    settings: &BrokerSettings,
    topic: &str,
    handle: &str,
) -> Result<RecallHandle<'static>, Refusal> {
    let refuse = |code, remark: &str| Err(Refusal::new(code, remark.to_owned()));
    let BrokerSettings { broker: config, store, identity, .. } = settings;
    if !config.recall_message_enable {
        return refuse(ResponseCode::NO_PERMISSION, "recall failed, operation is forbidden");
    }
    let not_here = "recall failed, broker service not available";
    if store.is_slave() {
        return refuse(ResponseCode::SLAVE_NOT_AVAILABLE, not_here);
    }
    let is_early = broker.clock.wall_ms() < config.start_accept_send_request_time_stamp_ms;
    let is_writeable = perm::is_writeable(config.broker_permission);
    if is_early || !(is_writeable || config.allow_recall_when_broker_not_writeable) {
        return refuse(ResponseCode::SERVICE_NOT_AVAILABLE, not_here);
    }
    if broker.topics.find(topic).is_none() {
        let remark = format!("recall failed, the topic[{topic}] not exist");
        return Err(Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark));
    }
    let Some(handle) = RecallHandle::decode(handle) else {
        return refuse(ResponseCode::ILLEGAL_OPERATION, "recall handle is invalid");
    };
    if handle.topic != topic {
        return refuse(ResponseCode::ILLEGAL_OPERATION, "recall failed, topic not match");
    }
    if handle.broker_name != identity.broker_name {
        return refuse(ResponseCode::ILLEGAL_OPERATION, not_here);
    }
    let left_ms = handle.deliver_ms.parse().unwrap_or(-1_i64).saturating_sub(broker.clock.wall_ms());
    let max_ms = store.timer_max_delay_sec.saturating_mul(1000);
    if left_ms <= 0 || left_ms >= max_ms {
        return refuse(ResponseCode::ILLEGAL_OPERATION, "recall failed, timestamp invalid");
    }
    Ok(handle)
}

/// A recall is a message that meets the one it recalls in its slot of the wheel.
fn put_recall(
    broker: &Broker,
    peer: &Peer,
    header: &RecallMessageRequestHeader<'_>,
    handle: &RecallHandle<'_>,
) -> Result<Appended, Refusal> {
    let failed = || Refusal::new(ResponseCode::SYSTEM_ERROR, "recall failed, execute error");
    let now_ms = broker.clock.wall_ms();
    let timer: &Timer = broker.delays.timer.as_ref().ok_or_else(failed)?;
    let mut properties = String::new();
    for (name, value) in [
        (TIMER_DEL_UNIQKEY, &*timer.delete_key(&handle.topic, &handle.uniq_key)),
        (UNIQ_KEY, &handle.uniq_key),
        (TIMER_DELIVER_MS, &handle.deliver_ms),
        (BORN_TIMESTAMP, &now_ms.to_string()),
        (PRODUCER_GROUP, header.producer_group.unwrap_or_default()),
        (TAGS, RECALL_TAG),
    ] {
        property::append(&mut properties, name, value);
    }
    let message = Message {
        topic: handle.topic.as_ref().into(),
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: now_ms,
        born_host: peer.socket_addr(),
        store_host: broker.store_host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"0",
        properties: properties.into(),
    };
    broker.delays.append(&broker.store, message).map_err(|error| {
        tracing::warn!("{} is not recalled: {error}", handle.uniq_key);
        failed()
    })
}

/// Java: `AdminBrokerProcessor.getTimerCheckPoint`.
pub fn get_timer_check_point(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    let timer = broker.delays.timer.as_ref();
    let missing = || Refusal::new(ResponseCode::SYSTEM_ERROR, "The checkpoint is null");
    let checkpoint = timer.ok_or_else(missing)?.checkpoint();
    Ok(Outcome::Now(Command::success().with_body(checkpoint.encode().to_vec())))
}

/// Java: `AdminBrokerProcessor.getTimerMetrics`.
pub fn get_timer_metrics(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    let missing = || Refusal::new(ResponseCode::SYSTEM_ERROR, "The timer message store is null");
    let timer = broker.delays.timer.as_ref().ok_or_else(missing)?;
    Ok(Outcome::Now(Command::success().with_body(timer.metrics_json())))
}

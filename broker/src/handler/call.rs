//! What others ask of a client, passed on to it: 223, 307 and 309. Java: `AdminBrokerProcessor`, `Broker2Client`.

use super::{UNSET_REMARK, unreadable};
use crate::broker::Broker;
use crate::calls::{CALL_TIMEOUT, version};
use crate::clients::Client;
use message::id;
use remoting::body::{GetConsumerStatusBody, MessageQueue};
use remoting::header::client::{
    ConsumeMessageDirectlyResultRequestHeader, GetConsumerRunningInfoRequestHeader,
    GetConsumerStatusRequestHeader,
};
use remoting::header::required;
use remoting::{Body, Call, Command, ExtFields, Outcome, Refusal, RequestCode, ResponseCode, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Java: `Broker2Client.getConsumeStatus`.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks a consumer how it does, and passes its answer on. Refused if it is not connected or too old; CONSUME_MSG_TIMEOUT
/// if it does not answer.
pub fn get_consumer_running_info(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetConsumerRunningInfoRequestHeader::decode(&call.request.ext);
    let consumer = Consumer::find(broker, header.consumer_group, header.client_id)?;
    let asked = Command::request(RequestCode::GET_CONSUMER_RUNNING_INFO, call.request.ext.clone())
        .with_body(call.request.body.clone());
    broker.calls.answer_with(&broker.runtime, call, consumer.call(asked))
}

/// Has a consumer consume the message of an id, and passes its answer on. Refused as
/// [`get_consumer_running_info`], and where no such message is stored.
pub fn consume_message_directly(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = ConsumeMessageDirectlyResultRequestHeader::decode(&call.request.ext);
    let topic = header.topic.and_then(|topic| broker.topics.find(topic));
    let group =
        header.consumer_group.filter(|group| !group.is_empty()).and_then(|group| broker.groups.find(group));
    let passed_on = ConsumeMessageDirectlyResultRequestHeader {
        broker_name: Some(&broker.settings().identity.broker_name),
        topic_sys_flag: topic.map(|topic| topic.topic_sys_flag).or(header.topic_sys_flag),
        group_sys_flag: group.map(|group| group.group_sys_flag).or(header.group_sys_flag),
        ..header
    };
    let message = message(broker, required(header.msg_id, "msgId")?)?;
    let consumer = Consumer::find(broker, header.consumer_group, header.client_id)?;
    let ext = replaced(&call.request.ext, &passed_on.encode());
    let asked = Command::request(RequestCode::CONSUME_MESSAGE_DIRECTLY, ext).with_body(message);
    broker.calls.answer_with(&broker.runtime, call, consumer.call(asked))
}

/// The stored record, copied: where it lies it may go while the client takes its time.
fn message(broker: &Broker, msg_id: &str) -> Result<Body, Refusal> {
    let (_, offset) = id::parse_offset_message_id(msg_id).ok_or_else(|| Refusal::missing("msgId"))?;
    let record = broker.store.look_message_by_offset(offset).map_err(unreadable)?;
    record.map(Body::from).ok_or_else(|| {
        Refusal::new(ResponseCode::SYSTEM_ERROR, format!("can not find message by the offset, {offset}"))
    })
}

/// `ext` with the fields of `changes` in place of its own.
fn replaced(ext: &ExtFields, changes: &ExtFields) -> ExtFields {
    let mut out = ExtFields::empty();
    let kept = ext.iter().filter(|(key, _)| changes.get(key).is_none());
    for (key, value) in kept.chain(changes.iter()) {
        out.push(key, value);
    }
    out
}

/// A consumer to pass a request on to.
struct Consumer {
    group: String,
    client: Client,
}

impl Consumer {
    fn find(broker: &Broker, group: Option<&str>, client_id: Option<&str>) -> Result<Consumer, Refusal> {
        let failed = |remark| Refusal::new(ResponseCode::SYSTEM_ERROR, remark);
        let (group, client_id) = (required(group, "consumerGroup")?, client_id.unwrap_or("null"));
        let client = broker.clients.consumer(group, client_id);
        let client =
            client.ok_or_else(|| failed(format!("The Consumer <{group}> <{client_id}> not online")))?;
        if client.version < version::V3_1_8_SNAPSHOT {
            let remark = format!(
                "The Consumer <{client_id}> Version <{}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT",
                version::name_of_old(client.version)
            );
            return Err(failed(remark));
        }
        Ok(Consumer { group: group.to_owned(), client })
    }

    /// The client's answer, whatever it is. Java: `callConsumer`.
    async fn call(self, call: Command) -> Command {
        let Consumer { group, client } = self;
        // Java waits for its whole time where the client has gone meanwhile, and says the same.
        client.peer.call(call, CALL_TIMEOUT).await.unwrap_or_else(|error| {
            let (id, addr) = (&client.client_id, client.peer.remote_addr());
            tracing::warn!("the consumer {id} of {group}: {error}");
            let remark = format!(
                "consumer <{group}> <{id}> Timeout: RemotingTimeoutException: wait response on the channel </{addr}> \
                 timeout, {}(ms)",
                CALL_TIMEOUT.as_millis()
            );
            Refusal::new(ResponseCode::CONSUME_MSG_TIMEOUT, remark).into()
        })
    }
}

/// Asks a group's clients, or one of them, how far each is. Refused if the group has none.
pub fn invoke_broker_to_get_consumer_status(
    broker: &Arc<Broker>,
    call: &mut Call,
) -> Result<Outcome, Refusal> {
    let header = GetConsumerStatusRequestHeader::decode(&call.request.ext);
    let group = required(header.group, "group")?;
    let clients = broker.clients.consumers(group).ok_or_else(|| Refusal::missing("group"))?;
    let wanted = header.client_addr.filter(|id| !id.trim().is_empty()).map(str::to_owned);
    let passed_on = GetConsumerStatusRequestHeader { client_addr: None, ..header };
    let asked = Command::request(RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT, passed_on.encode());
    broker.calls.answer_with(&broker.runtime, call, statuses(clients, wanted, asked))
}

/// Asks one client after the other; those that do not answer are left out. Java: `getConsumeStatus`.
async fn statuses(clients: Vec<Client>, wanted: Option<String>, call: Command) -> Command {
    let mut body = GetConsumerStatusBody::default();
    for client in clients {
        if let Err(refusal) = version::require_v3_0_7(client.version) {
            return refusal.into();
        }
        if wanted.as_ref().is_some_and(|wanted| *wanted != client.client_id) {
            continue;
        }
        match status(&client, call.clone()).await {
            Ok(Some(status)) => drop(body.consumer_table.insert(client.client_id, status)),
            Ok(None) => {}
            Err(error) => tracing::error!("no status from the consumer {}: {error}", client.client_id),
        }
        if wanted.is_some() {
            break;
        }
    }
    Command::success().with_remark(UNSET_REMARK).with_body(json::to_bytes(&body))
}

async fn status(client: &Client, call: Command) -> Result<Option<BTreeMap<MessageQueue, i64>>, String> {
    let answer = client.peer.call(call, STATUS_TIMEOUT).await.map_err(|error| error.to_string())?;
    if answer.response_code() != ResponseCode::SUCCESS || answer.body.is_empty() {
        return Ok(None);
    }
    let body = json::from_slice::<GetConsumerStatusBody>(&answer.body.bytes());
    body.map(|body| Some(body.message_queue_table)).map_err(|error| error.to_string())
}

//! The requests, as Java's client sends them: what stands in `extFields`, and the body of a batch.

use crate::wire::request;

const SEND_MESSAGE_V2: i32 = 310;
const SEND_BATCH_MESSAGE: i32 = 320;
const UPDATE_AND_CREATE_TOPIC: i32 = 17;
pub const PULL_MESSAGE: i32 = 11;
pub const GET_MAX_OFFSET: i32 = 30;
pub const GET_MIN_OFFSET: i32 = 31;

/// A message is acknowledged when the configured flush mode says so; and it has a tag.
const PROPERTIES: &str = "WAIT\u{1}true\u{2}TAGS\u{1}load";
/// The same inside a JSON text.
const PROPERTIES_JSON: &str = "WAIT\\u0001true\\u0002TAGS\\u0001load";

/// What a pull asks for (`PullSysFlag`): the subscription is in the request.
const FLAG_SUBSCRIPTION: u32 = 1 << 2;
/// And: let it wait at the broker while there is nothing.
const FLAG_SUSPEND: u32 = 1 << 1;

/// A topic's name and queue.
#[derive(Clone, Copy)]
pub struct Queue<'a> {
    pub topic: &'a str,
    pub id: u32,
}

/// `messages` is 1, or the number of those in a body made by [`batch`]. `born_ms` is the sender's time.
pub fn send(out: &mut Vec<u8>, opaque: i32, queue: Queue<'_>, born_ms: i64, messages: u32, body: &[u8]) {
    let (topic, id, is_batch) = (queue.topic, queue.id, messages > 1);
    let code = if is_batch { SEND_BATCH_MESSAGE } else { SEND_MESSAGE_V2 };
    let fields = format!(
        "\"a\":\"loadgen_producer\",\"b\":\"{topic}\",\"c\":\"TBW102\",\"d\":\"4\",\"e\":\"{id}\",\"f\":\"0\",\
         \"g\":\"{born_ms}\",\"h\":\"0\",\"i\":\"{PROPERTIES_JSON}\",\"j\":\"0\",\"k\":\"false\",\"m\":\"{is_batch}\""
    );
    request(out, code, opaque, &fields, body);
}

/// The body of a batch: size, magic, CRC, flag, body and properties of each message (`MessageDecoder.encodeMessages`).
pub fn batch(messages: u32, body: &[u8]) -> Vec<u8> {
    let size = 20 + body.len() + 2 + PROPERTIES.len();
    let mut out = Vec::with_capacity(size * messages as usize);
    for _ in 0..messages {
        out.extend_from_slice(&(size as u32).to_be_bytes());
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(&(PROPERTIES.len() as u16).to_be_bytes());
        out.extend_from_slice(PROPERTIES.as_bytes());
    }
    out
}

/// `waits`: at the end of the queue the broker keeps the request for up to 15 s.
pub fn pull(out: &mut Vec<u8>, opaque: i32, queue: Queue<'_>, offset: i64, messages_max: u32, waits: bool) {
    let (topic, id) = (queue.topic, queue.id);
    let flags = FLAG_SUBSCRIPTION | if waits { FLAG_SUSPEND } else { 0 };
    let fields = format!(
        "\"consumerGroup\":\"loadgen_consumer\",\"topic\":\"{topic}\",\"queueId\":\"{id}\",\"queueOffset\":\"{offset}\",\
         \"maxMsgNums\":\"{messages_max}\",\"sysFlag\":\"{flags}\",\"commitOffset\":\"0\",\
         \"suspendTimeoutMillis\":\"15000\",\"subscription\":\"*\",\"subVersion\":\"0\",\"expressionType\":\"TAG\""
    );
    request(out, PULL_MESSAGE, opaque, &fields, &[]);
}

/// The first or the end offset of a queue: [`GET_MIN_OFFSET`], [`GET_MAX_OFFSET`].
pub fn offset(out: &mut Vec<u8>, code: i32, queue: Queue<'_>) {
    request(out, code, 1, &format!("\"topic\":\"{}\",\"queueId\":\"{}\"", queue.topic, queue.id), &[]);
}

/// A topic that can be read and written. Returns the code asked.
pub fn create_topic(out: &mut Vec<u8>, opaque: i32, topic: &str, queues: u32) -> i32 {
    let fields = format!(
        "\"topic\":\"{topic}\",\"defaultTopic\":\"TBW102\",\"readQueueNums\":\"{queues}\",\
         \"writeQueueNums\":\"{queues}\",\"perm\":\"6\",\"topicFilterType\":\"SINGLE_TAG\",\"topicSysFlag\":\"0\",\
         \"order\":\"false\""
    );
    request(out, UPDATE_AND_CREATE_TOPIC, opaque, &fields, &[]);
    UPDATE_AND_CREATE_TOPIC
}

//! What the broker does for each request code; a function is named as the code's constant in Java, in lower case.
//!
//! A handler decodes its typed header, asks the tables or the store, and says what becomes of the request. Where its row
//! does not say otherwise it runs on the connection's task and never waits: what must wait is parked and answers later.

pub mod call;
pub mod client;
pub mod end_transaction;
pub mod group;
pub mod offset;
pub mod pull;
pub mod query;
pub mod queue;
pub mod reply;
pub mod reset;
pub mod runtime_info;
pub mod send;
pub mod send_back;
pub mod settings;
pub mod stats;
pub mod store;
pub mod timer;
pub mod topic;

use crate::broker::Broker;
use crate::persister::ConfigTable;
use crate::topic_validator;
use ::store::AccessError;
use remoting::body::{DataVersion, MessageQueue};
use remoting::command::UNSET_REMARK;
use remoting::header::offset::OffsetResponseHeader;
use remoting::header::required;
use remoting::json::{self, JsonError};
use remoting::{Call, Command, ExtFields, Outcome, Refusal, ResponseCode};
use std::sync::Arc;

/// Behind remarks that name a missing topic or group. Java: `FAQUrl.suggestTodo`.
pub const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

/// A body in JSON; an absent one is Java's null, which its handlers fall over.
fn json_body<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    if body.is_empty() {
        return Err(Refusal::missing("body"));
    }
    json::from_slice(body).map_err(|error: JsonError| Refusal::unreadable_body(error))
}

/// What is asked for lies where the disk cannot be read, or in a file that was cut.
fn unreadable(error: AccessError) -> Refusal {
    tracing::error!("the store cannot be read: {error}");
    Refusal::new(ResponseCode::SYSTEM_ERROR, format!("the store cannot be read: {error}"))
}

/// Answers `reply` once what changed in a table is on disk. What the disk refuses is said, though the change is there until a
/// crash, and tried again.
fn answer_when_saved(
    broker: &Broker,
    call: &mut Call,
    table: Arc<dyn ConfigTable>,
    reply: Command,
) -> Outcome {
    let (responder, taken) = call.take_responder();
    let saved = move |saved: Result<(), String>| {
        responder.respond(match saved {
            Ok(()) => reply,
            Err(error) => not_on_disk(&error).into(),
        });
    };
    broker.persister.when_saved(table, Box::new(saved));
    Outcome::Later(taken)
}

fn not_on_disk(error: &str) -> Refusal {
    let remark = format!("the change is made, but not on disk yet, which is tried again: {error}");
    Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
}

/// Which part of a table is asked for: all, of an old client. Java: `enableSplitMetadata`.
struct Page {
    data_version: Option<DataVersion>,
    seq: usize,
    max: usize,
}

impl Page {
    fn read(
        broker: &Broker,
        data_version: Option<&str>,
        seq: Option<i32>,
        max: Option<i32>,
    ) -> Result<Page, Refusal> {
        let settings = &broker.settings().broker;
        let is_old_client = data_version.is_none() && seq.is_none() && max.is_none();
        if !settings.enable_split_metadata || is_old_client {
            return Ok(Page { data_version: None, seq: 0, max: usize::MAX });
        }
        let positive = |number: i32| usize::try_from(number).unwrap_or(0);
        let max = settings.split_metadata_size.min(max.map_or(usize::MAX, positive));
        let data_version = data_version.filter(|text| !topic_validator::is_blank(text));
        let data_version = data_version.map(|text| json_body(text.as_bytes())).transpose()?;
        let seq = required(seq, "seq")?;
        let refused = |_| Refusal::new(ResponseCode::SYSTEM_ERROR, format!("no page begins at {seq}"));
        Ok(Page { data_version, seq: usize::try_from(seq).map_err(refused)?, max })
    }
}

/// A queue of this broker's.
fn message_queue(broker: &Broker, topic: &str, queue_id: i32) -> MessageQueue {
    let broker_name = broker.settings().identity.broker_name.clone();
    MessageQueue { broker_name, queue_id, topic: topic.to_owned() }
}

fn ok() -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(Command::success()))
}

/// Success of a command whose response header has no fields: Java writes an empty map.
fn ok_with_header() -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(Command::success().with_ext(ExtFields::empty())))
}

fn ok_with_body<T: serde::Serialize>(body: &T) -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(Command::success().with_body(json::to_bytes(body))))
}

fn offset_reply(offset: i64) -> Result<Outcome, Refusal> {
    let header = OffsetResponseHeader { offset: Some(offset), ..Default::default() };
    Ok(Outcome::Now(Command::success().with_ext(header.encode())))
}

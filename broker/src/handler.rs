//! What the broker does for each request code; a function is named as the code's constant in Java, in lower case.
//!
//! A handler decodes its typed header, asks the tables or the store, and says what becomes of the request. Where its row
//! does not say otherwise it runs on the connection's task and never waits: what must wait is parked and answers later.

pub mod call;
pub mod client;
pub mod end_transaction;
pub mod offset;
pub mod pull;
pub mod query;
pub mod queue;
pub mod reply;
pub mod reset;
pub mod send;
pub mod send_back;
pub mod store;
pub mod timer;
pub mod topic;

use ::store::AccessError;
use remoting::command::UNSET_REMARK;
use remoting::header::offset::OffsetResponseHeader;
use remoting::json::{self, JsonError};
use remoting::{Command, ExtFields, Outcome, Refusal, ResponseCode};

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

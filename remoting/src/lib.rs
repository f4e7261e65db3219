//! RocketMQ's wire: nothing here knows a topic's meaning, a store or a file.
#![warn(missing_docs)]

pub mod body;
pub mod client;
pub mod code;
pub mod command;
pub mod connection;
pub mod ext_fields;
pub mod frame;
pub mod header;
pub mod json;
pub mod netty;
mod preamble;
pub mod refusal;
pub mod server;
pub mod tls;

pub use code::{RequestCode, ResponseCode};
pub use command::{Body, Codec, Command, Language};
pub use connection::{CallError, Outcome, Peer, Service};
pub use ext_fields::ExtFields;
pub use refusal::Refusal;

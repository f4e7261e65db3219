//! RocketMQ's wire: nothing here knows a topic's meaning, a store or a file.
#![warn(missing_docs)]

pub mod body;
pub mod client;
pub mod code;
pub mod command;
pub mod connection;
pub mod disk_pool;
pub mod ext_fields;
pub mod frame;
pub mod header;
pub mod json;
pub mod netty;
mod preamble;
pub mod refusal;
pub mod server;
pub mod table;
pub mod tls;

pub use code::{RequestCode, ResponseCode};
pub use command::{Body, Codec, Command, Language};
pub use connection::{Call, CallError, Outcome, Peer, Responder, Service, Taken, Work};
pub use disk_pool::DiskPool;
pub use ext_fields::ExtFields;
pub use refusal::Refusal;

//! RocketMQ's wire: nothing here knows a topic's meaning, a store or a file.

pub mod code;
pub mod command;
pub mod ext_fields;
pub mod frame;
pub mod header;
pub mod refusal;

pub use code::{RequestCode, ResponseCode};
pub use command::{Body, Codec, Command, Language};
pub use ext_fields::ExtFields;
pub use refusal::Refusal;

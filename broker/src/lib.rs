//! The broker: `mqbroker`.

pub mod clients;
pub mod config;
pub mod locks;
pub mod long_poll;
pub mod store;
pub mod subscription;
pub mod config;
pub mod store;
pub mod attributes;
pub mod config;
#[cfg(test)]
mod golden;
pub mod groups;
pub mod offsets;
pub mod store;
mod table_file;
pub mod topic_validator;
pub mod topics;

//! The broker: `mqbroker`.

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

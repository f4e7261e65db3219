//! The broker: `mqbroker`.

pub mod config;
pub mod store;

//! The broker: `mqbroker`.

pub mod store;
pub mod config;

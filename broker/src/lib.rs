//! The broker: `mqbroker`.

pub mod config;

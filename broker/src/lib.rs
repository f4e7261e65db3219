//! The broker: `mqbroker`.

pub mod clients;
pub mod config;
pub mod locks;
pub mod long_poll;
pub mod store;
pub mod subscription;
pub mod config;
pub mod store;

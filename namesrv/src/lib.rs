//! The name server: `mqnamesrv`.

pub mod config;

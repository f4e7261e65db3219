//! The name server: `mqnamesrv`.
//!
//! - [`config`]: Java's keys.
//! - [`routes`]: the tables, without IO, clock or lock.
//! - [`kv_config`]: settings by namespace, and their file.
//! - `dispatch`, `handler`: one row and one function a request code.
//! - `registrar`: brokers that come and go, on a thread of their own.
//! - [`NameServer`] puts these together; [`start()`] gives it a socket and a pulse.
#![warn(missing_docs)]

pub mod config;
mod dispatch;
mod handler;
pub mod kv_config;
mod registrar;
pub mod routes;
mod server;
mod start;

pub use server::NameServer;
pub use start::{Running, StartError, start};

//! The name server: `mqnamesrv`.
//!
//! - [`config`]: Java's keys.
//! - [`routes`]: the tables, without IO, clock or lock.
//! - [`kv_config`]: settings by namespace, and their file.
//! - [`dispatch`], [`handler`]: one row and one function a request code.
//! - [`server`]: puts these together; [`start`] gives them a socket and a pulse.

pub mod config;
mod dispatch;
mod handler;
pub mod kv_config;
pub mod routes;
mod server;
mod start;

pub use server::NameServer;
pub use start::{Running, StartError, start};

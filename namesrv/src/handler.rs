//! One function a request code, named as the Java constant in lower case.

mod broker;
mod config;
mod kv;
mod topic;

pub use broker::*;
pub use config::*;
pub use kv::*;
pub use topic::*;

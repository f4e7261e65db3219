//! One function a request code, named as the Java constant in lower case.

mod broker;
mod config;
mod kv;
mod topic;

pub use broker::*;
pub use config::*;
pub use kv::*;
pub use topic::*;

use remoting::{Command, Outcome, Refusal};

fn now(reply: Command) -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(reply))
}

fn ok() -> Result<Outcome, Refusal> {
    now(Command::success())
}

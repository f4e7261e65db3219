//! Calls to clients, on the connections that they opened. Java: `Broker2Client`.

#[cfg(test)]
mod tests;

use remoting::{Call, Command, Outcome, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// How long a client may take to answer. Java: `Broker2Client.callClient`.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests at a time whose answers need a client's first. Java queues as many (`replyThreadPoolQueueCapacity`).
const WAITING_REQUESTS_MAX: usize = 10_000;

/// Requests whose answers need a client's first.
pub struct Calls {
    waiting: Arc<Semaphore>,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls { waiting: Arc::new(Semaphore::new(WAITING_REQUESTS_MAX)) }
    }
}

impl Calls {
    /// Answers with what `work` comes to, on a task of its own.
    pub fn answer_with(
        &self,
        runtime: &Handle,
        call: &mut Call,
        work: impl Future<Output = Command> + Send + 'static,
    ) -> Result<Outcome, Refusal> {
        let permit = self.waiting.clone().try_acquire_owned().map_err(|_| Refusal::overload())?;
        let (responder, taken) = call.take_responder();
        runtime.spawn(async move {
            let reply = work.await;
            drop(permit);
            responder.respond(reply);
        });
        Ok(Outcome::Later(taken))
    }
}

/// Ordinals of `MQVersion`: clients before these do not know the call.
pub mod version {
    use remoting::{Refusal, ResponseCode};

    /// RESET_CONSUMER_CLIENT_OFFSET and GET_CONSUMER_STATUS_FROM_CLIENT.
    const V3_0_7_SNAPSHOT: i32 = 28;
    /// GET_CONSUMER_RUNNING_INFO and CONSUME_MESSAGE_DIRECTLY.
    pub const V3_1_8_SNAPSHOT: i32 = 62;

    const V3_0_1_SNAPSHOT: i32 = 16;
    const V3_1_0_SNAPSHOT: i32 = 46;
    const OF_V3_0_0: [&str; 16] = [
        "SNAPSHOT",
        "ALPHA1",
        "BETA1",
        "BETA2",
        "BETA3",
        "BETA4",
        "BETA5",
        "BETA6_SNAPSHOT",
        "BETA6",
        "BETA7_SNAPSHOT",
        "BETA7",
        "BETA8_SNAPSHOT",
        "BETA8",
        "BETA9_SNAPSHOT",
        "BETA9",
        "FINAL",
    ];

    /// Refuses clients of before 3.0.7, with SYSTEM_ERROR and what Java says.
    pub fn require_v3_0_7(version: i32) -> Result<(), Refusal> {
        if version >= V3_0_7_SNAPSHOT {
            return Ok(());
        }
        let version = name_of_old(version);
        let remark = format!("the client does not support this feature. version={version}");
        Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark))
    }

    /// The constant's name, for versions that are too old for a call. Java: `MQVersion.getVersionDesc`.
    pub fn name_of_old(version: i32) -> String {
        if let Some(kind) = usize::try_from(version).ok().and_then(|version| OF_V3_0_0.get(version)) {
            return format!("V3_0_0_{kind}");
        }
        // A snapshot and its release take turns.
        let (minor, step) = match version < V3_1_0_SNAPSHOT {
            true => (0, version - V3_0_1_SNAPSHOT + 2),
            false => (1, version - V3_1_0_SNAPSHOT),
        };
        let kind = if step % 2 == 0 { "_SNAPSHOT" } else { "" };
        format!("V3_{minor}_{}{kind}", step / 2)
    }
}

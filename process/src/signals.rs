//! Waiting to be told to stop.

use std::fs;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals on which Java's shutdown hook runs: SIGTERM, SIGINT (Ctrl-C) and SIGHUP.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    /// `None` under `nohup`, which a handler of ours would undo.
    hang_up: Option<Signal>,
}

impl StopSignals {
    /// From here on these signals no longer end the process by themselves. Call inside a tokio runtime, before anything
    /// is started that must be stopped in good order. An error if the system takes no handler.
    pub fn install() -> io::Result<StopSignals> {
        let hang_up = if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up,
        })
    }

    /// Waits for one of them; its name, for the log.
    pub async fn wait(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hang_up => "SIGHUP",
        }
    }
}

/// The kernel's word on our own disposition: bit n-1 of `SigIgn` stands for signal n.
fn hang_up_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let bits = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    bits.is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal, raise};

    #[tokio::test]
    async fn a_signal_between_install_and_wait_is_not_lost() {
        let mut signals = StopSignals::install().unwrap();
        raise(Signal::SIGTERM).unwrap();
        assert_eq!(signals.wait().await, "SIGTERM");
    }
}

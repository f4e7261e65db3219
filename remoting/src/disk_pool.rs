//! Threads for requests that may wait for the disk, so that no connection's task does. Java: the executors of
//! `BrokerController`, one a kind of request.

use crate::connection::{Call, Outcome, Work};
use crate::refusal::Refusal;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What a pool may hold; a request beyond that is refused with `SYSTEM_BUSY`.
#[derive(Clone, Copy, Debug)]
pub struct DiskPoolLimits {
    /// Started when they are needed. As many as reads that a disk is given at a time.
    pub threads_max: usize,
    /// Requests that wait for a thread.
    pub queued_max: usize,
    /// Of those requests.
    pub queued_bytes_max: usize,
}

impl Default for DiskPoolLimits {
    fn default() -> DiskPoolLimits {
        // Java queues 10,000 to 100,000 requests of a kind.
        DiskPoolLimits { threads_max: 32, queued_max: 10_000, queued_bytes_max: 64 * 1024 * 1024 }
    }
}

/// A thread without work ends after this.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A bounded pool of threads. Dropped, it drops what waits and lets its threads finish.
#[derive(Default)]
pub struct DiskPool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    limits: DiskPoolLimits,
    state: Mutex<State>,
    /// There is work, or no more will come.
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    threads: usize,
    /// Threads that wait for work.
    idle: usize,
    /// For names of threads.
    started: u64,
    stop: bool,
}

struct Queued {
    work: Work,
    bytes: usize,
}

impl DiskPool {
    /// Without a thread yet.
    pub fn new(limits: DiskPoolLimits) -> DiskPool {
        DiskPool { shared: Arc::new(Shared { limits, ..Shared::default() }) }
    }

    /// Takes the call and has `rest` run with it on a thread of the pool.
    pub fn run(
        &self,
        call: &mut Call,
        rest: impl FnOnce(&mut Call) -> Result<Outcome, Refusal> + Send + 'static,
    ) -> Result<Outcome, Refusal> {
        let bytes = call.request.memory_bytes();
        let mut state = self.shared.state.lock();
        if !state.has_room(&self.shared.limits, bytes) || !self.has_thread_for_one_more(&mut state) {
            return Err(Refusal::overload());
        }
        let (call, taken) = call.take();
        state.queue.push_back(Queued { work: Work::new(call, rest), bytes });
        state.queued_bytes += bytes;
        drop(state);
        self.shared.wake.notify_one();
        Ok(Outcome::Later(taken))
    }

    /// Starts a thread where none would be free. False where there is none at all.
    fn has_thread_for_one_more(&self, state: &mut State) -> bool {
        if state.queue.len() < state.idle || state.threads == self.shared.limits.threads_max {
            return true;
        }
        let name = format!("DiskThread_{}", state.started + 1);
        let shared = self.shared.clone();
        match thread::Builder::new().name(name).spawn(move || shared.run()) {
            Ok(_) => {
                state.started += 1;
                state.threads += 1;
            }
            Err(error) => cannot_start(&error, state.threads),
        }
        state.threads > 0
    }
}

fn cannot_start(error: &io::Error, threads: usize) {
    tracing::error!(target: "remoting", "cannot start a thread for requests that read the disk, {threads} run: {error}");
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.stop = true;
        let dropped = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.wake.notify_all();
        drop(dropped);
    }
}

impl State {
    fn has_room(&self, limits: &DiskPoolLimits, bytes: usize) -> bool {
        self.queue.len() < limits.queued_max && self.queued_bytes + bytes <= limits.queued_bytes_max
    }
}

impl Shared {
    /// A thread.
    fn run(&self) {
        while let Some(work) = self.next() {
            let peer = work.peer().clone();
            // A request that makes a handler panic ends its connection, as it does there, and not the thread.
            if catch_unwind(AssertUnwindSafe(|| work.run())).is_err() {
                tracing::error!(target: "remoting", "a request of {} made its handler panic", peer.remote_addr());
                peer.close();
            }
        }
    }

    /// Waits for work. None: the thread is to end, and is no longer counted.
    fn next(&self) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if let Some(Queued { work, bytes }) = state.queue.pop_front() {
                state.queued_bytes -= bytes;
                return Some(work);
            }
            state.idle += 1;
            let waited = if state.stop { None } else { Some(self.wake.wait_for(&mut state, IDLE_MAX)) };
            state.idle -= 1;
            if state.queue.is_empty() && waited.is_none_or(|waited| waited.timed_out()) {
                state.threads -= 1;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests;

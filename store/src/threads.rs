//! The store's threads do not end silently: each is run again after a panic. One that panics again and again ends the store's
//! service: no more messages are taken, which nobody could read, and whoever runs the store is told.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use process::threads::Work;
use tracing::error;

use super::Shared;

/// Told once, in one line, why the store takes no more messages.
pub type OnFailed = Box<dyn FnOnce(&str) + Send>;

/// Whether messages are taken.
#[derive(Default)]
pub struct Running {
    is_on: AtomicBool,
    was_started: AtomicBool,
    is_stopping: AtomicBool,
    /// Why the store has given up.
    failure: OnceLock<String>,
    on_failed: Mutex<Option<OnFailed>>,
}

impl Running {
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub fn why_not(&self) -> &str {
        self.failure().unwrap_or("not running")
    }

    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    pub fn switch_on(&self) {
        self.was_started.store(true, Ordering::Release);
        self.is_on.store(true, Ordering::Release);
        // A thread may have been given up before.
        if self.failure.get().is_some() {
            self.is_on.store(false, Ordering::Release);
        }
    }

    /// From now on threads may end. Whether the store had been started, and not stopped since.
    pub fn stop(&self) -> bool {
        self.is_stopping.store(true, Ordering::Release);
        self.is_on.store(false, Ordering::Release);
        self.was_started.swap(false, Ordering::AcqRel)
    }

    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    pub fn when_failed(&self, hook: OnFailed) {
        *self.on_failed.lock() = Some(hook);
    }

    fn fail(&self, why: &str) {
        let is_first = self.failure.set(why.to_owned()).is_ok();
        self.is_on.store(false, Ordering::Release);
        if is_first && let Some(hook) = self.on_failed.lock().take() {
            hook(why);
        }
    }
}

/// What a thread of the store does.
pub struct StoreWork<F> {
    pub store: Arc<Shared>,
    /// How far it is.
    pub progress: fn(&Shared) -> i64,
    pub run: F,
}

impl<F: FnMut(&Shared) + Send + 'static> Work for StoreWork<F> {
    fn run(&mut self) -> bool {
        (self.run)(&self.store);
        self.store.running.is_stopping()
    }

    fn progress(&self) -> i64 {
        (self.progress)(&self.store)
    }

    fn give_up(&mut self, why: &str) -> bool {
        self.store.give_up(why);
        false
    }
}

impl Shared {
    /// Takes no more messages, and tells whoever runs the store why: only a start can put things right.
    pub fn give_up(&self, why: &str) {
        error!("no more appends: {why}");
        self.running.fail(why);
        // Whoever waits for a thread that is gone would wait in vain.
        self.safety.close();
    }
}

/// Where a test makes a thread panic; nothing outside of tests.
#[derive(Debug, Default)]
pub struct PanicPoint {
    #[cfg(any(test, feature = "testing"))]
    counts: parking_lot::Mutex<PanicCounts>,
}

/// Panics to come, and how often the place was passed without one.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct PanicCounts {
    pub to_come: u32,
    pub passed: u32,
}

impl PanicPoint {
    /// The place: panics if a test wants it to.
    pub fn pass(&self) {
        #[cfg(any(test, feature = "testing"))]
        {
            let mut counts = self.counts.lock();
            match counts.to_come.checked_sub(1) {
                None => counts.passed += 1,
                Some(fewer) => {
                    *counts = PanicCounts { to_come: fewer, passed: 0 };
                    drop(counts);
                    panic!("a panic for the test");
                }
            }
        }
    }

    /// The next so many passes panic.
    #[cfg(any(test, feature = "testing"))]
    pub fn arm(&self, panics: u32) {
        *self.counts.lock() = PanicCounts { to_come: panics, passed: 0 };
    }

    /// What there is to come, and what has passed.
    #[cfg(test)]
    pub fn counts(&self) -> PanicCounts {
        *self.counts.lock()
    }
}

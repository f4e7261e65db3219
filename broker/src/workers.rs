//! The threads of one part of the broker: they sleep, are woken, and are stopped together.

use parking_lot::{Condvar, Mutex};
use process::threads;
use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Workers {
    signal: Mutex<Signal>,
    signaled: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Signal {
    stopping: bool,
    woken: bool,
}

impl Workers {
    /// Runs `work` on a thread of its own; it must end soon once [`is_stopping`](Self::is_stopping). It is run again if it
    /// panics: timed messages and transactions must not stand still until the next start. An error if the system has
    /// no thread left.
    pub fn start(&self, name: &str, work: impl Fn() + Send + 'static) -> io::Result<()> {
        self.signal.lock().stopping = false;
        let thread = threads::spawn_untiring(name, work)?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Returns when all threads have ended.
    pub fn stop(&self) {
        self.signal.lock().stopping = true;
        self.signaled.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // It has caught its panics.
            let _ = thread.join();
        }
    }

    pub fn is_stopping(&self) -> bool {
        self.signal.lock().stopping
    }

    /// Ends the [`sleep_or_wake`](Self::sleep_or_wake) under way, or the next one.
    pub fn wake(&self) {
        self.signal.lock().woken = true;
        self.signaled.notify_all();
    }

    /// Sleeps; true if the threads are to stop, which ends it early.
    pub fn sleep(&self, duration: Duration) -> bool {
        self.sleep_until(duration, |_| false)
    }

    /// As [`sleep`](Self::sleep), until woken at most. For one thread of the part.
    pub fn sleep_or_wake(&self, duration: Duration) -> bool {
        self.sleep_until(duration, |signal| std::mem::take(&mut signal.woken))
    }

    fn sleep_until(&self, duration: Duration, mut is_over: impl FnMut(&mut Signal) -> bool) -> bool {
        let deadline = Instant::now() + duration;
        let mut signal = self.signal.lock();
        while !signal.stopping && !is_over(&mut signal) {
            if self.signaled.wait_until(&mut signal, deadline).timed_out() {
                break;
            }
        }
        signal.stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_thread_is_woken_and_stopped_before_its_time() {
        let (workers, turns) = (Arc::new(Workers::default()), Arc::new(AtomicU32::new(0)));
        // Before anybody sleeps: the first sleep ends at once.
        workers.wake();
        let (of_thread, counted) = (workers.clone(), turns.clone());
        let work = move || {
            while !of_thread.sleep_or_wake(LONG) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        };
        workers.start("woken", work).unwrap();
        let of_thread = workers.clone();
        workers.start("sleeper", move || assert!(of_thread.sleep(LONG))).unwrap();
        while turns.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert!(!workers.is_stopping());
        workers.stop();
        assert!(workers.is_stopping() && workers.sleep(LONG));
        assert_eq!(turns.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_thread_goes_on_after_a_panic() {
        let (workers, turns) = (Arc::new(Workers::default()), Arc::new(AtomicU32::new(0)));
        let (of_thread, counted) = (workers.clone(), turns.clone());
        let work = move || {
            assert!(counted.fetch_add(1, Ordering::Relaxed) > 0, "a panic for the test");
            of_thread.sleep(LONG);
        };
        workers.start("clumsy", work).unwrap();
        while turns.load(Ordering::Relaxed) < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        workers.stop();
        assert_eq!(turns.load(Ordering::Relaxed), 2);
    }
}

//! Threads that do not end silently: after a panic they go on, or those who rely on them are told.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A thread that has panicked goes on after this, as Java's threads do after any exception.
pub const PANIC_PAUSE: Duration = Duration::from_millis(200);
/// Panics in a row, without progress in between, after which a thread with an end to its patience is given up.
pub const PANICS_MAX: u32 = 5;
/// A run that lasted so long is not in a row with the one before.
const STEADY: Duration = Duration::from_secs(60);

/// Work that a thread of its own does until it is told to stop.
pub trait Work: Send + 'static {
    /// Returns once it is told to stop; whether it was. Called again after a panic, which must be fine with what it works on.
    fn run(&mut self) -> bool;

    /// Changes when the work gets on. Panics with progress in between are not in a row.
    fn progress(&self) -> i64 {
        0
    }

    /// Called instead of a further run after [`PANICS_MAX`] panics in a row, or once the work has ended without being told to;
    /// `why` is one line that names the thread. Whether it is to be run once more all the same.
    fn give_up(&mut self, why: &str) -> bool;
}

/// Starts a thread that does `work`, again after each panic, with a line in the log.
pub fn spawn(name: &str, mut work: impl Work) -> io::Result<JoinHandle<()>> {
    let of_thread = name.to_owned();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut panics = 0;
        loop {
            let (began, progress) = (Instant::now(), work.progress());
            let why = match caught(|| work.run()) {
                Ok(true) => return,
                Ok(false) => "it has ended although nobody stopped it".to_owned(),
                Err(panic) => format!("it has panicked: {panic}"),
            };
            let is_in_a_row = began.elapsed() < STEADY && work.progress() == progress;
            panics = if is_in_a_row { panics + 1 } else { 1 };
            let why = format!("the thread {of_thread}: {why}");
            tracing::error!(panics, "{why}");
            if panics >= PANICS_MAX && !work.give_up(&why) {
                return;
            }
            thread::sleep(PANIC_PAUSE);
        }
    })
}

/// As [`spawn`], and however often `work` panics it is run again. It is told to stop by other means.
pub fn spawn_untiring(name: &str, work: impl FnMut() + Send + 'static) -> io::Result<JoinHandle<()>> {
    struct Untiring<F>(F);
    impl<F: FnMut() + Send + 'static> Work for Untiring<F> {
        fn run(&mut self) -> bool {
            (self.0)();
            true
        }

        fn give_up(&mut self, _why: &str) -> bool {
            true
        }
    }
    spawn(name, Untiring(work))
}

/// Runs `work`; the error is what it panicked with.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| text_of(&*payload))
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Each step is how a run ends.
    struct Script {
        steps: Vec<Step>,
        progress: i64,
        told: Sender<String>,
    }

    #[derive(Clone, Copy)]
    enum Step {
        Panic,
        GetOnAndPanic,
        End,
        Stop,
    }

    impl Work for Script {
        fn run(&mut self) -> bool {
            match self.steps.remove(0) {
                Step::Panic => panic!("step {}", self.steps.len()),
                Step::GetOnAndPanic => {
                    self.progress += 1;
                    panic!("later");
                }
                Step::End => false,
                Step::Stop => true,
            }
        }

        fn progress(&self) -> i64 {
            self.progress
        }

        fn give_up(&mut self, why: &str) -> bool {
            self.told.send(why.to_owned()).unwrap();
            false
        }
    }

    /// What the work was told, and how many steps were left.
    fn play(steps: &[Step]) -> Vec<String> {
        let (told, tellings) = channel();
        spawn("player", Script { steps: steps.to_vec(), progress: 0, told }).unwrap().join().unwrap();
        tellings.try_iter().collect()
    }

    #[test]
    fn a_thread_goes_on_after_panics_while_it_gets_on() {
        let mut steps = vec![Step::Panic, Step::Panic, Step::Panic, Step::Panic, Step::GetOnAndPanic];
        steps.extend_from_slice(&[Step::Panic, Step::Panic, Step::Panic, Step::Stop]);
        assert_eq!(play(&steps), [""; 0]);
    }

    #[test]
    fn a_thread_that_panics_again_and_again_is_given_up() {
        let steps = [Step::Panic, Step::End, Step::Panic, Step::Panic, Step::Panic, Step::Stop];
        assert_eq!(play(&steps), ["the thread player: it has panicked: step 1"]);
        let steps = [Step::Panic, Step::Panic, Step::Panic, Step::Panic, Step::End];
        assert_eq!(play(&steps), ["the thread player: it has ended although nobody stopped it"]);
    }

    #[test]
    fn the_text_of_a_panic() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| -> i32 { panic!("a {}", "b") }), Err("a b".to_owned()));
        assert_eq!(caught(|| -> i32 { std::panic::panic_any(1) }), Err("no text".to_owned()));
    }
}

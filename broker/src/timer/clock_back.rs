//! After the wall clock was set back: the slots that it comes to once more must hold the messages that are to come, and
//! none that were delivered. Java waits until the clock is where it was, and delivers what is sent meanwhile at once.

use super::deliver::{Rolls, Stopped};
use super::{Progress, Timer};

impl Timer {
    /// Goes back to the slot that is now, if the one to be read next lies ahead. An error leaves the progress as it was:
    /// nothing may be entered before the next try.
    pub(super) fn follow_clock_back(&self) -> Result<(), Stopped> {
        let now_ms = self.slot_ms(self.clock.wall_ms());
        let read_ms = {
            let mut progress = self.progress.lock();
            // Of a backlog nothing is late that this clock has not come to.
            progress.write_ms = progress.write_ms.min(now_ms.max(progress.read_ms));
            progress.read_ms
        };
        if now_ms >= read_ms {
            return Ok(());
        }
        tracing::warn!("timed messages: the clock has gone back by {} ms", read_ms - now_ms);
        let span_ms = store::timer::span_ms(self.tick_ms);
        // Beyond it new messages could take the slots of old ones.
        let (far_ms, end_ms) = (read_ms.max(now_ms + span_ms / 2), read_ms.saturating_add(span_ms));
        self.take_out(far_ms, end_ms, now_ms)?;
        let _one_at_a_time = self.flushing.lock();
        let back = Progress { read_ms: now_ms, write_ms: now_ms, ..*self.progress.lock() };
        if !self.is_log_on_disk(&back) {
            return Err(Stopped);
        }
        for (from_ms, until_ms) in [(now_ms, read_ms), (far_ms, end_ms)] {
            self.files.empty(from_ms, until_ms).map_err(|error| {
                tracing::error!("timed messages wait, slots are not emptied: {error}");
                Stopped
            })?;
        }
        // A start would empty these slots again if the checkpoint did not know of it: so nothing is entered before it does.
        if !self.write_checkpoint(&back) {
            return Err(Stopped);
        }
        let mut progress = self.progress.lock();
        (progress.read_ms, progress.write_ms) = (now_ms, now_ms);
        Ok(())
    }

    /// Empties slots that are too far from now: what can wait so long is put into the timer's queue again, and what is
    /// later than any message can ask for is due. Delay levels go by the same rule.
    fn take_out(&self, from_ms: i64, end_ms: i64, now_ms: i64) -> Result<(), Stopped> {
        let last_ms = now_ms.saturating_add(self.max_delay_ms());
        let mut slot_ms = from_ms;
        while slot_ms < end_ms {
            let places = self.places(slot_ms)?;
            let rolls = if slot_ms <= last_ms { Rolls::All } else { Rolls::None };
            if !places.is_empty() {
                self.deliver_slot(&places, rolls)?;
            }
            slot_ms += self.tick_ms;
        }
        Ok(())
    }
}

//! Messages that are not to be seen at once: by delay level, or at a time of their own.

use crate::schedule::Schedule;
use crate::timer::Timer;
use crate::topic_validator::RMQ_SYS_WHEEL_TIMER;
use message::{Message, sys_flag};
use std::sync::Arc;
use store::{Appended, MessageStore, PutError, WheelTimerError};

/// What sends a message to the topic where it waits.
#[derive(Clone)]
pub struct Delays {
    /// For delay levels.
    pub schedule: Arc<Schedule>,
    /// None with `timerWheelEnable=false`.
    pub timer: Option<Arc<Timer>>,
}

impl Delays {
    /// Appends a message, where it waits if it is to. Java: `DefaultMessageStore.putMessage` with its hooks. Errors
    /// are those of [`MessageStore::append`], and [`PutError::WheelTimer`] for a time that is not taken.
    pub fn append(&self, store: &MessageStore, mut message: Message<'_>) -> Result<Appended, PutError> {
        self.rewrite(&mut message)?;
        store.append(&message)
    }

    /// Sends a message that is to wait to the topic where it does; leaves others alone, and those that have waited.
    /// Java: `HookUtils.handleScheduleMessage`. An error, always [`PutError::WheelTimer`], for a time that is not
    /// taken.
    pub fn rewrite(&self, message: &mut Message<'_>) -> Result<(), PutError> {
        match sys_flag::transaction(message.sys_flag) {
            sys_flag::TRANSACTION_NOT | sys_flag::TRANSACTION_COMMIT => {}
            _ => return Ok(()),
        }
        if self.schedule.rewrite(message) {
            return Ok(());
        }
        if message.topic == RMQ_SYS_WHEEL_TIMER || !crate::timer::is_timed(&message.properties) {
            return Ok(());
        }
        match &self.timer {
            Some(timer) => timer.rewrite(message),
            None => Err(WheelTimerError::NotEnable),
        }
        .map_err(PutError::WheelTimer)
    }
}

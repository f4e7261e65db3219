//! On the way into the timer's topic. Java: `HookUtils.transformTimerMessage`.

use super::Timer;
use crate::real_place;
use crate::topic_validator::RMQ_SYS_WHEEL_TIMER;
use message::property::{TIMER_DEL_UNIQKEY, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS, TIMER_OUT_MS};
use message::{Message, Properties};
use store::WheelTimerError;

impl Timer {
    /// Sends a message that asks for a time to the timer's queue, with its real topic and queue among its properties; one
    /// whose time is over stays as it is. An error for a time that is not taken.
    pub fn rewrite(&self, message: &mut Message<'_>) -> Result<(), WheelTimerError> {
        let now_ms = self.clock.wall_ms();
        let mut properties = Properties::parse(&message.properties);
        let deliver_ms = asked_ms(&properties, now_ms).ok_or(WheelTimerError::MsgIllegal)?;
        if deliver_ms <= now_ms {
            return match properties.get(TIMER_DEL_UNIQKEY) {
                Some(_) => Err(WheelTimerError::MsgIllegal),
                None => Ok(()),
            };
        }
        if deliver_ms.saturating_sub(now_ms) > self.max_delay_ms() {
            return Err(WheelTimerError::MsgIllegal);
        }
        // The slot that is over when the time has come.
        let slot_ms = self.slot_ms(deliver_ms - 1);
        if self.refuses(slot_ms) {
            return Err(WheelTimerError::FlowControl);
        }
        properties.put(TIMER_OUT_MS, &slot_ms.to_string());
        real_place::redirect(message, properties, RMQ_SYS_WHEEL_TIMER, 0);
        Ok(())
    }

    /// Too many messages want the slot: the more, the likelier. Java: `isReject`.
    fn refuses(&self, slot_ms: i64) -> bool {
        let limit = self.store.config().timer_congest_num_each_slot;
        let beyond = match self.files.count(slot_ms) {
            Ok(count) => count - limit,
            Err(error) => {
                tracing::error!("the slot of {slot_ms} takes no message: {error}");
                return true;
            }
        };
        if beyond <= 0 || beyond >= limit {
            return beyond > 0;
        }
        f64::from(fastrand::u32(..1000)) > (1000 * beyond) as f64 / (limit as f64 + 0.1)
    }
}

/// When a message asks to be delivered, in milliseconds since the epoch; none if that is no number.
fn asked_ms(properties: &Properties, now_ms: i64) -> Option<i64> {
    let number = |name: &str| properties.get(name).map(str::parse::<i64>);
    // Java's sums wrap around, and a message that asks for an age to pass is delivered at once.
    if let Some(seconds) = number(TIMER_DELAY_SEC) {
        return Some(now_ms.saturating_add(seconds.ok()?.saturating_mul(1000)));
    }
    if let Some(ms) = number(TIMER_DELAY_MS) {
        return Some(now_ms.saturating_add(ms.ok()?));
    }
    number(TIMER_DELIVER_MS)?.ok()
}

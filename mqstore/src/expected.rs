//! What the queues should say of a record.

use message::{StoredMessage, property, sys_flag, tags_code};

use super::tree::Options;
use store::topic_name::{RETRY_GROUP_TOPIC_PREFIX, SCHEDULE_TOPIC_XXXX, SYSTEM_TOPIC_PREFIX, is_lmq};

/// Where one message's entry should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub queue_offset: i64,
}

/// The queues that should know a record: its own, and those of a multi-dispatch (`MultiDispatchUtils`).
pub fn targets<'a>(stored: &'a StoredMessage<'_>, multi_dispatch: bool) -> Vec<Target<'a>> {
    let message = &stored.message;
    let kind = sys_flag::transaction(message.sys_flag);
    if kind != sys_flag::TRANSACTION_NOT && kind != sys_flag::TRANSACTION_COMMIT {
        return Vec::new();
    }
    let (topic, queue_id, queue_offset) = (&*message.topic, message.queue_id, stored.queue_offset);
    let mut targets = vec![Target { topic, queue_id, queue_offset }];
    let is_own = topic.starts_with(RETRY_GROUP_TOPIC_PREFIX)
        || topic.starts_with(SYSTEM_TOPIC_PREFIX)
        || topic == SCHEDULE_TOPIC_XXXX;
    if multi_dispatch
        && !is_own
        && let Some(names) = property::find(&message.properties, property::INNER_MULTI_DISPATCH)
        && let Some(offsets) = property::find(&message.properties, property::INNER_MULTI_QUEUE_OFFSET)
        && names.split(',').count() == offsets.split(',').count()
    {
        for (name, offset) in names.split(',').zip(offsets.split(',')) {
            if let (false, Ok(queue_offset)) = (name.contains('/'), offset.parse()) {
                let queue_id = if is_lmq(name) { 0 } else { queue_id };
                targets.push(Target { topic: name, queue_id, queue_offset });
            }
        }
    }
    targets
}

/// What a record's entry should say of its tags.
pub enum Tags {
    Code(i64),
    /// Delivered at this time; `None`: at the store time and some whole seconds.
    Deliver(Option<i64>),
}

/// Delays by level as the configuration says them.
pub struct Levels(Option<Vec<i64>>);

impl Levels {
    pub fn read(options: &Options) -> Self {
        let text = options.properties.get("messageDelayLevel");
        Self(text.and_then(|text| text.split_whitespace().map(delay_ms).collect()))
    }

    /// Expected tags of a record's entry.
    pub fn tags(&self, stored: &StoredMessage<'_>) -> Tags {
        let properties = &*stored.message.properties;
        if stored.message.topic == SCHEDULE_TOPIC_XXXX
            && let Some(level) = property::find(properties, property::DELAY_TIME_LEVEL)
            && let Ok(level) = level.parse::<usize>()
            && level > 0
        {
            let delay = self.0.as_ref().and_then(|levels| levels.get(level.min(levels.len()) - 1));
            return Tags::Deliver(delay.map(|delay_ms| stored.store_timestamp_ms.saturating_add(*delay_ms)));
        }
        Tags::Code(property::find(properties, property::TAGS).map_or(0, tags_code))
    }
}

/// `30s`, `1m`, `2h`, `1d` (`DelayOffset`'s level texts).
fn delay_ms(text: &str) -> Option<i64> {
    let unit_ms = match text.chars().last()? {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    text[..text.len() - 1].parse::<i64>().ok()?.checked_mul(unit_ms)
}

impl Tags {
    pub fn fit(&self, found: i64, store_ms: i64) -> bool {
        match self {
            Self::Code(code) => found == *code,
            Self::Deliver(Some(deliver_ms)) => found == *deliver_ms,
            // Levels are whole seconds.
            Self::Deliver(None) => {
                found.checked_sub(store_ms).is_some_and(|delay_ms| delay_ms >= 0 && delay_ms % 1000 == 0)
            }
        }
    }

    pub fn code(&self) -> i64 {
        match self {
            Self::Code(code) => *code,
            Self::Deliver(deliver_ms) => deliver_ms.unwrap_or(-1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays() {
        assert_eq!(
            ["1s", "30m", "2h", "1d"].map(delay_ms),
            [Some(1000), Some(1_800_000), Some(7_200_000), Some(86_400_000)]
        );
        assert_eq!(["", "s", "5", "5x"].map(delay_ms), [None; 4]);
    }
}

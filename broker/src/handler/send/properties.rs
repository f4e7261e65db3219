//! The properties of a message that was sent: what the broker looks at, takes out and adds.

use message::property::{self, Properties};
use message::uniq_key::UniqKeys;
use remoting::{Refusal, ResponseCode};

/// Added by the broker; a value that the producer sent along is replaced.
pub(super) struct Additions<'a> {
    pub region_id: &'a str,
    pub trace_on: bool,
    pub cluster_name: &'a str,
    /// For a message that brings none.
    pub uniq_keys: &'a UniqKeys,
    pub now_ms: i64,
}

/// Properties that a client may not set. Java: `SendMessageProcessor.clearReservedProperties`.
const POP_CK: &str = "POP_CK";

/// What the properties say, read in one pass, and their text as it is stored.
pub(super) struct SentProperties {
    pub text: String,
    pub uniq_key: String,
    pub delay_level: i32,
    /// At least 0; that of a message of another kind is dropped.
    pub priority: Option<i32>,
    pub is_prepared: bool,
    /// Asks for a delivery time of its own (5.x timer messages).
    pub is_timed: bool,
    /// False where the producer does not want to wait for the disk.
    pub wait_store_msg_ok: bool,
}

impl SentProperties {
    /// Refused is a delay level that is no number.
    pub(super) fn read(sent: &str, additions: &Additions<'_>) -> Result<SentProperties, Refusal> {
        let mut read = SentProperties {
            text: String::with_capacity(sent.len() + 96),
            uniq_key: String::new(),
            delay_level: 0,
            priority: None,
            is_prepared: false,
            is_timed: false,
            wait_store_msg_ok: true,
        };
        let mut is_delayed_or_ordered = false;
        for (name, value) in property::iter(sent) {
            match name {
                POP_CK | property::MSG_REGION | property::TRACE_SWITCH | property::CLUSTER => continue,
                property::UNIQ_KEY => value.clone_into(&mut read.uniq_key),
                property::DELAY_TIME_LEVEL => {
                    read.delay_level = value.parse().map_err(|_| not_a_number(value))?;
                    is_delayed_or_ordered = true;
                }
                property::SHARDING_KEY => is_delayed_or_ordered = true,
                property::PRIORITY => read.priority = value.parse().ok().filter(|priority| *priority >= 0),
                property::TRANSACTION_PREPARED => read.is_prepared = value.eq_ignore_ascii_case("true"),
                property::WAIT_STORE_MSG_OK => read.wait_store_msg_ok = value.eq_ignore_ascii_case("true"),
                property::TIMER_DELIVER_MS | property::TIMER_DELAY_MS | property::TIMER_DELAY_SEC => {
                    read.is_timed = true;
                }
                _ => {}
            }
            property::append(&mut read.text, name, value);
        }
        if read.priority.is_some() && (read.is_prepared || read.is_timed || is_delayed_or_ordered) {
            read.drop_priority();
        }
        if read.uniq_key.is_empty() {
            read.uniq_key = additions.uniq_keys.next(additions.now_ms);
            property::append(&mut read.text, property::UNIQ_KEY, &read.uniq_key);
        }
        property::append(&mut read.text, property::MSG_REGION, additions.region_id);
        property::append(&mut read.text, property::CLUSTER, additions.cluster_name);
        property::append(
            &mut read.text,
            property::TRACE_SWITCH,
            if additions.trace_on { "true" } else { "false" },
        );
        Ok(read)
    }

    /// Java: `TopicMessageType.parseFromMessageProperty`, which knows one kind of a message.
    pub(super) fn drop_priority(&mut self) {
        if self.priority.take().is_some() {
            self.text = property::without(&self.text, property::PRIORITY);
        }
    }

    /// Changes one property in the text.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        let mut properties = Properties::parse(&self.text);
        properties.put(name, value);
        self.text = properties.encode();
    }
}

/// As Java says it.
fn not_a_number(text: &str) -> Refusal {
    let remark = format!("java.lang.NumberFormatException: For input string: \"{text}\"");
    Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sent: &str) -> SentProperties {
        let uniq_keys = UniqKeys::new([10, 0, 0, 1].into());
        let additions = Additions {
            region_id: "DefaultRegion",
            trace_on: true,
            cluster_name: "DefaultCluster",
            uniq_keys: &uniq_keys,
            now_ms: 0,
        };
        SentProperties::read(sent, &additions).unwrap()
    }

    fn readable(text: &str) -> String {
        text.replace('\u{1}', "=").replace('\u{2}', ";")
    }

    #[test]
    fn the_broker_s_own_replace_the_producer_s() {
        let sent = "TAGS=A;POP_CK=x;CLUSTER=other;UNIQ_KEY=U;DELAY=3;WAIT=false";
        let read = read(&sent.replace('=', "\u{1}").replace(';', "\u{2}"));
        assert_eq!(
            readable(&read.text),
            "TAGS=A;UNIQ_KEY=U;DELAY=3;WAIT=false;MSG_REGION=DefaultRegion;CLUSTER=DefaultCluster;TRACE_ON=true;"
        );
        assert_eq!((read.uniq_key.as_str(), read.delay_level), ("U", 3));
        assert!(!read.wait_store_msg_ok && !read.is_prepared && !read.is_timed);
    }

    #[test]
    fn only_a_plain_message_has_a_priority() {
        let priority = |more: &str| {
            let sent = format!("_SYS_MSG_PRIORITY_=3;UNIQ_KEY=U;{more}");
            let read = read(&sent.replace('=', "\u{1}").replace(';', "\u{2}"));
            let is_kept = property::find(&read.text, property::PRIORITY).is_some();
            assert_eq!(is_kept, read.priority.is_some(), "{more}");
            read.priority
        };
        assert_eq!(priority("TAGS=A;TRAN_MSG=false"), Some(3));
        for more in ["TRAN_MSG=true", "DELAY=0", "TIMER_DELAY_MS=0", "__SHARDINGKEY=k"] {
            assert_eq!(priority(more), None, "{more}");
        }
        for none in ["-1", "x"] {
            assert_eq!(read(&format!("_SYS_MSG_PRIORITY_\u{1}{none}\u{2}")).priority, None);
        }
    }

    #[test]
    fn a_message_without_a_unique_key_gets_one() {
        let read = read("");
        assert_eq!(read.uniq_key.len(), 32);
        assert_eq!(property::find(&read.text, property::UNIQ_KEY), Some(read.uniq_key.as_str()));
    }
}

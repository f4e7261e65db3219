//! What a producer holds to recall a message that waits for its time. Java: `RecallMessageHandle`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use message::property::{self, REAL_TOPIC, TIMER_OUT_MS, UNIQ_KEY};
use std::borrow::Cow;

use crate::topic_validator::RETRY_GROUP_TOPIC_PREFIX;

/// As Java's `Base64.getUrlEncoder`; its decoder takes padding and does without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const VERSION: &str = "v1";

/// `v1 topic brokerName deliverMs uniqKey` in Base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecallHandle<'a> {
    /// Where the message goes when its time comes.
    pub topic: Cow<'a, str>,
    /// The broker that has it.
    pub broker_name: Cow<'a, str>,
    /// A moment in the slot that the message waits for. A text, since Java's clients may have made it.
    pub deliver_ms: Cow<'a, str>,
    /// The message's id, as its producer made it.
    pub uniq_key: Cow<'a, str>,
}

impl<'a> RecallHandle<'a> {
    /// That of a message in the timer's topic; none for other messages and for retries.
    /// Java: `SendMessageProcessor.attachRecallHandle`.
    pub fn of(properties: &'a str, broker_name: &'a str) -> Option<RecallHandle<'a>> {
        let slot_ms = property::find(properties, TIMER_OUT_MS)?.parse::<i64>().ok()?;
        let topic = property::find(properties, REAL_TOPIC)?;
        if topic.starts_with(RETRY_GROUP_TOPIC_PREFIX) {
            return None;
        }
        Some(RecallHandle {
            topic: topic.into(),
            broker_name: broker_name.into(),
            // A time that is a multiple of the precision would mean the slot before.
            deliver_ms: slot_ms.wrapping_add(1).to_string().into(),
            uniq_key: property::find(properties, UNIQ_KEY).unwrap_or_default().into(),
        })
    }

    /// The text that a producer gets with the answer to a send.
    pub fn encode(&self) -> String {
        let RecallHandle { topic, broker_name, deliver_ms, uniq_key } = self;
        BASE64.encode(format!("{VERSION} {topic} {broker_name} {deliver_ms} {uniq_key}"))
    }

    /// None for what is no handle.
    pub fn decode(text: &str) -> Option<RecallHandle<'static>> {
        let bytes = BASE64.decode(text).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut items = text.trim_end_matches(' ').split(' ').map(|item| item.to_owned().into());
        if items.next()? != VERSION {
            return None;
        }
        Some(RecallHandle {
            topic: items.next()?,
            broker_name: items.next()?,
            deliver_ms: items.next()?,
            uniq_key: items.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_java_makes_it() {
        let properties = "TIMER_OUT_MS\u{1}1795364632000\u{2}REAL_TOPIC\u{1}T\u{2}UNIQ_KEY\u{1}0A\u{2}";
        let handle = RecallHandle::of(properties, "broker-a").unwrap();
        let text = handle.encode();
        assert_eq!(text, "djEgVCBicm9rZXItYSAxNzk1MzY0NjMyMDAxIDBB");
        assert_eq!(RecallHandle::decode(&text), Some(handle));
        assert_eq!(RecallHandle::of(&properties.replace("T\u{2}UNIQ", "%RETRY%g\u{2}UNIQ"), "b"), None);
        assert_eq!(RecallHandle::of("REAL_TOPIC\u{1}T\u{2}", "b"), None);
    }

    #[test]
    fn padding_is_optional_and_nonsense_is_none() {
        let decoded = |text| RecallHandle::decode(text).map(|handle| handle.uniq_key.into_owned());
        assert_eq!(decoded("djEgVCBiIDEgMA=="), Some("0".to_owned()));
        assert_eq!(decoded("djEgVCBiIDEgMA"), Some("0".to_owned()));
        for nonsense in ["", "*", "djEgVCBiIDE=", "djIgVCBiIDEgMA=="] {
            assert_eq!(decoded(nonsense), None, "{nonsense}");
        }
    }
}

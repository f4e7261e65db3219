//! The attributes of topics and groups: which there are, and how a request changes them. Java: `AttributeUtil`,
//! `TopicAttributes`, `SubscriptionGroupAttributes`.

use std::collections::BTreeMap;
use std::fmt;

/// Java: `Attribute` and its subclasses.
pub struct Attribute {
    name: &'static str,
    /// Whether it can be changed once the topic or group exists.
    changeable: bool,
    values: Values,
}

enum Values {
    OneOf(&'static [&'static str]),
    Boolean,
    /// Both ends included.
    Range(i64, i64),
    Text,
}

const fn attribute(name: &'static str, changeable: bool, values: Values) -> Attribute {
    Attribute { name, changeable, values }
}

/// Which kind of queues a topic has: `SimpleCQ` or `BatchCQ`.
pub const QUEUE_TYPE: &str = "queue.type";
/// How a topic's log is cleaned: `DELETE` or `COMPACTION`.
pub const CLEANUP_POLICY: &str = "cleanup.policy";
/// Which messages a topic is for, such as `FIFO` or `DELAY`.
pub const MESSAGE_TYPE: &str = "message.type";

/// In the order of Java's hash set, as its error text lists them.
const MESSAGE_TYPES: &[&str] =
    &["UNSPECIFIED", "MIXED", "TRANSACTION", "PRIORITY", "FIFO", "DELAY", "LITE", "NORMAL"];
const THIRTY_DAYS_IN_MINUTES: i64 = 30 * 24 * 60;

/// Java: `TopicAttributes.ALL`, 5.5.0.
pub const OF_TOPICS: &[Attribute] = &[
    attribute(QUEUE_TYPE, false, Values::OneOf(&["SimpleCQ", "BatchCQ"])),
    attribute(CLEANUP_POLICY, false, Values::OneOf(&["DELETE", "COMPACTION"])),
    attribute(MESSAGE_TYPE, true, Values::OneOf(MESSAGE_TYPES)),
    attribute("reserve.time", true, Values::Range(-1, i64::MAX)),
    attribute("lite.topic.expiration", true, Values::Range(-1, THIRTY_DAYS_IN_MINUTES)),
];

/// Java: `SubscriptionGroupAttributes.ALL`, 5.5.0.
pub const OF_GROUPS: &[Attribute] = &[
    attribute("priority.factor", true, Values::Range(0, 100)),
    attribute("lite.bind.topic", true, Values::Text),
    attribute("lite.sub.client.quota", true, Values::Range(-1, i64::MAX)),
    attribute("lite.sub.model", true, Values::OneOf(&["Shared", "Exclusive"])),
    attribute("lite.sub.reset.offset.exclusive", true, Values::Boolean),
    attribute("lite.sub.reset.offset.unsubscribe", true, Values::Boolean),
    attribute("lite.sub.client.max.event.cnt", true, Values::Range(10, i64::MAX)),
    attribute("lite.sub.wildcard", true, Values::Text),
];

/// Why attributes were not changed. The text is Java's exception message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeError {
    /// No name, or a sign within it.
    Malformed,
    /// Text of a header: neither `+key=value` nor `-key`.
    NotAnAddition(String),
    /// Text of a header without a value: no `-` in it.
    NotADeletion(String),
    /// The text of a header has this key twice.
    TwiceInText(String),
    /// The request has this key twice, with one sign or with both.
    Twice(String),
    /// A new topic or group can only add.
    NotAdded(String),
    /// Neither `+` nor `-` in front.
    NoSign(String),
    /// This key is not set, so there is nothing to delete.
    DeletesNothing(String),
    /// There is no attribute of this name.
    Unknown(String),
    /// Only a new topic or group can be given this one.
    Unchangeable(String),
    /// The value is none of these.
    NotOneOf(&'static [&'static str]),
    /// The value is neither `true` nor `false`.
    NotBoolean,
    /// The value is no number.
    NotANumber(String),
    /// The value is not between these two, both included.
    OutOfRange(i64, i64),
}

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("kv string format wrong."),
            Self::NotAnAddition(key) => write!(f, "add/alter attribute format is wrong: {key}"),
            Self::NotADeletion(key) => write!(f, "delete attribute format is wrong: {key}"),
            Self::TwiceInText(key) => write!(f, "key duplication: {key}"),
            Self::Twice(key) => write!(f, "alter duplication key. key: {key}"),
            Self::NotAdded(key) => {
                write!(f, "only add attribute is supported while creating topic. key: {key}")
            }
            Self::NoSign(key) => write!(f, "wrong format key: {key}"),
            Self::DeletesNothing(key) => write!(f, "attempt to delete a nonexistent key: {key}"),
            Self::Unknown(key) => write!(f, "unsupported key: {key}"),
            Self::Unchangeable(key) => write!(f, "attempt to update an unchangeable attribute. key: {key}"),
            Self::NotOneOf(values) => write!(f, "value is not in set: [{}]", values.join(", ")),
            Self::NotBoolean => f.write_str("boolean attribute format is wrong."),
            Self::NotANumber(value) => write!(f, "For input string: \"{value}\""),
            Self::OutOfRange(min, max) => write!(f, "value is not in range({min}, {max})"),
        }
    }
}

impl std::error::Error for AttributeError {}

/// The attributes after a request: its keys have a sign in front, `+key` to add or change, `-key` to delete.
/// `current` is `None` for what does not exist yet. Java: `AttributeUtil.alterCurrentAttributes`.
pub fn alter(
    known: &'static [Attribute],
    current: Option<&BTreeMap<String, String>>,
    request: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, AttributeError> {
    let mut altered = current.cloned().unwrap_or_default();
    let mut seen = Vec::with_capacity(request.len());
    for (signed, value) in request {
        let mut chars = signed.chars();
        let sign = chars.next();
        let key = chars.as_str();
        if key.is_empty() || key.contains(['+', '-']) {
            return Err(AttributeError::Malformed);
        }
        if seen.contains(&key) {
            return Err(AttributeError::Twice(key.to_owned()));
        }
        seen.push(key);
        let is_deleted = match (sign, current) {
            (Some('+'), _) => false,
            (_, None) => return Err(AttributeError::NotAdded(key.to_owned())),
            (Some('-'), Some(current)) if current.contains_key(key) => true,
            (Some('-'), Some(_)) => return Err(AttributeError::DeletesNothing(key.to_owned())),
            _ => return Err(AttributeError::NoSign(key.to_owned())),
        };
        let attribute = known.iter().find(|attribute| attribute.name == key);
        let attribute = attribute.ok_or_else(|| AttributeError::Unknown(key.to_owned()))?;
        if current.is_some() && !attribute.changeable {
            return Err(AttributeError::Unchangeable(key.to_owned()));
        }
        if is_deleted {
            altered.remove(key);
        } else {
            attribute.verify(value)?;
            altered.insert(key.to_owned(), value.clone());
        }
    }
    Ok(altered)
}

impl Attribute {
    fn verify(&self, value: &str) -> Result<(), AttributeError> {
        match self.values {
            Values::OneOf(values) if !values.contains(&value) => Err(AttributeError::NotOneOf(values)),
            Values::Boolean
                if !value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false") =>
            {
                Err(AttributeError::NotBoolean)
            }
            Values::Range(min, max) => match value.parse::<i64>() {
                Err(_) => Err(AttributeError::NotANumber(value.to_owned())),
                Ok(number) if number < min || number > max => Err(AttributeError::OutOfRange(min, max)),
                Ok(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// The attributes of CREATE_TOPIC's header: `+key=value,-key`. Java: `AttributeParser.parseToMap`. An error for a
/// part that is neither, or a key that is there twice.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, AttributeError> {
    let mut parsed = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) if key.contains('+') && !value.is_empty() => {
                (key, value.split('=').next().unwrap_or(value))
            }
            Some((key, _)) => return Err(AttributeError::NotAnAddition(key.to_owned())),
            None if part.contains('-') => (part, ""),
            None => return Err(AttributeError::NotADeletion(part.to_owned())),
        };
        if parsed.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(AttributeError::TwiceInText(key.to_owned()));
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn alter_topic(current: Option<&[(&str, &str)]>, request: &[(&str, &str)]) -> Result<String, String> {
        let current = current.map(map);
        let altered = alter(OF_TOPICS, current.as_ref(), &map(request)).map_err(|error| error.to_string())?;
        let pairs: Vec<_> = altered.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Ok(pairs.join(","))
    }

    #[test]
    fn a_new_topic_only_adds() {
        assert_eq!(alter_topic(None, &[("+message.type", "FIFO")]).unwrap(), "message.type=FIFO");
        assert_eq!(alter_topic(None, &[("+queue.type", "BatchCQ")]).unwrap(), "queue.type=BatchCQ");
        let error = alter_topic(None, &[("message.type", "FIFO")]).unwrap_err();
        assert_eq!(error, "only add attribute is supported while creating topic. key: essage.type");
    }

    #[test]
    fn an_existing_topic_adds_changes_and_deletes() {
        let current: &[_] = &[("message.type", "FIFO"), ("reserve.time", "5")];
        let altered = alter_topic(Some(current), &[("+message.type", "NORMAL"), ("-reserve.time", "")]);
        assert_eq!(altered.unwrap(), "message.type=NORMAL");
        assert_eq!(
            alter_topic(Some(current), &[("-queue.type", "")]).unwrap_err(),
            "attempt to delete a nonexistent key: queue.type"
        );
        assert_eq!(
            alter_topic(Some(current), &[("+queue.type", "BatchCQ")]).unwrap_err(),
            "attempt to update an unchangeable attribute. key: queue.type"
        );
        assert_eq!(alter_topic(Some(current), &[("?x", "1")]).unwrap_err(), "wrong format key: x");
    }

    #[test]
    fn values_are_checked() {
        for (key, value, error) in [
            ("+unheard.of", "1", "unsupported key: unheard.of"),
            ("+cleanup.policy", "KEEP", "value is not in set: [DELETE, COMPACTION]"),
            ("+reserve.time", "-2", "value is not in range(-1, 9223372036854775807)"),
            ("+reserve.time", "x", "For input string: \"x\""),
            ("+", "x", "kv string format wrong."),
            ("+a+b", "x", "kv string format wrong."),
        ] {
            assert_eq!(alter_topic(None, &[(key, value)]).unwrap_err(), error);
        }
        assert!(alter(OF_GROUPS, None, &map(&[("+lite.sub.reset.offset.exclusive", "maybe")])).is_err());
    }

    #[test]
    fn header_text() {
        let parsed = parse("+message.type=FIFO,-reserve.time,").unwrap();
        assert_eq!(parsed, map(&[("+message.type", "FIFO"), ("-reserve.time", "")]));
        assert_eq!(parse("").unwrap(), map(&[]));
        for wrong in ["message.type=FIFO", "+a", "-a=b", "+a=", "+a=1,+a=2"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

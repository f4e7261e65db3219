//! Message properties: `name 0x01 value 0x02 ...` (`MessageDecoder.string2messageProperties`).
//!
//! 4.9 leaves the last 0x02 out, 5.x writes it; both occur in one log and both are read. When a name occurs twice the
//! last one counts. An entry without a value is not an entry.

/// Between a property's name and its value.
pub const NAME_VALUE_SEPARATOR: char = '\u{1}';
/// Behind each property but perhaps the last.
pub const PROPERTY_SEPARATOR: char = '\u{2}';

// Names, from org.apache.rocketmq.common.message.MessageConst.
/// Keys to find the message by, with blanks between them.
pub const KEYS: &str = "KEYS";
/// What consumers filter by.
pub const TAGS: &str = "TAGS";
/// `false`: the producer does not wait for the disk.
pub const WAIT_STORE_MSG_OK: &str = "WAIT";
/// How long the message waits, as a level from 1 on.
pub const DELAY_TIME_LEVEL: &str = "DELAY";
/// Of a message that is consumed again: the topic that it had at first.
pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
/// Of a message that waits in a topic of the broker's: where it goes.
pub const REAL_TOPIC: &str = "REAL_TOPIC";
/// As [`REAL_TOPIC`], the queue.
pub const REAL_QUEUE_ID: &str = "REAL_QID";
/// `true`: a half message.
pub const TRANSACTION_PREPARED: &str = "TRAN_MSG";
/// Whom to ask about a half message.
pub const PRODUCER_GROUP: &str = "PGROUP";
/// Makes a message one of those that are consumed in order.
pub const SHARDING_KEY: &str = "__SHARDINGKEY";
/// The queue that the producer wants, as its priority (5.5).
pub const PRIORITY: &str = "_SYS_MSG_PRIORITY_";
/// Of a message that is consumed again: the id that it had at first.
pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// The broker's region, in messages and in answers to sends.
pub const MSG_REGION: &str = "MSG_REGION";
/// Whether clients trace, in messages and in answers to sends.
pub const TRACE_SWITCH: &str = "TRACE_ON";
/// The producer's own id of the message.
pub const UNIQ_KEY: &str = "UNIQ_KEY";
/// Of a request: the client that waits for the reply.
pub const MESSAGE_REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
/// Of a reply: when the broker passed it on, in milliseconds since the epoch.
pub const PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
/// The broker's cluster.
pub const CLUSTER: &str = "CLUSTER";
/// Messages in a record that is a batch.
pub const INNER_NUM: &str = "INNER_NUM";
/// Queue offset of the first message in a record that is a batch.
pub const INNER_BASE: &str = "INNER_BASE";
/// Further queues that get the message, with commas between them.
pub const INNER_MULTI_DISPATCH: &str = "INNER_MULTI_DISPATCH";
/// The message's offset in each of them.
pub const INNER_MULTI_QUEUE_OFFSET: &str = "INNER_MULTI_QUEUE_OFFSET";
/// The producer's id of the transaction.
pub const TRANSACTION_ID: &str = "__transactionId__";
/// How often the producer of a half message was asked.
pub const TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
/// Of a half message that was put back: the queue offset that it had at first.
pub const TRANSACTION_PREPARED_QUEUE_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";
/// For so long nobody asks about a half message.
pub const CHECK_IMMUNITY_TIME_IN_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
/// When the message was born, in milliseconds since the epoch.
pub const BORN_TIMESTAMP: &str = "BORN_TIMESTAMP";
/// Deliver after so many seconds.
pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
/// Deliver after so many milliseconds.
pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
/// Deliver at this moment, in milliseconds since the epoch.
pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";
/// The slot of the timer wheel that must be over then.
pub const TIMER_OUT_MS: &str = "TIMER_OUT_MS";
/// When the timer took the message, in milliseconds since the epoch.
pub const TIMER_ENQUEUE_MS: &str = "TIMER_ENQUEUE_MS";
/// When the timer let it go.
pub const TIMER_DEQUEUE_MS: &str = "TIMER_DEQUEUE_MS";
/// How often it rolled meanwhile.
pub const TIMER_ROLL_TIMES: &str = "TIMER_ROLL_TIMES";
/// Makes a message the recall of another, whose key this is.
pub const TIMER_DEL_UNIQKEY: &str = "TIMER_DEL_UNIQKEY";

/// The entries of a properties string in order, duplicates included. Every send and every index entry goes through it.
pub fn iter(properties: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = properties;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr(PROPERTY_SEPARATOR as u8, rest.as_bytes());
            let (entry, after) = end.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
            rest = after;
            let at = memchr::memchr(NAME_VALUE_SEPARATOR as u8, entry.as_bytes());
            if let Some(at) = at.filter(|at| *at > 0 && *at + 1 < entry.len()) {
                return Some((&entry[..at], &entry[at + 1..]));
            }
        }
        None
    })
}

/// The value of `name`, without building a map. From the end, where the entry that counts stands: several names of every
/// message are looked for between the log and its queues.
pub fn find<'a>(properties: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = properties;
    while !rest.is_empty() {
        let begin = memchr::memrchr(PROPERTY_SEPARATOR as u8, rest.as_bytes()).map_or(0, |at| at + 1);
        let value =
            rest[begin..].strip_prefix(name).and_then(|value| value.strip_prefix(NAME_VALUE_SEPARATOR));
        if let Some(value) = value.filter(|value| !value.is_empty() && !name.is_empty()) {
            return Some(value);
        }
        rest = &rest[..begin.saturating_sub(1)];
    }
    None
}

/// Whether the last entry lacks its end.
pub(super) fn is_open(properties: &[u8]) -> bool {
    properties.last().is_some_and(|last| *last != PROPERTY_SEPARATOR as u8)
}

/// The entries without those of one name (`MessageUtils.deleteProperty`).
pub fn without(properties: &str, name: &str) -> String {
    let entries = properties.split_inclusive(PROPERTY_SEPARATOR);
    entries.filter(|entry| !is_of_name(entry.as_bytes(), name)).collect()
}

/// As [`without`], of bytes that may be no text.
pub fn bytes_without(properties: &[u8], name: &str) -> Vec<u8> {
    let entries = properties.split_inclusive(|byte| *byte == PROPERTY_SEPARATOR as u8);
    entries.filter(|entry| !is_of_name(entry, name)).flatten().copied().collect()
}

fn is_of_name(entry: &[u8], name: &str) -> bool {
    let rest = entry.strip_prefix(name.as_bytes());
    rest.is_some_and(|rest| rest.first() == Some(&(NAME_VALUE_SEPARATOR as u8)))
}

/// Adds one entry at the end, closing an unclosed last entry first.
pub fn append(properties: &mut String, name: &str, value: &str) {
    if !properties.is_empty() && !properties.ends_with(PROPERTY_SEPARATOR) {
        properties.push(PROPERTY_SEPARATOR);
    }
    properties.push_str(name);
    properties.push(NAME_VALUE_SEPARATOR);
    properties.push_str(value);
    properties.push(PROPERTY_SEPARATOR);
}

/// Properties as a small ordered map, for code that changes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<(String, String)>);

impl Properties {
    /// Reads the text; of two entries of one name the last counts.
    pub fn parse(properties: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in iter(properties) {
            parsed.put(name, value);
        }
        parsed
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|entry| entry.0 == name).map(|entry| entry.1.as_str())
    }

    /// Sets a value, in the place of an earlier one.
    pub fn put(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|entry| entry.0 == name) {
            Some(entry) => value.clone_into(&mut entry.1),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|entry| entry.0 == name)?;
        Some(self.0.remove(at).1)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|entry| (entry.0.as_str(), entry.1.as_str()))
    }

    /// The string as 5.x writes it: every entry closed (`MessageDecoder.messageProperties2String`).
    pub fn encode(&self) -> String {
        let mut text =
            String::with_capacity(self.0.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        for (name, value) in self.iter() {
            append(&mut text, name, value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_endings_read_alike() {
        let open = "UNIQ_KEY\u{1}A\u{2}TAGS\u{1}T";
        let closed = "UNIQ_KEY\u{1}A\u{2}TAGS\u{1}T\u{2}";
        assert_eq!(Properties::parse(open), Properties::parse(closed));
        assert_eq!(Properties::parse(open).encode(), closed);
        assert_eq!(find(open, TAGS), Some("T"));
        assert_eq!(find(open, KEYS), None);
    }

    #[test]
    fn entries_that_java_drops() {
        let odd = "\u{1}v\u{2}noValue\u{1}\u{2}noSeparator\u{2}\u{2}a\u{1}1\u{2}a\u{1}2\u{1}3";
        assert_eq!(iter(odd).collect::<Vec<_>>(), [("a", "1"), ("a", "2\u{1}3")]);
        assert_eq!(find(odd, "a"), Some("2\u{1}3"));
        for absent in ["", "noValue", "noSeparator", "b", "1"] {
            assert_eq!(find(odd, absent), None, "{absent}");
        }
        assert_eq!(find("a\u{1}1\u{2}a\u{1}\u{2}", "a"), Some("1"));
        assert_eq!(Properties::parse(odd).get("a"), Some("2\u{1}3"));
    }

    #[test]
    fn append_closes_what_is_open() {
        let mut text = String::from("TAGS\u{1}T");
        append(&mut text, CLUSTER, "c");
        assert_eq!(text, "TAGS\u{1}T\u{2}CLUSTER\u{1}c\u{2}");
        let mut map = Properties::parse(&text);
        map.put(TAGS, "U");
        assert_eq!(map.remove(CLUSTER), Some("c".to_owned()));
        assert_eq!(map.encode(), "TAGS\u{1}U\u{2}");
        assert_eq!(without(&text, TAGS), "CLUSTER\u{1}c\u{2}");
        assert_eq!(without("a\u{1}1\u{2}TAGS\u{1}T", TAGS), "a\u{1}1\u{2}");
    }
}

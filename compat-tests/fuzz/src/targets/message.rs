//! Messages: records, batches, properties, ids, and the entries that point to them.

use message::batch::{self, BatchItem};
use message::record::{self, MAGIC_BLANK};
use message::{Message, PROPERTIES_BYTES_MAX, Properties, Record, StoredMessage, id, tags_code};
use message::{PropertyCrc, property};
use store::layout::{self, QueueEntry};

/// Records one behind another, as in a log file or a pull's answer.
pub fn record(data: &[u8]) {
    record::store_timestamp_ms(data);
    record::properties(data);
    let mut rest = data;
    while let Ok(Record::Message(stored)) = Record::decode(rest) {
        assert!((1..=rest.len()).contains(&stored.size));
        stored.body_is_intact();
        property::iter(&stored.message.properties).for_each(drop);
        record_comes_back(&stored);
        rest = &rest[stored.size..];
    }
}

fn record_comes_back(stored: &StoredMessage<'_>) {
    let Some(once) = encoded(stored) else { return };
    let Ok(Record::Message(again)) = Record::decode(&once) else { panic!("what we write is a record") };
    assert_eq!(again.size, once.len());
    assert!(again.body_is_intact());
    let place =
        |stored: &StoredMessage<'_>| (stored.queue_offset, stored.physical_offset, stored.store_timestamp_ms);
    assert_eq!(place(&again), place(stored));
    assert_eq!(record::store_timestamp_ms(&once), Some(again.store_timestamp_ms));
    let (was, is) = (&stored.message, &again.message);
    assert_eq!((&was.topic, was.body), (&is.topic, is.body));
    assert_eq!(is.properties, as_kept(&was.properties));
    assert_eq!(encoded(&again).expect("it could be written before"), once);
}

/// Properties that end with a zero get a separator behind it: no record ends with one.
fn as_kept(properties: &str) -> String {
    let end = if properties.ends_with('\0') { "\u{2}" } else { "" };
    format!("{properties}{end}")
}

/// None where replaced bytes made the text too long.
fn encoded(stored: &StoredMessage<'_>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let patch = stored.message.encode(PropertyCrc::Omit, &mut bytes).ok()?;
    patch.place(&mut bytes, stored.queue_offset, stored.physical_offset, stored.store_timestamp_ms);
    Some(bytes)
}

/// A batch: each item becomes a record.
pub fn batch(data: &[u8]) {
    let host = ([127, 0, 0, 1], 10911).into();
    let message = Message {
        topic: "T".into(),
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 0,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &[],
        properties: "".into(),
    };
    let mut taken = 0;
    for item in batch::split(data).map_while(Result::ok) {
        let BatchItem { flag, body, properties } = item;
        taken += 22 + body.len() + properties.len();
        let mut bytes = Vec::new();
        // Its length field cannot say too much, but for that separator.
        if let Err(error) = message.encode_item(item, PropertyCrc::Omit, &mut bytes) {
            assert!(properties.len() == PROPERTIES_BYTES_MAX && properties.ends_with(b"\0"), "{error}");
            continue;
        }
        let Ok(Record::Message(stored)) = Record::decode(&bytes) else { panic!("an item makes a record") };
        assert_eq!((stored.message.flag, stored.message.body), (flag, body));
        assert_eq!(stored.message.properties, as_kept(&String::from_utf8_lossy(properties)));
    }
    assert!(taken <= data.len());
}

/// The properties string.
pub fn properties(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A map of more would take long, and no message has them.
    let text = text.get(..PROPERTIES_BYTES_MAX).unwrap_or(&text);
    let map = Properties::parse(text);
    assert_eq!(Properties::parse(&map.encode()), map);
    for (name, value) in map.iter() {
        assert_eq!(property::find(text, name), Some(value));
    }
    property::find(text, property::TAGS).map(tags_code);
    let mut longer = text.to_owned();
    property::append(&mut longer, "NAME", "value");
    assert_eq!(property::find(&longer, "NAME"), Some("value"));
}

/// The id that tells where a message lies.
pub fn message_id(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some((host, offset)) = id::parse_offset_message_id(&text) {
        let again = id::offset_message_id(host, offset);
        // An IPv4 address within an IPv6 one is written as the former.
        let (host_again, offset_again) = id::parse_offset_message_id(&again).expect("what we write is an id");
        assert_eq!((host_again.ip(), host_again.port()), (host.ip().to_canonical(), host.port()));
        assert_eq!(offset_again, offset);
    }
}

/// Entries of a consume queue file, and file names.
pub fn store_entries(data: &[u8]) {
    for chunk in data.chunks(layout::QUEUE_ENTRY_BYTES) {
        match QueueEntry::decode(chunk) {
            Some(entry) => {
                assert_eq!(entry.encode(), chunk);
                entry.is_written();
                entry.physical_end();
            }
            None => assert!(chunk.len() < layout::QUEUE_ENTRY_BYTES),
        }
    }
    if let Ok(name) = str::from_utf8(data)
        && let Some(offset) = layout::parse_file_name(name)
    {
        assert_eq!(layout::file_name(offset), name);
    }
    if let Ok(Record::Blank) = Record::decode(data) {
        assert_eq!(data[4..8], MAGIC_BLANK.to_be_bytes());
    }
}

use super::*;

fn message() -> Message<'static> {
    Message {
        topic: "TopicA".into(),
        queue_id: 3,
        flag: 5,
        sys_flag: sys_flag::COMPRESSED | sys_flag::BORN_HOST_V6,
        born_timestamp_ms: 1_700_000_000_123,
        born_host: "10.1.2.3:4567".parse().unwrap(),
        store_host: "[::1]:1000".parse().unwrap(),
        reconsume_times: 2,
        prepared_transaction_offset: 77,
        body: b"abc",
        properties: "TAGS\u{1}T\u{2}".into(),
    }
}

fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = b"before".to_vec();
    let patch = message.encode(PropertyCrc::Omit, &mut bytes).unwrap();
    assert_eq!((patch.at, patch.at + patch.size), (6, bytes.len()));
    patch.place(&mut bytes, 11, 22, 33);
    bytes.split_off(6)
}

#[test]
fn round_trip_and_host_flags() {
    let bytes = encode(&message());
    let Ok(Record::Message(stored)) = Record::decode(&bytes) else { panic!() };
    assert_eq!((stored.queue_offset, stored.physical_offset, stored.store_timestamp_ms), (11, 22, 33));
    assert_eq!(stored.message.sys_flag, sys_flag::COMPRESSED | sys_flag::STORE_HOST_V6);
    let expected = Message { sys_flag: stored.message.sys_flag, ..message() };
    assert_eq!(stored.message, expected);
    assert_eq!(stored.size, bytes.len());
    assert!(stored.body_is_intact());
    assert_eq!(store_timestamp_ms(&bytes), Some(33));
    assert_eq!(properties(&bytes).as_deref(), Some("TAGS\u{1}T\u{2}"));
}

#[test]
fn long_topic_makes_v2() {
    let topic = "F".repeat(130);
    let bytes = encode(&Message { topic: topic.as_str().into(), ..message() });
    assert_eq!(bytes[4..8], MAGIC_V2.to_be_bytes());
    let Ok(Record::Message(stored)) = Record::decode(&bytes) else { panic!() };
    assert_eq!(stored.message.topic, topic);
    let bytes = encode(&Message { topic: "F".repeat(127).into(), ..message() });
    assert_eq!(bytes[4..8], MAGIC_V1.to_be_bytes());
}

#[test]
fn limits() {
    let properties = "p".repeat(PROPERTIES_BYTES_MAX + 1);
    let too_long = Message { properties: properties.as_str().into(), ..message() };
    let error = too_long.encode(PropertyCrc::Omit, &mut Vec::new());
    assert_eq!(error, Err(RecordError::PropertiesTooLong { bytes: PROPERTIES_BYTES_MAX + 1 }));
    let fits = Message { properties: properties[1..].into(), ..message() };
    assert!(fits.encode(PropertyCrc::Omit, &mut Vec::new()).is_ok());
}

/// As 4.9's clients send it.
#[test]
fn an_open_item_is_closed_before_its_checksum() {
    let item = super::super::batch::BatchItem { flag: 0, body: b"abc", properties: b"TAGS\x01T" };
    let mut bytes = Vec::new();
    let patch = message().encode_item(item, PropertyCrc::Append, &mut bytes).unwrap();
    patch.place(&mut bytes, 11, 22, 33);
    let Ok(Record::Message(stored)) = Record::decode(&bytes) else { panic!() };
    let properties = &stored.message.properties;
    assert!(properties.starts_with("TAGS\u{1}T\u{2}__CRC32#\u{1}"), "{properties}");
    assert!(property_crc::is_intact(&bytes, properties));
}

#[test]
fn every_cut_and_every_flipped_byte_is_no_panic() {
    let bytes = encode(&message());
    for cut in 0..bytes.len() {
        assert_eq!(Record::decode(&bytes[..cut]), Err(RecordError::Short), "cut {cut}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let _ = Record::decode(&bytes);
        }
    }
}

#[test]
fn blank_magic_and_absurd_sizes() {
    let mut blank = 8i32.to_be_bytes().to_vec();
    blank.extend(MAGIC_BLANK.to_be_bytes());
    assert_eq!(Record::decode(&blank), Ok(Record::Blank));
    assert_eq!(Record::decode(&[0; 100]), Err(RecordError::Magic(0)));
    let mut bytes = encode(&message());
    for size in [-1, 0, 7, 8, 20, i32::MAX] {
        bytes[..4].copy_from_slice(&i32::to_be_bytes(size));
        assert!(Record::decode(&bytes).is_err(), "size {size}");
    }
    let real = bytes.len();
    bytes.push(0);
    bytes[..4].copy_from_slice(&(real as i32 + 1).to_be_bytes());
    assert_eq!(Record::decode(&bytes), Err(RecordError::Size { declared: real + 1, read: real }));
}

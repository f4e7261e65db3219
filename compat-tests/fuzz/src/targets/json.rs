//! Java's JSON: bodies and tables.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use remoting::body::*;
use remoting::json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::io::Write as _;

/// Versions of brokers before and after static topics.
const VERSIONS: [i32; 2] = [407, 513];

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) {
    let Ok(value) = json::from_slice::<T>(data) else { return };
    for bytes in [json::to_bytes(&value), json::to_pretty(&value), json::to_standard(&value)] {
        let again = json::from_slice::<T>(&bytes);
        assert_eq!(again.as_ref(), Ok(&value), "{}", String::from_utf8_lossy(&bytes));
    }
}

/// Bodies of requests and answers.
pub fn bodies(data: &[u8]) {
    comes_back::<HeartbeatData>(data);
    comes_back::<LockBatchRequestBody>(data);
    comes_back::<LockBatchResponseBody>(data);
    comes_back::<UnlockBatchRequestBody>(data);
    comes_back::<CheckClientRequestBody>(data);
    comes_back::<GetConsumerListByGroupResponseBody>(data);
    comes_back::<TopicRouteData>(data);
    comes_back::<GetBrokerMemberGroupResponseBody>(data);
    comes_back::<TopicList<String>>(data);
}

/// Tables, which are also files under `config/`.
pub fn tables(data: &[u8]) {
    comes_back::<RegisterBrokerBody>(data);
    comes_back::<TopicConfigAndMappingSerializeWrapper>(data);
    comes_back::<SubscriptionGroupWrapper>(data);
    comes_back::<ConsumerOffsetSerializeWrapper>(data);
    comes_back::<DelayOffsetSerializeWrapper>(data);
    comes_back::<ClusterInfo<'static>>(data);
    comes_back::<KVTable>(data);
    comes_back::<DataVersion>(data);
}

/// A registration as it travels, in both forms.
pub fn register_broker(data: &[u8]) {
    RegisterBrokerBody::peek_data_version(data);
    for version in VERSIONS {
        let _ = RegisterBrokerBody::decode(data, true, version);
    }
    let _ = RegisterBrokerBody::decode(data, false, VERSIONS[1]);
}

/// What is inside a compressed registration, where no mutation of the compressed bytes gets.
pub fn inflated(data: &[u8]) {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(data).expect("memory takes it");
    let body = encoder.finish().expect("memory takes it");
    let _ = RegisterBrokerBody::decode(&body, true, VERSIONS[0]);
    if let Ok(read) = RegisterBrokerBody::decode(&body, true, VERSIONS[1]) {
        let again = RegisterBrokerBody::decode(&read.encode(true), true, VERSIONS[1]);
        assert_eq!(again.expect("what we write is a registration"), read);
    }
}

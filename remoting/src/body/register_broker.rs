//! What a broker registers: all its topics.

use super::topic::{DataVersion, TopicConfig, TopicConfigAndMappingSerializeWrapper, TopicQueueMappingInfo};
use crate::json::{self, JsonError};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Some half a million topics, six times as much once read; a frame of 16 MiB could inflate to 16 GiB.
const INFLATED_BYTES_MAX: u64 = 64 << 20;
/// Java: ordinal of `MQVersion.V5_0_0`, from which on a compressed body ends with the static topics.
const V5_0_0: i32 = 413;

/// Body of REGISTER_BROKER. Java: `RegisterBrokerBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterBrokerBody {
    pub filter_server_list: Vec<String>,
    pub topic_config_serialize_wrapper: TopicConfigAndMappingSerializeWrapper,
}

/// Why a body cannot be read.
#[derive(Debug)]
pub enum BodyError {
    /// No JSON, or not that of the body.
    Json(JsonError),
    /// Broken zlib data, or its end comes too early.
    Inflate(io::Error),
    /// A length or count below 0.
    Length(i32),
    /// A line of a topic's settings.
    Topic(String),
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BodyError::Json(error) => error.fmt(f),
            BodyError::Inflate(error) => error.fmt(f),
            BodyError::Length(length) => write!(f, "it holds a length of {length}"),
            BodyError::Topic(line) => write!(f, "no topic: {line:?}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<JsonError> for BodyError {
    fn from(error: JsonError) -> BodyError {
        BodyError::Json(error)
    }
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> BodyError {
        BodyError::Inflate(error)
    }
}

impl RegisterBrokerBody {
    /// `compressed`: zlib of pieces that each follow their length as i32: the data version's JSON, a count of topics and a
    /// line for each, the filter servers' JSON, a count of static topics and the JSON of each. Loses order
    /// and system flags of topics, as in Java. Java: `RegisterBrokerBody.encode`.
    pub fn encode(&self, compressed: bool) -> Vec<u8> {
        if !compressed {
            return json::to_bytes(self);
        }
        let topics = &self.topic_config_serialize_wrapper;
        let mut pieces = Vec::new();
        write_piece(&mut pieces, &json::to_bytes(&topics.data_version));
        pieces.extend_from_slice(&(topics.topic_config_table.len() as i32).to_be_bytes());
        for topic in topics.topic_config_table.values() {
            write_piece(&mut pieces, topic.to_line().as_bytes());
        }
        write_piece(&mut pieces, &json::to_bytes(&self.filter_server_list));
        pieces.extend_from_slice(&(topics.topic_queue_mapping_info_map.len() as i32).to_be_bytes());
        for mapping in topics.topic_queue_mapping_info_map.values() {
            write_piece(&mut pieces, &json::to_bytes(mapping));
        }
        deflate(&pieces)
    }

    /// The data version of a body that is not compressed and lists no filter servers, without reading the topics behind
    /// it; None also where the body is not written quite as Java does.
    pub fn peek_data_version(body: &[u8]) -> Option<DataVersion> {
        let rest =
            body.strip_prefix(br#"{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":"#)?;
        let end = memchr::memchr(b'}', rest)? + 1;
        json::from_slice(&rest[..end]).ok()
    }

    /// What [`encode`](Self::encode) or Java made; `broker_version` is the request's. Any [`BodyError`] can come of it.
    /// Java: `RegisterBrokerBody.decode`.
    pub fn decode(
        body: &[u8],
        compressed: bool,
        broker_version: i32,
    ) -> Result<RegisterBrokerBody, BodyError> {
        if !compressed {
            return Ok(json::from_slice(body)?);
        }
        let mut pieces = Pieces { input: ZlibDecoder::new(body).take(INFLATED_BYTES_MAX), piece: Vec::new() };
        let mut read = RegisterBrokerBody::default();
        let topics = &mut read.topic_config_serialize_wrapper;
        topics.data_version = json::from_slice(pieces.next()?)?;
        for _ in 0..pieces.count()? {
            let line = String::from_utf8_lossy(pieces.next()?);
            let topic = TopicConfig::of_line(&line).ok_or_else(|| BodyError::Topic(line.into_owned()))?;
            topics.topic_config_table.insert(topic.topic_name.clone(), Arc::new(topic));
        }
        // Java logs what is wrong here and goes on.
        read.filter_server_list = json::from_slice(pieces.next()?).unwrap_or_default();
        if broker_version >= V5_0_0 {
            for _ in 0..pieces.count()? {
                let mapping: TopicQueueMappingInfo = json::from_slice(pieces.next()?)?;
                let topic = mapping.topic.clone().unwrap_or_default();
                topics.topic_queue_mapping_info_map.insert(topic, mapping);
            }
        }
        Ok(read)
    }
}

fn write_piece(out: &mut Vec<u8>, piece: &[u8]) {
    out.extend_from_slice(&(piece.len() as i32).to_be_bytes());
    out.extend_from_slice(piece);
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

struct Pieces<R> {
    input: R,
    piece: Vec<u8>,
}

impl<R: Read> Pieces<R> {
    fn count(&mut self) -> Result<u64, BodyError> {
        let mut bytes = [0; 4];
        self.input.read_exact(&mut bytes)?;
        let count = i32::from_be_bytes(bytes);
        u64::try_from(count).map_err(|_| BodyError::Length(count))
    }

    /// Grows with what is really there, not with what a length claims.
    fn next(&mut self) -> Result<&[u8], BodyError> {
        let length = self.count()?;
        self.piece.clear();
        self.input.by_ref().take(length).read_to_end(&mut self.piece)?;
        if (self.piece.len() as u64) < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(&self.piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> RegisterBrokerBody {
        let topic = TopicConfig {
            topic_name: "TopicA".into(),
            read_queue_nums: 4,
            write_queue_nums: 4,
            ..TopicConfig::default()
        };
        let mut body = RegisterBrokerBody::default();
        let topics = &mut body.topic_config_serialize_wrapper;
        topics.data_version = DataVersion { timestamp: 1, ..DataVersion::default() };
        topics.topic_config_table.insert("TopicA".into(), Arc::new(topic));
        body
    }

    #[test]
    fn compressed_as_java_5() {
        let mut inflated = Vec::new();
        ZlibDecoder::new(&body().encode(true)[..]).read_to_end(&mut inflated).unwrap();
        let expected = b"\0\0\0\x2c{\"counter\":0,\"stateVersion\":0,\"timestamp\":1}\0\0\0\x01\0\0\0\x1aTopicA 4 4 6 SINGLE_TAG {}\0\0\0\x02[]\0\0\0\0";
        assert_eq!(String::from_utf8_lossy(&inflated), String::from_utf8_lossy(expected));
    }

    #[test]
    fn both_forms_come_back() {
        let mut body = body();
        let mapping =
            TopicQueueMappingInfo { topic: Some("TopicA".into()), ..TopicQueueMappingInfo::default() };
        body.filter_server_list = vec!["1.2.3.4:5".into()];
        body.topic_config_serialize_wrapper.topic_queue_mapping_info_map.insert("TopicA".into(), mapping);
        for compressed in [false, true] {
            let bytes = body.encode(compressed);
            assert_eq!(RegisterBrokerBody::decode(&bytes, compressed, V5_0_0).unwrap(), body);
        }
    }

    #[test]
    fn the_data_version_is_found_without_the_rest() {
        let mut bytes = body().encode(false);
        let version = body().topic_config_serialize_wrapper.data_version;
        assert_eq!(RegisterBrokerBody::peek_data_version(&bytes), Some(version));
        bytes.truncate(70);
        assert_eq!(RegisterBrokerBody::peek_data_version(&bytes), None);
    }

    #[test]
    fn a_4_9_broker_has_five_columns_and_no_static_topics() {
        let mut pieces = Vec::new();
        write_piece(&mut pieces, br#"{"counter":0,"timestamp":1}"#);
        pieces.extend_from_slice(&1i32.to_be_bytes());
        write_piece(&mut pieces, b"TopicA 4 4 6 SINGLE_TAG");
        write_piece(&mut pieces, b"[]");
        assert_eq!(RegisterBrokerBody::decode(&deflate(&pieces), true, 407).unwrap(), body());
        assert!(RegisterBrokerBody::decode(&deflate(&pieces), true, V5_0_0).is_err());
    }

    #[test]
    fn broken_bodies_are_refused() {
        let whole = body().encode(true);
        // The last bytes are the checksum, which Java does not read either.
        for end in 0..whole.len() - 6 {
            assert!(RegisterBrokerBody::decode(&whole[..end], true, V5_0_0).is_err());
        }
        for length in [-1, i32::MAX] {
            let bytes = deflate(&length.to_be_bytes());
            assert!(RegisterBrokerBody::decode(&bytes, true, V5_0_0).is_err());
        }
        assert!(RegisterBrokerBody::decode(b"x", true, V5_0_0).is_err());
        assert!(RegisterBrokerBody::decode(b"x", false, V5_0_0).is_err());
    }
}

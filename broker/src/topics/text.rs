//! The text of `topics.json`, kept in pieces: of 10,000 topics one changes at a time, and to encode all takes longer than to write
//! them.

use remoting::body::{DataVersion, TopicConfig, TopicConfigSerializeWrapper};
use remoting::json;
use std::collections::BTreeMap;

/// Behind it the topics stand.
const TABLE: &[u8] = b"\"topicConfigTable\":{";

/// A piece a topic, as it stands in the file.
#[derive(Default)]
pub(super) struct Text(BTreeMap<String, Vec<u8>>);

impl Text {
    /// Takes over what a topic has become; `None`: it is deleted.
    pub fn update(&mut self, name: String, topic: Option<&TopicConfig>) {
        match topic {
            Some(topic) => drop(self.0.insert(name, piece(topic))),
            None => drop(self.0.remove(&name)),
        }
    }

    /// The whole file, as [`json::to_pretty`] has it.
    pub fn whole(&self, data_version: DataVersion) -> Vec<u8> {
        let frame = json::to_pretty(&TopicConfigSerializeWrapper { data_version, ..Default::default() });
        let table = frame.windows(TABLE.len()).position(|text| text == TABLE);
        let Some(begin) = table.filter(|_| !self.0.is_empty()) else { return frame };
        let bytes = frame.len() + self.0.values().map(|piece| piece.len() + 2).sum::<usize>();
        let mut text = Vec::with_capacity(bytes + 8);
        text.extend_from_slice(&frame[..begin + TABLE.len()]);
        for (index, piece) in self.0.values().enumerate() {
            text.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
            text.extend_from_slice(piece);
        }
        text.extend_from_slice(b"\n\t}\n}");
        text
    }
}

/// A table of this topic alone, without its braces and a tab further in.
fn piece(topic: &TopicConfig) -> Vec<u8> {
    let alone = json::to_pretty(&BTreeMap::from([(&topic.topic_name, topic)]));
    let lines = alone.split(|byte| *byte == b'\n');
    let mut piece = Vec::with_capacity(alone.len() + 16);
    for line in lines.filter(|line| line.first() == Some(&b'\t')) {
        if !piece.is_empty() {
            piece.push(b'\n');
        }
        piece.push(b'\t');
        piece.extend_from_slice(line);
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_pieces_make_the_text_of_the_table() {
        let (mut text, mut wrapper) = (Text::default(), TopicConfigSerializeWrapper::default());
        assert_eq!(text.whole(wrapper.data_version), json::to_pretty(&wrapper));
        let attributes = [("queue.type", "BatchCQ"), ("a\n\"b", "\u{e9}\\")];
        for name in ["T", "%RETRY%g", "a \"quoted\"\n\t}", "T2", "T"] {
            let mut topic = TopicConfig { topic_name: name.to_owned(), ..TopicConfig::default() };
            for (key, value) in attributes.iter().take(wrapper.topic_config_table.len()) {
                topic.attributes.insert(key.to_string(), value.to_string());
            }
            wrapper.data_version.counter += 1;
            text.update(name.to_owned(), Some(&topic));
            wrapper.topic_config_table.insert(name.to_owned(), Arc::new(topic));
            assert_eq!(text.whole(wrapper.data_version), json::to_pretty(&wrapper), "{name}");
        }
        for name in ["T", "T", "T2"] {
            text.update(name.to_owned(), None);
            wrapper.topic_config_table.remove(name);
            assert_eq!(text.whole(wrapper.data_version), json::to_pretty(&wrapper), "without {name}");
        }
    }
}

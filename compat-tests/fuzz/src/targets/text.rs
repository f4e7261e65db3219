//! Settings, and the small languages within header fields.

use broker::attributes;
use broker::config::{self, BrokerSettings};
use broker::subscription::TagFilter;
use broker::topic_validator;
use process::config::Environment;
use process::properties::Properties;
use remoting::body::TopicConfig;
use std::sync::Arc;

/// `broker.conf`, and the bodies that change a configuration at run time.
pub fn java_properties(data: &[u8]) {
    let Ok(settings) = Properties::parse(data) else { return };
    settings.render();
    let overrides = config::Overrides { settings, ..config::Overrides::default() };
    let environment = Arc::new(Environment::fixed("/nowhere"));
    if let Ok(values) = config::values(environment, &overrides) {
        config::warnings(&values);
        if let Ok(settings) = BrokerSettings::read(&values) {
            settings.store.consume_queue_file_bytes();
        }
    }
}

/// Attributes, tag expressions, topics and groups, a topic's line.
pub fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(changes) = attributes::parse(&text) {
        for known in [attributes::OF_TOPICS, attributes::OF_GROUPS] {
            let _ = attributes::alter(known, None, &changes);
            let _ = attributes::alter(known, Some(&changes), &changes);
        }
    }
    TagFilter::parse(Some(&text));
    if topic_validator::validate_topic(&text).is_ok() {
        // It becomes the name of a folder.
        assert!(!text.contains(['/', '\0', '.']) && text.len() <= 255);
    }
    let _ = topic_validator::validate_group(&text);
    if let Some(topic) = TopicConfig::of_line(&text) {
        let again = TopicConfig::of_line(&topic.to_line()).expect("what we write is a topic's line");
        assert_eq!(again.topic_name, topic.topic_name);
    }
}

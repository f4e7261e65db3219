//! Where a message is meant for while it waits in a topic of the broker's own: the properties REAL_TOPIC and REAL_QID.

use message::property::{self, REAL_QUEUE_ID, REAL_TOPIC};
use message::{Message, Properties};
use std::borrow::Cow;

/// Sends a message to such a topic. `properties` become its properties, and keep where it is meant for.
pub fn redirect(message: &mut Message<'_>, mut properties: Properties, topic: &'static str, queue_id: i32) {
    properties.put(REAL_TOPIC, &message.topic);
    properties.put(REAL_QUEUE_ID, &message.queue_id.to_string());
    message.properties = Cow::Owned(properties.encode());
    message.topic = Cow::Borrowed(topic);
    message.queue_id = queue_id;
}

/// Topic and queue id that a message is meant for; none if it does not say.
pub fn of(properties: &str) -> Option<(&str, i32)> {
    let topic = property::find(properties, REAL_TOPIC)?;
    let queue_id = property::find(properties, REAL_QUEUE_ID)?.parse().ok()?;
    Some((topic, queue_id))
}

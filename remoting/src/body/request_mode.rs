//! By which requests consumers get their messages.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a group's consumers pull from queues of their own, or pop from shared ones. Java: `MessageRequestMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageRequestMode {
    #[default]
    Pull,
    Pop,
}

/// Body of SET_MESSAGE_REQUEST_MODE. Java: `SetMessageRequestModeRequestBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetMessageRequestModeRequestBody {
    pub consumer_group: Option<String>,
    pub mode: MessageRequestMode,
    /// Clients that share a queue, at most; 0 for all.
    pub pop_share_queue_num: i32,
    pub topic: Option<String>,
}

/// `config/messageRequestMode.json` and the answer to GET_ALL_MESSAGE_REQUEST_MODE. Java: `MessageRequestModeSerializeWrapper`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageRequestModeSerializeWrapper {
    /// Topic to group to the mode.
    pub message_request_mode_map: BTreeMap<String, BTreeMap<String, SetMessageRequestModeRequestBody>>,
}

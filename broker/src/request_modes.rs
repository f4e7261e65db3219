//! How each group gets a topic's messages, by pull or by pop, where an admin has said so, and
//! `config/messageRequestMode.json`. Java: `MessageRequestModeManager`.

use crate::persister::ConfigTable;
use crate::table_file::TableFile;
use parking_lot::Mutex;
use process::files::LoadError;
use remoting::body::{MessageRequestModeSerializeWrapper, SetMessageRequestModeRequestBody};
use remoting::json;
use std::path::Path;

/// The modes, kept in `messageRequestMode.json`. Java: `MessageRequestModeManager`.
pub struct MessageRequestModes {
    table: Mutex<MessageRequestModeSerializeWrapper>,
    file: TableFile,
}

impl MessageRequestModes {
    /// Reads the file at `path`; a missing one says nothing. An error if neither it nor its backup can be read.
    pub fn load(path: &Path) -> Result<MessageRequestModes, LoadError> {
        let (file, stored) = TableFile::open(path)?;
        Ok(MessageRequestModes { table: Mutex::new(stored.unwrap_or_default()), file })
    }

    /// Notes what is wanted of a topic and a group; the caller has checked that both exist. Java: `setMessageRequestMode`.
    pub fn set(&self, topic: &str, group: &str, mode: SetMessageRequestModeRequestBody) {
        let mut table = self.table.lock();
        table.message_request_mode_map.entry(topic.to_owned()).or_default().insert(group.to_owned(), mode);
        drop(table);
        self.file.note_change();
    }

    /// The body of GET_ALL_MESSAGE_REQUEST_MODE.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_bytes(&*self.table.lock())
    }
}

impl ConfigTable for MessageRequestModes {
    fn file(&self) -> &TableFile {
        &self.file
    }

    fn encode(&self) -> Vec<u8> {
        json::to_pretty(&*self.table.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remoting::body::MessageRequestMode;

    #[test]
    fn what_is_set_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("messageRequestMode.json");
        let modes = MessageRequestModes::load(&path).unwrap();
        let empty = modes.to_json();
        assert_eq!(empty, br#"{"messageRequestModeMap":{}}"#);
        let mode = SetMessageRequestModeRequestBody {
            consumer_group: Some("g".to_owned()),
            mode: MessageRequestMode::Pop,
            pop_share_queue_num: 3,
            topic: Some("T".to_owned()),
        };
        modes.set("T", "g", mode);
        modes.write().unwrap();
        let said = modes.to_json();
        assert_ne!(said, empty);
        assert_eq!(MessageRequestModes::load(&path).unwrap().to_json(), said);
    }
}

//! Settings by namespace that tools keep on name servers. Java: `KVConfigManager`.

use process::files::{self, FileError, LoadError};
use remoting::body::KVTable;
use remoting::json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Java: `NamesrvUtil.NAMESPACE_ORDER_TOPIC_CONFIG`: topic to the brokers and queue counts that keep its order.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// The table and the file that it is kept in.
pub struct KvConfig {
    path: PathBuf,
    content: Content,
}

/// The file's. Java: `KVConfigSerializeWrapper`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    config_table: BTreeMap<String, Namespace>,
}

type Namespace = BTreeMap<String, String>;

impl KvConfig {
    /// Without a file the table is empty; one that cannot be read is an error, as we would overwrite it.
    pub fn load(path: PathBuf) -> Result<KvConfig, LoadError> {
        let content = files::load(&path, |bytes| json::from_slice::<Content>(bytes))?;
        Ok(KvConfig { path, content: content.into_content().unwrap_or_default() })
    }

    /// The value of a key of a namespace.
    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        self.content.config_table.get(namespace)?.get(key).map(String::as_str)
    }

    /// As the body of the answer to whoever asks for a namespace.
    pub fn namespace(&self, namespace: &str) -> Option<Vec<u8>> {
        let table = self.content.config_table.get(namespace)?;
        Some(json::to_bytes(&KVTable { table: table.clone() }))
    }

    /// No value takes the key away: Java keeps a null, which it neither shows nor saves. After an error the table has the
    /// change and the file does not.
    pub fn put(&mut self, namespace: &str, key: &str, value: Option<&str>) -> Result<(), FileError> {
        let table = self.content.config_table.entry(namespace.to_owned()).or_default();
        match value {
            Some(value) => drop(table.insert(key.to_owned(), value.to_owned())),
            None => drop(table.remove(key)),
        }
        self.persist()
    }

    /// Takes a key away; an emptied namespace stays, as in Java. An error as of [`put`](Self::put).
    pub fn delete(&mut self, namespace: &str, key: &str) -> Result<(), FileError> {
        if let Some(table) = self.content.config_table.get_mut(namespace) {
            table.remove(key);
        }
        self.persist()
    }

    fn persist(&self) -> Result<(), FileError> {
        files::replace(&self.path, &json::to_bytes(&self.content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_as_java_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("namesrv/kvConfig.json");
        let mut kv = KvConfig::load(path.clone()).unwrap();
        kv.put(ORDER_TOPIC_CONFIG, "T", Some("broker-a:4;broker-b:4")).unwrap();
        kv.put("ns", "k", Some("1")).unwrap();
        kv.delete("ns", "k").unwrap();
        kv.delete("absent", "k").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            r#"{"configTable":{"ORDER_TOPIC_CONFIG":{"T":"broker-a:4;broker-b:4"},"ns":{}}}"#
        );
        let kv = KvConfig::load(path).unwrap();
        assert_eq!(kv.get(ORDER_TOPIC_CONFIG, "T"), Some("broker-a:4;broker-b:4"));
        assert_eq!(kv.namespace("ns").unwrap(), br#"{"table":{}}"#);
        assert_eq!(kv.namespace("absent"), None);
    }

    #[test]
    fn a_file_that_is_no_table_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kvConfig.json");
        std::fs::write(&path, "{\"configTable\":").unwrap();
        assert!(KvConfig::load(path).is_err());
    }
}

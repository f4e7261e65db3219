//! What a broker is told: Java's configuration classes, read into plain structs over the keys that we act on.

mod keys_broker;
mod keys_other;
mod keys_store;
mod startup;
mod structs;

pub use startup::{BrokerConfigError, CLASSES, Overrides, PRINTED, load, values, warnings};
pub use structs::{
    BrokerConfig, BrokerIdentity, BrokerRole, BrokerSettings, FlushDiskType, MessageStoreConfig,
};

#[cfg(test)]
mod tests;

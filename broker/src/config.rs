//! What a broker is told: Java's configuration classes, read into plain structs over the keys that we act on. Java's
//! `MessageStoreConfig` is the store's.

mod auth_config;
mod broker_config;
mod name_servers;
mod settings;
mod startup;

pub use auth_config::{AuthConfig, BrokerStartup};
pub use broker_config::{BrokerConfig, BrokerIdentity};
pub use settings::BrokerSettings;
pub use startup::{BrokerConfigError, CLASSES, Overrides, PRINTED, load, notices, updated, values, warnings};

#[cfg(test)]
mod tests;

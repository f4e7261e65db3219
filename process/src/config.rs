//! Configuration by Java's rules and names: every key of Java's configuration classes is known, with its 5.5.0 default.
//!
//! - [`settings!`](crate::settings): Java's classes, one row a key: kind, default, what an update does to it and, if we act
//!   on it, the field of the typed struct that it is read into.
//! - [`Key`] and [`Class`]: the same as data.
//! - [`Config`]: the values: defaults, under a file, under the command line, under later updates.
//! - [`Live`]: settings that can be replaced while the server runs.
//! - [`Environment`]: what the process found around it (home, host name, addresses).

mod environment;
mod host_address;
mod key;
mod live;
pub mod netty;
mod typed;
mod values;

pub use environment::Environment;
pub use key::{Class, DefaultValue, Key, Kind, Mutability};
pub use key::{
    boolean, choice, computed_boolean, computed_int, computed_text, double, home_path, int, long, null,
    numbered_choice, text,
};
pub use live::{Live, Snapshot};
pub use typed::{FromText, Settings, of_defaults};
pub use values::{Config, ConfigError, ConfigPrinter};

#[cfg(test)]
mod tests;

//! What the broker was told, as it stands now: the values, and the file that keeps them. Java: `Configuration`.

use crate::broker::Broker;
use crate::config::{self, BrokerConfigError};
use crate::reconfigure::reconfigure;
use parking_lot::Mutex;
use process::config::{Config, Mutability};
use process::files::{self, FileError};
use process::properties::{MalformedEscape, Properties};
use remoting::body::DataVersion;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// Registered anew, at once, where one of them changes: who may use the broker, and where it is looked for.
const REGISTERED_KEYS: [&str; 2] = ["brokerPermission", "namesrvAddr"];

/// The values, one change at a time. Java: `Configuration`.
pub struct Configuration {
    /// `-c`.
    file: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    config: Config,
    data_version: DataVersion,
}

/// Why an update is refused; nothing of it is done.
#[derive(Debug)]
pub enum UpdateError {
    /// A key is not for those who are elsewhere: Java's black list, and ours ([`Mutability::Never`]).
    Forbidden,
    /// No such key.
    Unknown(String),
    /// A value that does not fit its key, or the other values.
    Value(BrokerConfigError),
    /// The file cannot be read, or could not be once it is changed.
    Unreadable(PathBuf, io::Error),
    /// The file is no properties file any more.
    Malformed(PathBuf, MalformedEscape),
    /// The changed file cannot be put in its place.
    Unwritable(FileError),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateError::Forbidden => f.write_str("Can not update config in black list."),
            UpdateError::Unknown(key) => write!(f, "unknown key {key}: nothing is changed"),
            UpdateError::Value(error) => write!(f, "{error}: nothing is changed"),
            UpdateError::Unreadable(path, error) => {
                write!(f, "cannot read {}: {error}: nothing is changed", path.display())
            }
            UpdateError::Malformed(path, error) => {
                write!(f, "{}: {error}: nothing is changed", path.display())
            }
            UpdateError::Unwritable(error) => write!(f, "{error}: nothing is changed"),
        }
    }
}

impl std::error::Error for UpdateError {}

/// What an update does not do at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// These keys act from the next start on.
    pub restart: Vec<String>,
    /// There is no file: at the next start everything is as before.
    pub is_not_kept: bool,
}

impl Configuration {
    /// The values as they were loaded, and the file that they came from, if there is one.
    pub fn new(config: Config, file: Option<PathBuf>) -> Configuration {
        // Java's version counts from the start of the process, too.
        Configuration { file, state: Mutex::new(State { config, data_version: DataVersion::default() }) }
    }

    /// All values as `key=value` lines, and their version. Java: `getAllConfigsFormatString`.
    pub fn render(&self) -> (String, DataVersion) {
        let state = self.state.lock();
        (state.config.render(), state.data_version)
    }

    /// Puts an update to work and into the file, all of it or nothing. Writes the file first: what acts is what the next start
    /// reads. Waits for the disk. Java: `Configuration.update`, which leaves out what it does not understand, says success, and
    /// writes every key there is.
    pub fn update(&self, broker: &Broker, update: &Properties) -> Result<Updated, UpdateError> {
        let mut state = self.state.lock();
        let before = broker.settings();
        let mut updated = Updated { is_not_kept: self.file.is_none(), ..Updated::default() };
        for (key, _) in update.iter() {
            if state.config.forbids_with(&before.broker.config_black_list, key) {
                return Err(UpdateError::Forbidden);
            }
            match state.config.mutability(key) {
                None => return Err(UpdateError::Unknown(key.to_owned())),
                Some(Mutability::Restart) => updated.restart.push(key.to_owned()),
                Some(Mutability::Live | Mutability::Never) => {}
            }
        }
        let (config, settings) = config::updated(&state.config, update).map_err(UpdateError::Value)?;
        if let Some(file) = &self.file {
            keep(file, update)?;
        }
        reconfigure(broker, &settings);
        state.config = config;
        state.data_version.next(0, broker.clock.wall_ms());
        if REGISTERED_KEYS.iter().any(|key| update.get(key).is_some()) {
            broker.registration.register_soon();
        }
        Ok(updated)
    }
}

/// Changes these keys' lines of a file, and nothing else; what was there is `.bak` then.
fn keep(file: &Path, update: &Properties) -> Result<(), UpdateError> {
    let unreadable = |error| UpdateError::Unreadable(file.to_owned(), error);
    let malformed = |error| UpdateError::Malformed(file.to_owned(), error);
    let text = fs::read(file).map_err(unreadable)?;
    let mut expected = Properties::parse(&text).map_err(malformed)?;
    let edited = update.edit(&text).map_err(malformed)?;
    update.iter().for_each(|(key, value)| expected.insert(key, value));
    // Never a file that the next start would read another way.
    if Properties::parse(&edited).map_err(malformed)? != expected {
        return Err(unreadable(io::Error::other("it would not read back as it is meant")));
    }
    files::replace(file, &edited).map_err(UpdateError::Unwritable)
}

//! The values of all keys of a server, with where each came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Class, Environment, Key, Mutability, Settings};
use crate::properties::{MalformedEscape, Properties};

/// Why a configuration cannot be used; its text is one line for a human.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The file is no properties text.
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        cause: MalformedEscape,
    },
    /// A value that its key cannot have.
    BadValue {
        /// The file's path, `command line` or `update`.
        origin: String,
        /// As the user wrote it.
        key: String,
        /// As the user wrote it.
        value: String,
        /// What the key can have: "... is expected".
        expected: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable { path, cause } => write!(f, "cannot read {}: {cause}", path.display()),
            ConfigError::Malformed { path, cause } => write!(f, "{}: {cause}", path.display()),
            ConfigError::BadValue { origin, key, value, expected } => {
                write!(f, "{origin}: {key}={value:?}: {expected} is expected")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// The values of all known keys, and the unknown ones that the user gave.
///
/// To change it while the server runs: make an [`Config::updated`] one, build the typed structs from it, and keep both if
/// all went well.
#[derive(Clone, Debug)]
pub struct Config {
    classes: &'static [&'static Class],
    /// Names of the classes that [`Config::render`] shows whole.
    shown: &'static [&'static str],
    environment: Arc<Environment>,
    /// By class name and key name; absent means Java's default.
    values: BTreeMap<(&'static str, &'static str), Value>,
    /// Keys of no class, kept and shown like Java's `Configuration` does.
    unknown: Properties,
    /// Keys that Java knows and offers no setter for.
    unsettable: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct Value {
    text: String,
    /// `None`: set by the server itself, not by a user.
    origin: Option<Arc<str>>,
}

impl Config {
    /// Java's defaults. `shown` names the classes that Java registers with its `Configuration`: [`Config::render`]
    /// shows all their keys, a later class over an earlier one, and of other classes only what the user set.
    pub fn new(
        classes: &'static [&'static Class],
        shown: &'static [&'static str],
        environment: Arc<Environment>,
    ) -> Config {
        Config {
            classes,
            shown,
            environment,
            values: BTreeMap::new(),
            unknown: Properties::default(),
            unsettable: Vec::new(),
        }
    }

    /// What the defaults were filled in from.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// Reads a properties file over the present values. Any [`ConfigError`] can come of it; see
    /// [`set_all`](Self::set_all).
    pub fn load_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let unreadable = |cause| ConfigError::Unreadable { path: path.to_path_buf(), cause };
        let malformed = |cause| ConfigError::Malformed { path: path.to_path_buf(), cause };
        let bytes = fs::read(path).map_err(unreadable)?;
        let properties = Properties::parse(&bytes).map_err(malformed)?;
        self.set_all(&path.display().to_string(), &properties)
    }

    /// Sets every pair over the present values; `origin` names the source in errors.
    ///
    /// On an error, [`ConfigError::BadValue`], some pairs are set and some are not.
    pub fn set_all(&mut self, origin: &str, properties: &Properties) -> Result<(), ConfigError> {
        let origin: Arc<str> = origin.into();
        for (name, value) in properties.iter() {
            self.set(&origin, name, value)?;
        }
        Ok(())
    }

    /// These values with an update over them (config requests 25 and 318, `Configuration.update`). Keys that nobody knows
    /// are ignored, as in Java. A bad value is [`ConfigError::BadValue`]; Java ignores it.
    pub fn updated(&self, properties: &Properties) -> Result<Config, ConfigError> {
        let mut next = self.clone();
        next.set_all("update", properties)?;
        next.unknown.0.retain(|name, _| self.unknown.get(name).is_some());
        Ok(next)
    }

    /// Whether an update may not set the key ([`Mutability::Never`]): whoever offers updates asks before.
    pub fn forbids(&self, name: &str) -> bool {
        let keys = self.classes.iter().flat_map(|class| class.keys);
        let named = keys.filter(|key| key.name == name || key.set_as == Some(name));
        named.into_iter().any(|key| key.mutability == Mutability::Never)
    }

    /// As [`forbids`](Self::forbids), and for the keys that the operator lists, with semicolons between (`configBlackList`).
    pub fn forbids_with(&self, black_list: &str, name: &str) -> bool {
        black_list.split(';').any(|listed| listed.trim() == name) || self.forbids(name)
    }

    /// What an update of the key does; `None` for a key that nobody knows or that has no setter. For one that stands in several
    /// classes, the slowest.
    pub fn mutability(&self, name: &str) -> Option<Mutability> {
        let keys = self.classes.iter().flat_map(|class| class.keys);
        let settable = keys.filter(|key| key.set_as == Some(name)).map(|key| key.mutability);
        settable.max_by_key(|mutability| match mutability {
            Mutability::Live => 0,
            Mutability::Restart => 1,
            Mutability::Never => 2,
        })
    }

    fn set(&mut self, origin: &Arc<str>, name: &str, value: &str) -> Result<(), ConfigError> {
        let mut known = false;
        for class in self.classes {
            if let Some(key) = class.keys.iter().find(|key| key.set_as == Some(name)) {
                let text = key.kind.accept(value).ok_or_else(|| ConfigError::BadValue {
                    origin: origin.to_string(),
                    key: name.to_string(),
                    value: value.to_string(),
                    expected: key.kind.expected(),
                })?;
                self.values.insert((class.name, key.name), Value { text, origin: Some(origin.clone()) });
                known = true;
            } else if let Some(key) = class.keys.iter().find(|key| key.name == name) {
                self.unsettable.push(key.name);
                known = true;
            }
        }
        if !known {
            self.unknown.insert(name, value.trim());
        }
        Ok(())
    }

    /// Sets a value that the server derives itself, such as `haListenPort` from `listenPort`.
    ///
    /// # Panics
    /// If the tables do not have the key.
    pub fn derive(&mut self, class: &str, name: &str, text: impl ToString) {
        let (class, key) = self.key(class, name);
        self.values.insert((class.name, key.name), Value { text: text.to_string(), origin: None });
    }

    /// The value as text; `None` for Java's `null`.
    ///
    /// # Panics
    /// If the tables do not have the key: a mistake in the program, which building the typed structs in a test finds.
    pub fn get(&self, class: &str, name: &str) -> Option<Cow<'_, str>> {
        let (class, key) = self.key(class, name);
        self.value_of(class, key)
    }

    /// Builds a typed struct of the values; see [`settings!`](crate::settings). [`ConfigError::BadValue`] if one does not
    /// fit its field.
    pub fn read<T: Settings>(&self) -> Result<T, ConfigError> {
        T::read(self)
    }

    /// The shown classes and what the user set besides, as `key=value\n`, sorted; keys that are `null` are left out.
    /// The body of the config requests 26 and 319 (`Configuration.getAllConfigsFormatString`).
    pub fn render(&self) -> String {
        let mut all = self.unknown.clone();
        let set_by_user = self.values.iter().filter(|(_, value)| value.origin.is_some());
        for ((_, name), value) in set_by_user {
            all.insert(*name, value.text.as_str());
        }
        let shown = self.classes.iter().filter(|class| self.shown.contains(&class.name));
        for (class, key) in shown.flat_map(|class| class.keys.iter().map(move |key| (class, key))) {
            if let Some(text) = self.value_of(class, key) {
                all.insert(key.name, text);
            }
        }
        all.render()
    }

    /// Lines to log once at start: unknown keys, and keys whose value has no effect on us yet. `silent` lists, by class,
    /// keys without a field of their own that are no reason for a line.
    pub fn warnings(&self, silent: &[(&str, &[&str])]) -> Vec<String> {
        let acts = |class: &str, name: &str| {
            self.key(class, name).1.field.is_some()
                || silent.iter().any(|(of, keys)| *of == class && keys.contains(&name))
        };
        let unknown = self.unknown.iter().map(|(name, _)| format!("unknown key {name}: ignored"));
        let unsettable =
            self.unsettable.iter().map(|name| format!("{name} cannot be set: ignored, as in Java"));
        let without_effect = self.values.iter().filter_map(|((class, name), value)| {
            let ignored =
                value.origin.is_some() && !acts(class, name) && !self.is_default(class, name, &value.text);
            ignored.then(|| format!("{name}={} is known and has no effect yet ({class})", value.text))
        });
        unknown.chain(unsettable).chain(without_effect).collect()
    }

    fn is_default(&self, class: &str, name: &str, text: &str) -> bool {
        let (_, key) = self.key(class, name);
        key.default_text(&self.environment).as_deref() == Some(text)
    }

    fn key(&self, class: &str, name: &str) -> (&'static Class, &'static Key) {
        let find = || {
            let class = self.classes.iter().find(|candidate| candidate.name == class)?;
            let key = class.keys.iter().find(|key| key.name == name)?;
            Some((*class, key))
        };
        find().unwrap_or_else(|| panic!("no key {name} in the tables of {class}"))
    }

    fn value_of(&self, class: &Class, key: &Key) -> Option<Cow<'_, str>> {
        match self.values.get(&(class.name, key.name)) {
            Some(value) => Some(Cow::Borrowed(value.text.as_str())),
            None => key.default_text(&self.environment).map(Cow::Owned),
        }
    }

    /// Where the present value of a key came from, for an error message.
    pub(super) fn origin(&self, class: &str, name: &str) -> String {
        let value = self.values.iter().find(|((of, key), _)| *of == class && *key == name);
        let origin = value.and_then(|(_, value)| value.origin.as_deref());
        origin.unwrap_or("default").to_string()
    }
}

/// What `-p` and `-m` print.
pub struct ConfigPrinter<'a> {
    /// The values to print.
    pub config: &'a Config,
    /// In this order.
    pub classes: &'a [&'a str],
    /// Only keys that Java marks `@ImportantField`.
    pub important_only: bool,
}

impl ConfigPrinter<'_> {
    /// `key=value` for each key in Java's order of declaration; nothing after the `=` for `null`.
    pub fn lines(&self) -> Vec<String> {
        let classes = self
            .classes
            .iter()
            .filter_map(|name| self.config.classes.iter().find(|class| class.name == *name));
        classes
            .flat_map(|class| class.keys.iter().map(move |key| (class, key)))
            .filter(|(_, key)| key.important || !self.important_only)
            .map(|(class, key)| {
                let value = self.config.value_of(class, key).unwrap_or_default();
                format!("{}={value}", key.name)
            })
            .collect()
    }
}

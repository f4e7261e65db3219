//! Plain typed structs over the keys that we act on.

use std::path::PathBuf;

use super::{Config, ConfigError};

/// A struct made by [`settings!`](crate::settings).
pub trait Settings: Sized {
    /// The Java class whose keys it reads.
    const CLASS: &'static str;
    /// The keys that it reads, which are therefore the keys that we act on.
    const KEYS: &'static [&'static str];

    /// Reads the keys. [`ConfigError::BadValue`] if one does not fit its field.
    fn read(config: &Config) -> Result<Self, ConfigError>;
}

/// A type that a value can be read into.
pub trait FromText: Sized {
    /// For an error message: "... is expected".
    const EXPECTED: &'static str;

    /// `None` if the value does not fit; the text is `None` for Java's `null`.
    fn from_text(text: Option<&str>) -> Option<Self>;
}

macro_rules! from_text_by_parse {
    ($($type:ty: $expected:literal),* $(,)?) => {$(
        impl FromText for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: Option<&str>) -> Option<Self> {
                text?.parse().ok()
            }
        }
    )*};
}

from_text_by_parse! {
    bool: "true or false",
    i32: "an integer of 32 bits",
    i64: "an integer of 64 bits",
    u16: "an integer from 0 to 65535",
    u32: "an integer of 32 bits that is not negative",
    u64: "an integer that is not negative",
    usize: "an integer that is not negative",
    f64: "a number",
}

impl FromText for String {
    const EXPECTED: &'static str = "a text";

    fn from_text(text: Option<&str>) -> Option<Self> {
        Some(text.unwrap_or_default().to_string())
    }
}

/// `None` for `null` and for blank text, which Java's `StringUtils.isBlank` checks treat alike.
impl FromText for Option<String> {
    const EXPECTED: &'static str = "a text";

    fn from_text(text: Option<&str>) -> Option<Self> {
        Some(text.filter(|text| !text.trim().is_empty()).map(str::to_string))
    }
}

impl FromText for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_text(text: Option<&str>) -> Option<Self> {
        text.filter(|text| !text.is_empty()).map(PathBuf::from)
    }
}

impl FromText for Option<PathBuf> {
    const EXPECTED: &'static str = "a path";

    fn from_text(text: Option<&str>) -> Option<Self> {
        Some(Option::<String>::from_text(text)?.map(PathBuf::from))
    }
}

impl Config {
    /// The value of one key as a `T`. [`ConfigError::BadValue`] if it is none; it names where the value came from.
    pub fn typed<T: FromText>(&self, class: &str, name: &str) -> Result<T, ConfigError> {
        let text = self.get(class, name);
        T::from_text(text.as_deref()).ok_or_else(|| self.bad_value(class, name, T::EXPECTED))
    }

    /// For a value that its kind allows and its use does not.
    pub fn bad_value(&self, class: &str, name: &str, expected: &str) -> ConfigError {
        ConfigError::BadValue {
            origin: self.origin(class, name),
            key: name.to_string(),
            value: self.get(class, name).unwrap_or_default().into_owned(),
            expected: expected.to_string(),
        }
    }
}

/// Declares a struct whose fields are read from the keys of one Java class:
///
/// ```
/// process::settings! {
///     /// What a server listens on.
///     pub struct Listener of "NettyServerConfig" {
///         /// TCP port.
///         pub listen_port: u16 = "listenPort",
///     }
/// }
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$struct_meta:meta])*
        pub struct $name:ident of $class:literal {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty = $key:literal,)*
        }
    ) => {
        $(#[$struct_meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::config::Settings for $name {
            const CLASS: &'static str = $class;
            const KEYS: &'static [&'static str] = &[$($key),*];

            fn read(config: &$crate::config::Config) -> Result<Self, $crate::config::ConfigError> {
                Ok($name { $($field: config.typed($class, $key)?,)* })
            }
        }
    };
}

//! Java's classes as tables of their keys and as typed structs over those that we act on.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Class, Config, ConfigError, Environment};

/// One of Java's classes, made by [`settings!`](crate::settings).
pub trait Settings: Sized {
    /// The keys.
    const CLASS: &'static Class;
    /// That one alone.
    const CLASSES: &'static [&'static Class];

    /// Reads the keys that we act on. [`ConfigError::BadValue`] if one does not fit its field.
    fn read(config: &Config) -> Result<Self, ConfigError>;

    /// What is at work once `next` has been put over these in a running server: its live keys, and these in all others.
    fn updated(&self, next: &Self) -> Self;
}

/// See `of_defaults` of the struct.
#[doc(hidden)]
pub fn of_defaults<T: Settings>() -> T {
    let config = Config::new(T::CLASSES, &[], Arc::new(Environment::fixed("")));
    config.read().unwrap_or_else(|error| panic!("{}: {error}", T::CLASS.name))
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

/// Declares one of Java's configuration classes: its keys, and a typed struct of those that we act on.
///
/// A row is a [`Key`](crate::config::Key) with what an update does to it in front (`live`, `restart` or `never`, see
/// [`Mutability`](crate::config::Mutability)). Where we act on the key, the row begins with the field that it is read into.
///
/// ```
/// use process::config::{boolean, int};
///
/// process::settings! {
///     /// What a server listens on.
///     pub struct Listener of "NettyServerConfig" {
///         /// TCP port.
///         listen_port: u16 = [never] int("listenPort", 9876),
///         [restart] boolean("useEpollNativeSelector", false),
///     }
/// }
/// assert_eq!(Listener::of_defaults().listen_port, 9876);
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$struct_meta:meta])*
        $visibility:vis struct $name:ident of $class:literal {
            $(
                $( $(#[$field_meta:meta])* $field:ident: $type:ty = )?
                [$mutability:ident] $key:expr,
            )*
        }
    ) => {
        $(#[$struct_meta])*
        #[derive(Clone, Debug, PartialEq)]
        $visibility struct $name {
            $($(
                #[allow(missing_docs, reason = "the name is Java's")]
                $(#[$field_meta])*
                pub $field: $type,
            )?)*
        }

        impl $name {
            /// Java's defaults on a host of 127.0.0.1 with paths that are relative: for tests and tools.
            ///
            /// # Panics
            /// If a default does not fit its field: a mistake in the table, which any test finds.
            pub fn of_defaults() -> Self {
                $crate::config::of_defaults()
            }
        }

        impl $crate::config::Settings for $name {
            const CLASS: &'static $crate::config::Class = &$crate::config::Class {
                name: $class,
                keys: &[$( $key.$mutability()$( .field(stringify!($field)) )?, )*],
            };
            const CLASSES: &'static [&'static $crate::config::Class] = &[Self::CLASS];

            fn read(config: &$crate::config::Config) -> Result<Self, $crate::config::ConfigError> {
                let _ = config;
                Ok($name { $($( $field: config.typed($class, const { $key.name })?, )?)* })
            }

            fn updated(&self, next: &Self) -> Self {
                let _ = next;
                $name {
                    $($( $field: const { $key.$mutability() }.at_work(&self.$field, &next.$field).clone(), )?)*
                }
            }
        }
    };
}

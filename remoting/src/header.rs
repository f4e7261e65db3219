//! The typed ext fields of each command. Java: `CommandCustomHeader` and its classes.
//!
//! A header borrows from the command's ext fields; nothing is copied. Fields that Java declares as required are
//! not enforced when decoding: they are `None` until a handler asks for them with [`required`].

pub mod client;
pub mod namesrv;
pub mod offset;
pub mod pull;
pub mod query;
pub mod send;
pub mod topic;
pub mod transaction;

use crate::refusal::Refusal;

/// Declares headers: `field: type = "java name"`. Types: `str`, `i32`, `i64`, `bool` are optional; `int`, `long`, `flag` are
/// Java's primitives, which are 0 or false where the field is absent or unreadable.
#[macro_export]
macro_rules! headers {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:tt = $key:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a> {
            $(#[allow(missing_docs, reason = "the name is Java's")] $(#[$field_meta])*
            pub $field: $crate::field_type!($kind, 'a),)*
            #[doc(hidden)]
            pub lifetime: std::marker::PhantomData<&'a str>,
        }

        impl<'a> $name<'a> {
            /// Reads the fields that are there; an unreadable number counts as absent.
            pub fn decode(ext: &'a $crate::ExtFields) -> Self {
                let mut header = Self::default();
                for (key, _value) in ext.iter() {
                    match key {
                        $($key => header.$field = $crate::field_decode!($kind, _value),)*
                        _ => {}
                    }
                }
                header
            }

            /// The fields that have a value, in the order of the declaration.
            pub fn encode(&self) -> $crate::ExtFields {
                let mut _ext = $crate::ExtFields::empty();
                $($crate::field_encode!($kind, _ext, $key, self.$field);)*
                _ext
            }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! field_type {
    (str, $a:lifetime) => { Option<&$a str> };
    (i32, $a:lifetime) => { Option<i32> };
    (i64, $a:lifetime) => { Option<i64> };
    (bool, $a:lifetime) => { Option<bool> };
    (int, $a:lifetime) => { i32 };
    (long, $a:lifetime) => { i64 };
    (flag, $a:lifetime) => { bool };
}

#[doc(hidden)]
#[macro_export]
macro_rules! field_decode {
    (str, $value:ident) => {
        Some($value)
    };
    (i32, $value:ident) => {
        $value.parse().ok()
    };
    (i64, $value:ident) => {
        $value.parse().ok()
    };
    (bool, $value:ident) => {
        Some($value.eq_ignore_ascii_case("true"))
    };
    (int, $value:ident) => {
        $value.parse().unwrap_or_default()
    };
    (long, $value:ident) => {
        $value.parse().unwrap_or_default()
    };
    (flag, $value:ident) => {
        $value.eq_ignore_ascii_case("true")
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! field_encode {
    (int, $ext:ident, $key:literal, $value:expr) => {
        $ext.push($key, $value)
    };
    (long, $ext:ident, $key:literal, $value:expr) => {
        $ext.push($key, $value)
    };
    (flag, $ext:ident, $key:literal, $value:expr) => {
        $ext.push($key, $value)
    };
    ($kind:tt, $ext:ident, $key:literal, $value:expr) => {
        if let Some(value) = $value {
            $ext.push($key, value)
        }
    };
}

/// The field's value; the error is the answer that Java gives where it is null.
pub fn required<T>(value: Option<T>, field: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::missing(field))
}

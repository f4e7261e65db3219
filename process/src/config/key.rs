//! One row of a configuration table, and the small words to write it with.

use super::Environment;

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Bool,
    /// Java `int`: 32 bits, signed.
    Int,
    /// Java `long`: 64 bits, signed.
    Long,
    /// Java `double`.
    Double,
    /// Any text.
    Text,
    /// A Java enum, by the names of its constants.
    Choice(&'static [&'static str]),
    /// The same, and Java takes the constant's number too.
    NumberedChoice(&'static [&'static str]),
}

/// Java's value where the user gave none.
#[derive(Clone, Copy, Debug)]
pub enum DefaultValue {
    /// Java's `null`.
    Null,
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Int`] and [`Kind::Long`].
    Number(i64),
    /// Of [`Kind::Double`].
    Double(f64),
    /// Of [`Kind::Text`] and the choices.
    Text(&'static str),
    /// Below the user's home folder.
    HomePath(&'static str),
    /// A text that depends on the surroundings; `None` is `null`.
    ComputedText(fn(&Environment) -> Option<String>),
    /// A number that depends on the surroundings.
    ComputedInt(fn(&Environment) -> i32),
    /// A boolean that depends on the surroundings.
    ComputedBool(fn(&Environment) -> bool),
}

/// What an update of a running server does to a key. As 5.5.0's servers read it, but for what nobody may set from afar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Acts at once.
    Live,
    /// Is kept, and acts from the next start on.
    Restart,
    /// Paths, commands, ports, identity, role, access control and TLS are for those who start the server.
    Never,
}

/// One field of one of Java's configuration classes: a row of [`settings!`](crate::settings).
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Java's field name.
    pub name: &'static str,
    /// What a value may be.
    pub kind: Kind,
    /// Java's value where the user gave none.
    pub default: DefaultValue,
    /// What an update does to it.
    pub mutability: Mutability,
    /// The field of our typed struct. A key without one is known and has no effect.
    pub field: Option<&'static str>,
    /// Java marks it `@ImportantField`: `mqbroker -m` prints it.
    pub important: bool,
    /// The name to set it by, where Java has a setter.
    pub set_as: Option<&'static str>,
}

/// One of Java's configuration classes.
#[derive(Debug)]
pub struct Class {
    /// Java's simple class name.
    pub name: &'static str,
    /// In Java's order of declaration, in which `-p` prints them.
    pub keys: &'static [Key],
}

const fn key(name: &'static str, kind: Kind, default: DefaultValue) -> Key {
    let mutability = Mutability::Never;
    Key { name, kind, default, mutability, field: None, important: false, set_as: Some(name) }
}

/// A boolean.
pub const fn boolean(name: &'static str, default: bool) -> Key {
    key(name, Kind::Bool, DefaultValue::Bool(default))
}

/// A number of 32 bits.
pub const fn int(name: &'static str, default: i32) -> Key {
    key(name, Kind::Int, DefaultValue::Number(default as i64))
}

/// A number of 64 bits.
pub const fn long(name: &'static str, default: i64) -> Key {
    key(name, Kind::Long, DefaultValue::Number(default))
}

/// A floating-point number.
pub const fn double(name: &'static str, default: f64) -> Key {
    key(name, Kind::Double, DefaultValue::Double(default))
}

/// A text that is not `null`.
pub const fn text(name: &'static str, default: &'static str) -> Key {
    key(name, Kind::Text, DefaultValue::Text(default))
}

/// A text that Java leaves `null`.
pub const fn null(name: &'static str) -> Key {
    key(name, Kind::Text, DefaultValue::Null)
}

/// A path below the home folder.
pub const fn home_path(name: &'static str, below_home: &'static str) -> Key {
    key(name, Kind::Text, DefaultValue::HomePath(below_home))
}

/// One of these names.
pub const fn choice(name: &'static str, of: &'static [&'static str], default: &'static str) -> Key {
    key(name, Kind::Choice(of), DefaultValue::Text(default))
}

/// One of these names, or its number.
pub const fn numbered_choice(name: &'static str, of: &'static [&'static str], default: &'static str) -> Key {
    key(name, Kind::NumberedChoice(of), DefaultValue::Text(default))
}

/// A text that Java finds out where the user gives none.
pub const fn computed_text(name: &'static str, default: fn(&Environment) -> Option<String>) -> Key {
    key(name, Kind::Text, DefaultValue::ComputedText(default))
}

/// A number of 32 bits that Java finds out where the user gives none.
pub const fn computed_int(name: &'static str, default: fn(&Environment) -> i32) -> Key {
    key(name, Kind::Int, DefaultValue::ComputedInt(default))
}

/// A boolean that Java finds out where the user gives none.
pub const fn computed_boolean(name: &'static str, default: fn(&Environment) -> bool) -> Key {
    key(name, Kind::Bool, DefaultValue::ComputedBool(default))
}

impl Key {
    /// Java marks it `@ImportantField`.
    pub const fn important(self) -> Key {
        Key { important: true, ..self }
    }

    /// Java's setter has another name than the field.
    pub const fn set_as(self, name: &'static str) -> Key {
        Key { set_as: Some(name), ..self }
    }

    /// An update acts at once.
    pub const fn live(self) -> Key {
        Key { mutability: Mutability::Live, ..self }
    }

    /// An update acts at the next start.
    pub const fn restart(self) -> Key {
        Key { mutability: Mutability::Restart, ..self }
    }

    /// No update changes it.
    pub const fn never(self) -> Key {
        Key { mutability: Mutability::Never, ..self }
    }

    /// We act on it, by this field.
    pub const fn field(self, name: &'static str) -> Key {
        Key { field: Some(name), ..self }
    }

    /// Which of two values is at work after an update.
    pub const fn at_work<'a, T>(&self, present: &'a T, next: &'a T) -> &'a T {
        match self.mutability {
            Mutability::Live => next,
            Mutability::Restart | Mutability::Never => present,
        }
    }

    /// Java has no setter: known, printed, never changed.
    pub const fn no_setter(self) -> Key {
        Key { set_as: None, ..self }
    }

    /// The default as Java's `toString` shows it; `None` for `null`.
    pub fn default_text(&self, environment: &Environment) -> Option<String> {
        match self.default {
            DefaultValue::Null => None,
            DefaultValue::Bool(value) => Some(value.to_string()),
            DefaultValue::Number(value) => Some(value.to_string()),
            DefaultValue::Double(value) => Some(format!("{value:?}")),
            DefaultValue::Text(value) => Some(value.to_string()),
            DefaultValue::HomePath(below) => Some(environment.home().join(below).display().to_string()),
            DefaultValue::ComputedText(compute) => compute(environment),
            DefaultValue::ComputedInt(compute) => Some(compute(environment).to_string()),
            DefaultValue::ComputedBool(compute) => Some(compute(environment).to_string()),
        }
    }
}

impl Kind {
    /// The value as it is kept, or `None` if it is not of this kind.
    ///
    /// Java ignores such a value silently (and reads every text but `true` as `false`); we refuse it. Like Java we trim
    /// texts only.
    pub fn accept(self, value: &str) -> Option<String> {
        match self {
            Kind::Bool => {
                let value = value.to_ascii_lowercase();
                matches!(value.as_str(), "true" | "false").then_some(value)
            }
            Kind::Int => value.parse::<i32>().ok().map(|number| number.to_string()),
            Kind::Long => value.parse::<i64>().ok().map(|number| number.to_string()),
            Kind::Double => value.parse::<f64>().ok().map(|number| format!("{number:?}")),
            Kind::Text => Some(value.trim().to_string()),
            Kind::Choice(of) => of.contains(&value.trim()).then(|| value.trim().to_string()),
            Kind::NumberedChoice(of) => match value.parse::<usize>() {
                Ok(number) => of.get(number).map(|name| name.to_string()),
                Err(_) => Kind::Choice(of).accept(value),
            },
        }
    }

    /// For an error message: "... is expected".
    pub fn expected(self) -> String {
        match self {
            Kind::Bool => "true or false".to_string(),
            Kind::Int => "an integer of 32 bits".to_string(),
            Kind::Long => "an integer of 64 bits".to_string(),
            Kind::Double => "a number".to_string(),
            Kind::Text => "a text".to_string(),
            Kind::Choice(of) | Kind::NumberedChoice(of) => format!("one of {}", of.join(", ")),
        }
    }
}

//! Text from elsewhere on its way to people: names that peers chose must not steer a terminal or look like lines of their own.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes the control characters of a text: `\n`, `\r`, `\t`, and `\u001b` as Java writes it.
pub fn printable(text: &str) -> Cow<'_, str> {
    printable_but(text, &[])
}

/// The same for a text of several lines, whose line ends and tabs are its own.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    printable_but(text, &['\n', '\t'])
}

fn printable_but<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let is_steering = |c: char| c.is_control() && !kept.contains(&c);
    if !text.contains(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !is_steering(c) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            // Writing to a String does not fail.
            c => drop(write!(escaped, "\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_steers_a_terminal() {
        assert!(matches!(printable("Order/ä 中😀"), Cow::Borrowed(_)));
        assert_eq!(printable("a\u{1b}[2J\u{9b}1m\u{7f}\0\r\n\t"), r"a\u001b[2J\u009b1m\u007f\u0000\r\n\t");
        assert_eq!(printable_lines("a\tb\nc\r\u{8}"), "a\tb\nc\\r\\u0008");
    }
}

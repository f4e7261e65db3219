//! The text format of `broker.conf`, `namesrv.conf` and of the bodies of config requests (codes 25, 26, 318, 319).
//!
//! Reading follows `java.util.Properties.load(InputStream)`, which takes each byte as one ISO-8859-1 character: a UTF-8
//! path in `broker.conf` therefore names the same (odd looking) directory for us as it does for Java.
//! Writing follows `MixAll.properties2String`: plain `key=value` lines sorted by key. Other than Java's, what would not read
//! back as it was is escaped: a value that holds a line end must not become two settings.

mod edit;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::Range;
use std::str::Chars;

/// Keys and values of one properties text, sorted by key. The last of two equal keys wins, as in Java.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

/// A `\u` that is not followed by four hexadecimal digits; Java refuses the whole text too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedEscape {
    /// Counted from 1, of the line on which the key or value began.
    pub line: usize,
}

impl fmt::Display for MalformedEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: \\u must be followed by four hexadecimal digits", self.line)
    }
}

impl std::error::Error for MalformedEscape {}

impl Properties {
    /// Reads a text. [`MalformedEscape`] if it holds a broken `\u`.
    pub fn parse(bytes: &[u8]) -> Result<Properties, MalformedEscape> {
        let mut properties = BTreeMap::new();
        for line in lines(bytes) {
            let malformed = || MalformedEscape { line: line.number };
            let (raw_key, raw_value) = split_at_separator(&line.text);
            let key = unescape(raw_key).ok_or_else(malformed)?;
            let value = unescape(raw_value).ok_or_else(malformed)?;
            properties.insert(key, value);
        }
        Ok(Properties(properties))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets a value; an earlier one is gone.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `key=value\n` for each pair, sorted by key: [`Properties::parse`] reads the same pairs from it. ASCII.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.iter() {
            for (at, c) in key.char_indices() {
                let ends_key = c == '=' || c == ':' || c == ' ' || (at == 0 && (c == '#' || c == '!'));
                escape(c, ends_key, &mut text);
            }
            text.push('=');
            for (at, c) in value.char_indices() {
                escape(c, at == 0 && c == ' ', &mut text);
            }
            text.push('\n');
        }
        text
    }
}

/// Writes one character as the reader takes it; one that means something else where it stands is `marked`.
fn escape(c: char, marked: bool, text: &mut String) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\x0c' => text.push_str("\\f"),
        '\\' => text.push_str("\\\\"),
        ' '..='~' => {
            if marked {
                text.push('\\');
            }
            text.push(c);
        }
        // The reader takes each byte as a character of its own.
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// A line with its continuations, and where it stands without its line end.
struct Line {
    /// Counted from 1, of its first natural line.
    number: usize,
    text: String,
    range: Range<usize>,
}

/// Lines without comments and blank lines, with continuations joined.
fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let (mut start, mut number, mut is_open) = (0, 1, false);
    while start < bytes.len() {
        let len = bytes[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let end = len.map_or(bytes.len(), |len| start + len);
        let natural: String = bytes[start..end].iter().map(|&byte| char::from(byte)).collect();
        let trimmed = natural.trim_start_matches(is_blank);
        if is_open || !(trimmed.is_empty() || trimmed.starts_with(['#', '!'])) {
            let backslashes = trimmed.len() - trimmed.trim_end_matches('\\').len();
            let goes_on = backslashes % 2 == 1;
            let text = if goes_on { &trimmed[..trimmed.len() - 1] } else { trimmed };
            match lines.last_mut().filter(|_| is_open) {
                Some(line) => {
                    line.text.push_str(text);
                    line.range.end = end;
                }
                None => lines.push(Line { number, text: text.to_owned(), range: start..end }),
            }
            is_open = goes_on;
        }
        start = match bytes.get(end..end + 2) {
            Some(b"\r\n") => end + 2,
            _ => end + 1,
        };
        number += 1;
    }
    lines
}

/// Key and value still escaped. The key ends at the first unescaped `=`, `:` or blank.
fn split_at_separator(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let key_end = line
        .char_indices()
        .find(|&(_, c)| {
            let ends = !escaped && (c == '=' || c == ':' || is_blank(c));
            escaped = c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(key_end);
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

fn unescape(raw: &str) -> Option<String> {
    let mut units = Vec::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.push(utf16_unit(c));
            continue;
        }
        units.push(match chars.next() {
            Some('u') => four_hex_digits(&mut chars)?,
            Some('t') => utf16_unit('\t'),
            Some('n') => utf16_unit('\n'),
            Some('r') => utf16_unit('\r'),
            Some('f') => utf16_unit('\x0c'),
            Some(other) => utf16_unit(other),
            None => break,
        });
    }
    // A pair of \u escapes may make one character outside the basic plane.
    Some(String::from_utf16_lossy(&units))
}

/// Every character of the text comes from one byte, so it fits.
fn utf16_unit(latin_1: char) -> u16 {
    u32::from(latin_1) as u16
}

fn four_hex_digits(chars: &mut Chars<'_>) -> Option<u16> {
    let mut unit = 0u16;
    for _ in 0..4 {
        let digit = chars.next()?.to_digit(16)?;
        unit = unit << 4 | digit as u16;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        let properties = Properties::parse(text.as_bytes()).expect("well formed");
        properties.0.into_iter().collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_string(), value.to_string())
    }

    #[test]
    fn separators_comments_and_blank_lines() {
        let text = "# comment\n! also\n\n  a = 1 \nb:2\nc 3\nd\t=\t4\ne\n=f\ng==h\n";
        assert_eq!(
            parsed(text),
            [
                pair("", "f"),
                pair("a", "1 "),
                pair("b", "2"),
                pair("c", "3"),
                pair("d", "4"),
                pair("e", ""),
                pair("g", "=h"),
            ]
        );
    }

    #[test]
    fn continuation_lines_join_without_leading_blanks() {
        assert_eq!(
            parsed("levels=1s \\\n   5s \\\r\n# 10s\nnext=\\\\\nlast=x\\"),
            [pair("last", "x"), pair("levels", "1s 5s # 10s"), pair("next", "\\")]
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(parsed(r"a\=\:\ b=\t\u4e2d\q\\"), [pair("a=: b", "\t中q\\")]);
        assert_eq!(parsed(r"k=\ud83d\ude00"), [pair("k", "😀")]);
        assert_eq!(Properties::parse(b"ok=1\nbad=\\u12"), Err(MalformedEscape { line: 2 }));
        assert_eq!(Properties::parse(b"bad=\\u12zz"), Err(MalformedEscape { line: 1 }));
    }

    /// Seen on the Java 5.5.0 name server: `kvConfigPath=/x/ä` in a UTF-8 file is printed as `/x/Ã¤`.
    #[test]
    fn bytes_are_latin_1() {
        assert_eq!(parsed("p=/x/ä"), [pair("p", "/x/Ã¤")]);
    }

    #[test]
    fn last_of_equal_keys_wins_and_rendering_is_sorted() {
        let properties = Properties::parse(b"b=1\na=2\nb=3").unwrap();
        assert_eq!(properties.render(), "a=2\nb=3\n");
        assert_eq!(properties.get("b"), Some("3"));
    }

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let plain = r"path=/data/a b=c:d#e!f;g,'h' ";
        assert_eq!(Properties::parse(plain.as_bytes()).unwrap().render(), format!("{plain}\n"));
        for odd in [
            "a\nkvConfigPath=/any/path\nx",
            "a\r\nb",
            " leading",
            "\t\x0c",
            "C:\\temp\\",
            "\\n",
            "# no comment",
            "!",
            "=",
            ":x",
            "a=b:c d",
            "ä中😀\u{85}\0\u{1b}",
            "",
        ] {
            let mut properties = Properties::default();
            properties.insert("first", odd);
            properties.insert(odd, "second");
            properties.insert("third", "plain");
            let text = properties.render();
            assert!(text.is_ascii() && text.lines().count() == 3, "{text:?}");
            assert_eq!(Properties::parse(text.as_bytes()), Ok(properties), "{text:?}");
        }
    }
}

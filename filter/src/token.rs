//! The words of an expression. Java: `SelectorParserTokenManager`, `SimpleCharStream`, `TokenMgrError`.

use crate::error::CompileError;
use std::fmt::Write;

/// The numbers are those of Java's `SelectorParserConstants`: error texts list tokens in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Eof = 0,
    Not = 8,
    And = 9,
    Or = 10,
    Between = 11,
    In = 12,
    True = 13,
    False = 14,
    Null = 15,
    Is = 16,
    Contains = 17,
    StartsWith = 18,
    EndsWith = 19,
    Decimal = 20,
    Float = 21,
    String = 23,
    Id = 24,
    Equal = 25,
    NotEqual = 26,
    Greater = 27,
    GreaterEqual = 28,
    Less = 29,
    LessEqual = 30,
    Open = 31,
    Comma = 32,
    Close = 33,
    Plus = 34,
    Minus = 35,
}

/// Every kind with its name in error texts, in order.
const IMAGES: [(Kind, &str); 28] = [
    (Kind::Eof, "<EOF>"),
    (Kind::Not, "\"NOT\""),
    (Kind::And, "\"AND\""),
    (Kind::Or, "\"OR\""),
    (Kind::Between, "\"BETWEEN\""),
    (Kind::In, "\"IN\""),
    (Kind::True, "\"TRUE\""),
    (Kind::False, "\"FALSE\""),
    (Kind::Null, "\"NULL\""),
    (Kind::Is, "\"IS\""),
    (Kind::Contains, "\"CONTAINS\""),
    (Kind::StartsWith, "\"STARTSWITH\""),
    (Kind::EndsWith, "\"ENDSWITH\""),
    (Kind::Decimal, "<DECIMAL_LITERAL>"),
    (Kind::Float, "<FLOATING_POINT_LITERAL>"),
    (Kind::String, "<STRING_LITERAL>"),
    (Kind::Id, "<ID>"),
    (Kind::Equal, "\"=\""),
    (Kind::NotEqual, "\"<>\""),
    (Kind::Greater, "\">\""),
    (Kind::GreaterEqual, "\">=\""),
    (Kind::Less, "\"<\""),
    (Kind::LessEqual, "\"<=\""),
    (Kind::Open, "\"(\""),
    (Kind::Comma, "\",\""),
    (Kind::Close, "\")\""),
    (Kind::Plus, "\"+\""),
    (Kind::Minus, "\"-\""),
];

const KEYWORDS: [(&str, Kind); 12] = [
    ("NOT", Kind::Not),
    ("AND", Kind::And),
    ("OR", Kind::Or),
    ("BETWEEN", Kind::Between),
    ("IN", Kind::In),
    ("TRUE", Kind::True),
    ("FALSE", Kind::False),
    ("NULL", Kind::Null),
    ("IS", Kind::Is),
    ("CONTAINS", Kind::Contains),
    ("STARTSWITH", Kind::StartsWith),
    ("ENDSWITH", Kind::EndsWith),
];

impl Kind {
    pub fn image(self) -> &'static str {
        IMAGES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, image)| image)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u64);

impl Kinds {
    pub const fn of(kinds: &[Kind]) -> Kinds {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= 1 << kinds[i] as u8;
            i += 1;
        }
        Kinds(bits)
    }

    pub const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub const fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Kind> {
        IMAGES.into_iter().map(|(kind, _)| kind).filter(move |kind| self.has(*kind))
    }
}

/// A word at these bytes of the expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// The words of an expression, cut off one by one as somebody looks at them: what stands behind the last word looked
/// at may be anything.
pub struct Tokens<'a> {
    pub sql: &'a str,
    cut: Vec<Token>,
    /// Where the next word is looked for.
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(sql: &'a str) -> Tokens<'a> {
        Tokens { sql, cut: Vec::new(), at: 0 }
    }

    /// The word at `index`; beyond the last one it is always [`Kind::Eof`].
    pub fn get(&mut self, index: usize) -> Result<Token, CompileError> {
        while self.cut.len() <= index {
            let token = self.next()?;
            self.cut.push(token);
        }
        Ok(self.cut[index])
    }

    /// The word at `index`, if somebody has looked at it.
    pub fn seen(&self, index: usize) -> Option<Token> {
        self.cut.get(index).copied()
    }

    pub fn text(&self, token: Token) -> &'a str {
        &self.sql[token.start..token.end]
    }

    fn next(&mut self) -> Result<Token, CompileError> {
        self.skip_blanks();
        let start = self.at;
        let rest = &self.sql.as_bytes()[start..];
        let Some(&first) = rest.first() else {
            return Ok(Token { kind: Kind::Eof, start, end: start });
        };
        let (kind, length) = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => word(&self.sql[start..]),
            b'0'..=b'9' | b'.' => number(rest).ok_or_else(|| self.lexical_error(1))?,
            b'\'' => (Kind::String, string_bytes(rest).ok_or_else(|| self.lexical_error(rest.len()))?),
            // An unfinished comment; a finished one is skipped by now.
            b'/' if rest.get(1) == Some(&b'*') => return Err(self.lexical_error(rest.len())),
            b'/' => return Err(self.lexical_error(1)),
            _ => operator(rest).ok_or_else(|| self.lexical_error(0))?,
        };
        self.at += length;
        Ok(Token { kind, start, end: self.at })
    }

    fn skip_blanks(&mut self) {
        let bytes = self.sql.as_bytes();
        loop {
            let rest = &bytes[self.at..];
            let skipped = match rest {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0c, ..] => 1,
                [b'-', b'-', ..] => line_comment_bytes(rest),
                [b'/', b'*', ..] => block_comment_bytes(rest),
                _ => 0,
            };
            if skipped == 0 {
                return;
            }
            self.at += skipped;
        }
    }

    /// The next word began well for `good_bytes`, but did not become one. Java: `TokenMgrError.LexicalError`, and the
    /// end of `getNextToken`, which takes the last character for the end.
    fn lexical_error(&self, good_bytes: usize) -> CompileError {
        let rest = &self.sql[self.at..];
        let bad = rest[good_bytes..].chars().next();
        let bad_bytes = good_bytes + bad.map_or(0, char::len_utf8);
        // Java reads characters of 16 bits: of a pair it meets only the first.
        let unit = bad.map(|c| (c.encode_utf16(&mut [0; 2])[0], c.len_utf16()));
        let (line, column) = position(self.sql, self.at + good_bytes);
        let mut text = String::from("Lexical error at line ");
        let written = match unit {
            Some((unit, units)) if bad_bytes < rest.len() || units > 1 => {
                let (shown, after) = (escaped_unit(unit), escaped(&rest[..good_bytes]));
                write!(
                    text,
                    "{line}, column {column}.  Encountered: \"{shown}\" ({unit}), after : \"{after}\""
                )
            }
            _ => {
                let (line, column) = end_position(self.sql);
                let seen = rest.encode_utf16().count();
                // One character alone is not shown.
                let after = if seen > 1 { escaped(rest) } else { String::new() };
                write!(text, "{line}, column {column}.  Encountered: <EOF> after : \"{after}\"")
            }
        };
        debug_assert!(written.is_ok());
        CompileError::Lexical(text)
    }
}

fn word(rest: &str) -> (Kind, usize) {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'$';
    let length = rest.bytes().position(|b| !is_part(b)).unwrap_or(rest.len());
    let keyword = KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&rest[..length]));
    (keyword.map_or(Kind::Id, |(_, kind)| *kind), length)
}

/// The longest number: a second one may follow at once, as in `007`.
fn number(rest: &[u8]) -> Option<(Kind, usize)> {
    let digits = |from: usize| rest[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let exponent = |from: usize| {
        if !matches!(rest.get(from), Some(b'e' | b'E')) {
            return 0;
        }
        let sign = usize::from(matches!(rest.get(from + 1), Some(b'+' | b'-')));
        match digits(from + 1 + sign) {
            0 => 0,
            count => 1 + sign + count,
        }
    };
    let whole = digits(0);
    if rest.get(whole) == Some(&b'.') {
        let length = whole + 1 + digits(whole + 1);
        return (length > 1).then(|| (Kind::Float, length + exponent(length)));
    }
    match exponent(whole) {
        0 if rest[0] == b'0' => Some((Kind::Decimal, 1)),
        0 => Some((Kind::Decimal, whole + usize::from(matches!(rest.get(whole), Some(b'l' | b'L'))))),
        exponent => Some((Kind::Float, whole + exponent)),
    }
}

/// `'it''s'`, quotes included. Of `'it''s` without an end the word is `'it'`.
fn string_bytes(rest: &[u8]) -> Option<usize> {
    let mut whole = None;
    let mut at = 1;
    while let Some(quote) = rest[at..].iter().position(|b| *b == b'\'') {
        at += quote + 1;
        whole = Some(at);
        if rest.get(at) != Some(&b'\'') {
            break;
        }
        at += 1;
    }
    whole
}

/// Without the end of its line it is no comment, but two minus signs.
fn line_comment_bytes(rest: &[u8]) -> usize {
    match rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
        None => 0,
        Some(at) => at + if rest[at..].starts_with(b"\r\n") { 2 } else { 1 },
    }
}

fn block_comment_bytes(rest: &[u8]) -> usize {
    rest[2..].windows(2).position(|pair| pair == b"*/").map_or(0, |at| at + 4)
}

fn operator(rest: &[u8]) -> Option<(Kind, usize)> {
    Some(match rest {
        [b'<', b'>', ..] => (Kind::NotEqual, 2),
        [b'<', b'=', ..] => (Kind::LessEqual, 2),
        [b'>', b'=', ..] => (Kind::GreaterEqual, 2),
        [b'<', ..] => (Kind::Less, 1),
        [b'>', ..] => (Kind::Greater, 1),
        [b'=', ..] => (Kind::Equal, 1),
        [b'(', ..] => (Kind::Open, 1),
        [b',', ..] => (Kind::Comma, 1),
        [b')', ..] => (Kind::Close, 1),
        [b'+', ..] => (Kind::Plus, 1),
        [b'-', ..] => (Kind::Minus, 1),
        _ => return None,
    })
}

/// Line and column of the character at byte `at`; tabs go to the next column of eight.
/// Java: `SimpleCharStream.UpdateLineColumn`.
pub fn position(sql: &str, at: usize) -> (u32, u32) {
    let (mut line, mut column) = (1, 0);
    let mut before = '\0';
    let through = sql[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    for (i, c) in sql[..through].char_indices() {
        column += 1;
        if before == '\n' || before == '\r' && c != '\n' {
            line += 1;
            column = 1;
        }
        if c == '\t' {
            column -= 1;
            column += 8 - column % 8;
        } else if i < at {
            column += c.len_utf16() as u32 - 1;
        }
        before = c;
    }
    (line, column)
}

/// Where Java says that the end is: at the last character.
pub fn eof_position(sql: &str) -> (u32, u32) {
    match sql.chars().next_back() {
        None => (0, 0),
        Some(last) => {
            let (line, column) = position(sql, sql.len() - last.len_utf8());
            (line, column + last.len_utf16() as u32 - 1)
        }
    }
}

/// Behind the last character.
fn end_position(sql: &str) -> (u32, u32) {
    let (line, column) = eof_position(sql);
    if sql.ends_with(['\n', '\r']) { (line + 1, 0) } else { (line, column + 1) }
}

/// Java: `addEscapes`, `add_escapes`.
pub fn escaped(text: &str) -> String {
    text.encode_utf16().map(escaped_unit).collect()
}

fn escaped_unit(unit: u16) -> String {
    match unit {
        0 => String::new(),
        8 => "\\b".into(),
        9 => "\\t".into(),
        10 => "\\n".into(),
        12 => "\\f".into(),
        13 => "\\r".into(),
        34 => "\\\"".into(),
        39 => "\\'".into(),
        92 => "\\\\".into(),
        0x20..=0x7e => char::from(unit as u8).into(),
        _ => format!("\\u{unit:04x}"),
    }
}

//! A cursor over JSON text: the lexical part that headers and bodies share.

use super::DEPTH_MAX;
use std::borrow::Cow;

/// Why text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanError {
    /// It ends too early.
    Truncated,
    /// The byte at this offset does not belong there.
    Syntax(usize),
    /// Arrays and objects within each other beyond `DEPTH_MAX`.
    TooDeep,
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ScanError::Truncated => write!(f, "it ends too early"),
            ScanError::Syntax(at) => write!(f, "not JSON at byte {at}"),
            ScanError::TooDeep => write!(f, "it is nested too deeply"),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    pub(crate) at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    pub(crate) fn rest_bytes(&self) -> usize {
        self.text.len() - self.at
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is no blank, not yet taken.
    pub(crate) fn peek(&mut self) -> Result<u8, ScanError> {
        self.skip_blanks();
        self.byte().ok_or(ScanError::Truncated)
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), ScanError> {
        if self.peek()? != byte {
            return Err(ScanError::Syntax(self.at));
        }
        self.at += 1;
        Ok(())
    }

    pub(crate) fn expect_end(&mut self) -> Result<(), ScanError> {
        self.skip_blanks();
        if self.at < self.text.len() { Err(ScanError::Syntax(self.at)) } else { Ok(()) }
    }

    /// Within an object or array, before a member: whether there is one. Takes the comma before it, or the `close`.
    pub(crate) fn another(&mut self, close: u8, first: &mut bool) -> Result<bool, ScanError> {
        if !std::mem::take(first) && self.peek()? != close {
            self.expect(b',')?;
        }
        if self.peek()? == close {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Walks the members of an object; `member` takes one, key and value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.expect(b'{')?;
        let mut first = true;
        while self.another(b'}', &mut first)? {
            member(self)?;
        }
        Ok(())
    }

    /// Appends a value's text: a string's content, or a number, boolean, array or object as it stands.
    /// False for null, which appends nothing.
    pub(crate) fn value_into(&mut self, out: &mut String) -> Result<bool, ScanError> {
        if self.null()? {
            return Ok(false);
        }
        match self.peek()? {
            b'"' | b'\'' => self.string_into(out)?,
            _ => out.push_str(self.raw_value()?),
        }
        Ok(true)
    }

    /// Takes a null if one stands here.
    pub(crate) fn null(&mut self) -> Result<bool, ScanError> {
        let null = self.peek()? == b'n';
        if null {
            self.literal("null")?;
        }
        Ok(null)
    }

    pub(crate) fn string_into(&mut self, out: &mut String) -> Result<(), ScanError> {
        let quote = self.quote()?;
        self.rest_of_string(quote, out)
    }

    /// A string's content, borrowed where it holds no escape.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, ScanError> {
        let quote = self.quote()?;
        let (from, rest) = (self.at, &self.text.as_bytes()[self.at..]);
        let plain = memchr::memchr2(quote, b'\\', rest).ok_or(ScanError::Truncated)?;
        if rest[plain] == quote {
            self.at += plain + 1;
            return Ok(Cow::Borrowed(&self.text[from..from + plain]));
        }
        let mut out = String::new();
        self.rest_of_string(quote, &mut out)?;
        Ok(Cow::Owned(out))
    }

    fn quote(&mut self) -> Result<u8, ScanError> {
        let quote = self.peek()?;
        if quote != b'"' && quote != b'\'' {
            return Err(ScanError::Syntax(self.at));
        }
        self.at += 1;
        Ok(quote)
    }

    fn rest_of_string(&mut self, quote: u8, out: &mut String) -> Result<(), ScanError> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = memchr::memchr2(quote, b'\\', rest).ok_or(ScanError::Truncated)?;
            out.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain + 1;
            if rest[plain] == quote {
                return Ok(());
            }
            self.escape_into(out)?;
        }
    }

    fn escape_into(&mut self, out: &mut String) -> Result<(), ScanError> {
        let byte = self.byte().ok_or(ScanError::Truncated)?;
        self.at += 1;
        out.push(match byte {
            b'"' | b'\\' | b'/' | b'\'' => byte as char,
            b'b' => '\u{8}',
            b't' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'0'..=b'7' => (byte - b'0') as char,
            b'u' => self.unicode_escape()?,
            _ => return Err(ScanError::Syntax(self.at - 1)),
        });
        Ok(())
    }

    /// `\uXXXX`, or the two of a surrogate pair; half a pair becomes the replacement character.
    fn unicode_escape(&mut self) -> Result<char, ScanError> {
        let unit = self.hex4()?;
        if !(0xd800..0xdc00).contains(&unit) || !self.text[self.at..].starts_with("\\u") {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at += 2;
        let low = self.hex4()?;
        let whole = 0x10000 + ((unit - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
        let paired = (0xdc00..0xe000).contains(&low);
        Ok(char::from_u32(whole).filter(|_| paired).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, ScanError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(ScanError::Truncated)?;
        let unit = digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?));
        let unit = unit.ok_or(ScanError::Syntax(self.at))?;
        self.at += 4;
        Ok(unit)
    }

    fn literal(&mut self, word: &str) -> Result<(), ScanError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(ScanError::Syntax(self.at));
        }
        self.at += word.len();
        Ok(())
    }

    /// The text of a value, as it stands.
    pub(crate) fn raw_value(&mut self) -> Result<&'a str, ScanError> {
        self.skip_blanks();
        let from = self.at;
        self.skip_value(0)?;
        Ok(&self.text[from..self.at])
    }

    /// Skips a value, or a key: those too may be bare numbers and objects.
    pub(crate) fn skip_value(&mut self, depth: usize) -> Result<(), ScanError> {
        if depth > DEPTH_MAX {
            return Err(ScanError::TooDeep);
        }
        match self.peek()? {
            b'"' | b'\'' => self.string().map(drop),
            b'{' => self.object(|scanner| {
                scanner.skip_value(depth + 1)?;
                scanner.expect(b':')?;
                scanner.skip_value(depth + 1)
            }),
            b'[' => {
                self.at += 1;
                let mut first = true;
                while self.another(b']', &mut first)? {
                    self.skip_value(depth + 1)?;
                }
                Ok(())
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'+' | b'.' | b'0'..=b'9' => {
                while matches!(self.byte(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(ScanError::Syntax(self.at)),
        }
    }
}

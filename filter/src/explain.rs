//! The text about a word in the wrong place. Consumers' users see it, so it is Java's to the letter.
//! Java: `generateParseException`, `ParseException.initialise`.

use crate::error::CompileError;
use crate::token::{Kind, Kinds, Tokens, eof_position, escaped, position};

/// The word at index `bad`, which the parser has looked at, does not fit. `expected` are the kinds that would have, and
/// `tried` is one more that Java lists behind them, since it looked ahead for it. (Java means to list sequences of
/// words that it looked ahead for as well, but its search for doubles takes all that are longer for known.)
pub fn unexpected(tokens: &Tokens<'_>, bad: usize, expected: Kinds, tried: Option<Kind>) -> CompileError {
    let bad = tokens.seen(bad).filter(|token| token.kind != Kind::Eof);
    let shown = match bad {
        Some(token) => format!(" {} \"{} \"", token.kind.image(), escaped(tokens.text(token))),
        None => Kind::Eof.image().to_owned(),
    };
    let (line, column) = match bad {
        Some(token) => position(tokens.sql, token.start),
        None => eof_position(tokens.sql),
    };
    let images: Vec<_> = expected.iter().chain(tried).map(Kind::image).collect();
    let one_of = if images.len() == 1 { "" } else { " one of" };
    let images: String = images.iter().map(|image| format!("{image} ...\n    ")).collect();
    CompileError::Syntax(format!(
        "Encountered \"{shown}\" at line {line}, column {column}.\nWas expecting{one_of}:\n    {images}"
    ))
}

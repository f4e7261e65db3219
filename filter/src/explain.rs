//! The text about a word in the wrong place. Consumers' users see it, so it is Java's to the letter, with its list of
//! what could have stood there. Java: `generateParseException`, `jj_add_error_token`, `ParseException.initialise`.

use crate::error::CompileError;
use crate::grammar::{Rule, Scan};
use crate::token::{Kind, Kinds, Tokens, eof_position, escaped, position};

/// Words of one expected sequence that Java can hold.
const SEQUENCE_TOKENS_MAX: usize = 100;

/// `bad` is the index of the word that does not fit, `expected` the kinds that would have. Of each rule that was
/// tried to decide on the way (with the word it began at), the sequences are listed too that lead beyond `bad`.
pub fn unexpected(
    tokens: &mut Tokens<'_>,
    bad: usize,
    expected: Kinds,
    tried: &[(&'static Rule, usize)],
) -> CompileError {
    let mut sequences = Sequences { all: expected.iter().map(|kind| vec![kind]).collect(), open: Vec::new() };
    for (rule, start) in tried {
        let mut scan = Scan::new(tokens, *start);
        // Java counts from the last good word, and does not look before it.
        let mut note = |index: usize, kind| {
            if let Some(place) = (index + 1).checked_sub(bad) {
                sequences.note(place, kind);
            }
        };
        if let Err(error) = scan.fits(rule, &mut note) {
            return error;
        }
    }
    sequences.close();
    CompileError::Syntax(sequences.text(tokens, bad))
}

/// What could have stood there, as sequences of words.
struct Sequences {
    all: Vec<Vec<Kind>>,
    /// The one that is being made.
    open: Vec<Kind>,
}

impl Sequences {
    /// `kind` would fit as the word number `place` from 1.
    fn note(&mut self, place: usize, kind: Kind) {
        if place >= SEQUENCE_TOKENS_MAX {
            return;
        }
        if place == self.open.len() + 1 {
            self.open.push(kind);
            return;
        }
        self.close();
        // The words before it are those of the sequence before.
        self.open.truncate(place.max(1));
        if let Some(last) = self.open.get_mut(place.wrapping_sub(1)) {
            *last = kind;
        }
    }

    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        // Java's search overlooks what it has found when the last sequence has another length.
        let last_is_longer_or_shorter = self.all.last().is_some_and(|last| last.len() != self.open.len());
        if !last_is_longer_or_shorter && !self.all.contains(&self.open) {
            self.all.push(self.open.clone());
        }
    }

    fn text(&self, tokens: &mut Tokens<'_>, bad: usize) -> String {
        let mut text = String::from("Encountered \"");
        let shown_max = self.all.iter().map(Vec::len).max().unwrap_or(0);
        let shown = tokens.seen(bad).iter().take(shown_max);
        for (i, token) in shown.enumerate() {
            if i > 0 {
                text.push(' ');
            }
            if token.kind == Kind::Eof {
                text.push_str(Kind::Eof.image());
                break;
            }
            let (image, word) = (token.kind.image(), escaped(tokens.text(*token)));
            text.push_str(&format!(" {image} \"{word} \""));
        }
        let (line, column) = match tokens.seen(bad).first() {
            Some(token) if token.kind != Kind::Eof => position(tokens.sql, token.start),
            _ => eof_position(tokens.sql),
        };
        text.push_str(&format!("\" at line {line}, column {column}.\nWas expecting"));
        text.push_str(if self.all.len() == 1 { ":\n    " } else { " one of:\n    " });
        for sequence in &self.all {
            for kind in sequence {
                text.push_str(kind.image());
                text.push(' ');
            }
            text.push_str("...\n    ");
        }
        text
    }
}

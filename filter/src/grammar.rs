//! The grammar as data, for looking ahead: Java reads the operand of a `+` only when all of it fits, and else points to
//! the `+`. Java: `SelectorParser.jj`, the `jj_3R_*` methods of `SelectorParser`.

use crate::error::CompileError;
use crate::token::{Kind, Tokens};

/// Operands within operands: brackets and signs.
pub const NESTING_MAX: usize = 256;

pub enum Rule {
    Token(Kind),
    All(&'static [Rule]),
    /// The first that fits.
    Any(&'static [Rule]),
    /// As often as it fits.
    Many(&'static Rule),
    See(&'static Rule),
}

use Rule::{All, Any, Many, See, Token};

static OR: Rule = All(&[See(&AND), Many(&All(&[Token(Kind::Or), See(&AND)]))]);

static AND: Rule = All(&[See(&EQUALITY), Many(&All(&[Token(Kind::And), See(&EQUALITY)]))]);

static EQUALITY: Rule = All(&[
    See(&COMPARISON),
    Many(&Any(&[
        All(&[Token(Kind::Equal), See(&COMPARISON)]),
        All(&[Token(Kind::NotEqual), See(&COMPARISON)]),
        All(&[Token(Kind::Is), Token(Kind::Null)]),
        All(&[Token(Kind::Is), Token(Kind::Not), Token(Kind::Null)]),
    ])),
]);

static COMPARISON: Rule = All(&[
    See(&UNARY),
    Many(&Any(&[
        All(&[Token(Kind::Greater), See(&UNARY)]),
        All(&[Token(Kind::GreaterEqual), See(&UNARY)]),
        All(&[Token(Kind::Less), See(&UNARY)]),
        All(&[Token(Kind::LessEqual), See(&UNARY)]),
        All(&[Token(Kind::Contains), Token(Kind::String)]),
        All(&[Token(Kind::Not), Token(Kind::Contains), Token(Kind::String)]),
        All(&[Token(Kind::StartsWith), Token(Kind::String)]),
        All(&[Token(Kind::Not), Token(Kind::StartsWith), Token(Kind::String)]),
        All(&[Token(Kind::EndsWith), Token(Kind::String)]),
        All(&[Token(Kind::Not), Token(Kind::EndsWith), Token(Kind::String)]),
        See(&BETWEEN),
        All(&[Token(Kind::Not), See(&BETWEEN)]),
        See(&IN),
        All(&[Token(Kind::Not), See(&IN)]),
    ])),
]);

static BETWEEN: Rule = All(&[Token(Kind::Between), See(&UNARY), Token(Kind::And), See(&UNARY)]);

static IN: Rule = All(&[
    Token(Kind::In),
    Token(Kind::Open),
    Token(Kind::String),
    Many(&All(&[Token(Kind::Comma), Token(Kind::String)])),
    Token(Kind::Close),
]);

static UNARY: Rule = Any(&[
    See(&PLUS),
    All(&[Token(Kind::Minus), See(&UNARY)]),
    All(&[Token(Kind::Not), See(&UNARY)]),
    Token(Kind::String),
    Token(Kind::Decimal),
    Token(Kind::Float),
    Token(Kind::True),
    Token(Kind::False),
    Token(Kind::Null),
    Token(Kind::Id),
    All(&[Token(Kind::Open), See(&OR), Token(Kind::Close)]),
]);

pub static PLUS: Rule = All(&[Token(Kind::Plus), See(&UNARY)]);

/// Tries rules on the words from some point on.
pub struct Scan<'t, 'sql> {
    pub tokens: &'t mut Tokens<'sql>,
    /// The next word.
    pub at: usize,
    depth: usize,
}

impl<'t, 'sql> Scan<'t, 'sql> {
    pub fn new(tokens: &'t mut Tokens<'sql>, at: usize) -> Scan<'t, 'sql> {
        Scan { tokens, at, depth: 0 }
    }

    /// Whether the rule fits; then `at` is behind it.
    pub fn fits(&mut self, rule: &'static Rule) -> Result<bool, CompileError> {
        match rule {
            Token(kind) => {
                let fits = self.tokens.get(self.at)?.kind == *kind;
                self.at += 1;
                Ok(fits)
            }
            All(rules) => {
                for rule in *rules {
                    if !self.fits(rule)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Any(rules) => {
                let start = self.at;
                for rule in *rules {
                    self.at = start;
                    if self.fits(rule)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Many(rule) => {
                let mut end = self.at;
                while self.fits(rule)? {
                    end = self.at;
                }
                self.at = end;
                Ok(true)
            }
            See(rule) => self.descend(rule),
        }
    }

    fn descend(&mut self, rule: &'static Rule) -> Result<bool, CompileError> {
        if !std::ptr::eq(rule, &UNARY) {
            return self.fits(rule);
        }
        if self.depth >= NESTING_MAX {
            return Err(CompileError::TooDeep { levels_max: NESTING_MAX });
        }
        self.depth += 1;
        let fits = self.fits(rule);
        self.depth -= 1;
        fits
    }
}

//! Words to expression: one method a rule of the grammar. Java: `SelectorParser`.

use crate::error::CompileError;
use crate::explain::unexpected;
use crate::expression::{Comparison, Constant, Expression, TextMatch};
use crate::grammar::{self, NESTING_MAX, Scan};
use crate::number;
use crate::token::{Kind, Kinds, Token, Tokens};

/// Operators on the way from a result down to an operand; evaluation and release go down as deep.
pub const HEIGHT_MAX: usize = 1024;

/// What an operand begins with; `+` comes from looking ahead.
const OPERAND: Kinds = Kinds::of(&[
    Kind::Not,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Decimal,
    Kind::Float,
    Kind::String,
    Kind::Id,
    Kind::Open,
    Kind::Minus,
]);

/// What may follow an operand, besides NOT with one of these.
const OPERATOR: Kinds = Kinds::of(&[
    Kind::Between,
    Kind::In,
    Kind::Contains,
    Kind::StartsWith,
    Kind::EndsWith,
    Kind::Greater,
    Kind::GreaterEqual,
    Kind::Less,
    Kind::LessEqual,
]);

const EQUALITY: Kinds = Kinds::of(&[Kind::Is, Kind::Equal, Kind::NotEqual]);

/// An expression and the operators above its deepest operand.
struct Node {
    expression: Expression,
    height: usize,
}

impl Node {
    fn leaf(expression: Expression) -> Node {
        Node { expression, height: 1 }
    }

    fn over(expression: Expression, below: usize) -> Result<Node, CompileError> {
        match below >= HEIGHT_MAX {
            true => Err(CompileError::TooDeep { levels_max: HEIGHT_MAX }),
            false => Ok(Node { expression, height: below + 1 }),
        }
    }
}

type Parsed = Result<Node, CompileError>;

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// Index of the next word.
    at: usize,
    /// What might have stood at `at`, of what has been asked for there.
    expected: Kinds,
    depth: usize,
    /// The words before this index are known to fit, from looking ahead.
    fits_until: usize,
}

impl Expression {
    /// The boolean expression that `sql` begins with. As in Java, words behind its end do not matter.
    /// An error, with Java's text, if it does not begin with one. Java: `SqlFilter.compile`.
    pub fn compile(sql: &str) -> Result<Expression, CompileError> {
        let tokens = Tokens::new(sql);
        let mut parser = Parser { tokens, at: 0, expected: Kinds::default(), depth: 0, fits_until: 0 };
        parser.or_expression()?.expression.into_boolean()
    }
}

impl<'a> Parser<'a> {
    fn or_expression(&mut self) -> Parsed {
        let mut left = self.and_expression()?;
        // A chain is one operator over many operands.
        let mut below = left.height;
        while self.take(Kind::Or)? {
            let right = self.and_expression()?;
            below = below.max(right.height);
            left = Node::over(left.expression.or(right.expression)?, below)?;
        }
        Ok(left)
    }

    fn and_expression(&mut self) -> Parsed {
        let mut left = self.equality_expression()?;
        // A chain is one operator over many operands.
        let mut below = left.height;
        while self.take(Kind::And)? {
            let right = self.equality_expression()?;
            below = below.max(right.height);
            left = Node::over(left.expression.and(right.expression)?, below)?;
        }
        Ok(left)
    }

    fn equality_expression(&mut self) -> Parsed {
        let mut left = self.comparison_expression()?;
        loop {
            let kind = self.peek()?.kind;
            if !EQUALITY.has(kind) {
                self.expected = self.expected.and(EQUALITY);
                return Ok(left);
            }
            left = match kind {
                Kind::Is => {
                    let negated = self.is_null()?;
                    let expression = left.expression.equals_null();
                    Node::over(if negated { expression.negated() } else { expression }, left.height)?
                }
                _ => {
                    self.consume();
                    let right = self.comparison_expression()?;
                    let height = left.height.max(right.height);
                    let expression = left.expression.equal(right.expression)?;
                    let is_not = kind == Kind::NotEqual;
                    Node::over(if is_not { expression.negated() } else { expression }, height)?
                }
            };
        }
    }

    /// `IS [NOT] NULL`: whether with NOT.
    fn is_null(&mut self) -> Result<bool, CompileError> {
        if self.tokens.get(self.at + 1)?.kind == Kind::Null {
            self.consume();
            self.consume();
            return Ok(false);
        }
        self.consume();
        if self.peek()?.kind != Kind::Not {
            return Err(unexpected(&self.tokens, self.at, Kinds::of(&[Kind::Not]), Some(Kind::Null)));
        }
        self.consume();
        self.expect(Kind::Null)?;
        Ok(true)
    }

    fn comparison_expression(&mut self) -> Parsed {
        let mut left = self.unary_expression()?;
        loop {
            let first = self.peek()?.kind;
            let negated = first == Kind::Not;
            let kind = if negated { self.negated_operator()? } else { first };
            if !OPERATOR.has(kind) {
                self.expected = self.expected.and(OPERATOR).and(Kinds::of(&[Kind::Not]));
                return Ok(left);
            }
            self.consume();
            left = match kind {
                Kind::Contains => self.text(left, TextMatch::Contains, negated)?,
                Kind::StartsWith => self.text(left, TextMatch::StartsWith, negated)?,
                Kind::EndsWith => self.text(left, TextMatch::EndsWith, negated)?,
                Kind::Between => self.between(left, negated)?,
                Kind::In => self.in_list(left, negated)?,
                Kind::Greater => self.ordered(left, Comparison::Greater)?,
                Kind::GreaterEqual => self.ordered(left, Comparison::GreaterEqual)?,
                Kind::Less => self.ordered(left, Comparison::Less)?,
                _ => self.ordered(left, Comparison::LessEqual)?,
            };
        }
    }

    /// Takes a NOT that an operator must follow, and tells the operator.
    fn negated_operator(&mut self) -> Result<Kind, CompileError> {
        const NEGATABLE: Kinds =
            Kinds::of(&[Kind::Between, Kind::In, Kind::Contains, Kind::StartsWith, Kind::EndsWith]);
        let kind = self.tokens.get(self.at + 1)?.kind;
        if NEGATABLE.has(kind) {
            self.consume();
            return Ok(kind);
        }
        Err(unexpected(&self.tokens, self.at, OPERATOR, None))
    }

    fn ordered(&mut self, left: Node, comparison: Comparison) -> Parsed {
        let right = self.unary_expression()?;
        let height = left.height.max(right.height);
        Node::over(left.expression.ordered(comparison, right.expression)?, height)
    }

    fn text(&mut self, left: Node, how: TextMatch, negated: bool) -> Parsed {
        let search = self.string()?;
        Node::over(left.expression.text(how, negated, search), left.height)
    }

    fn between(&mut self, value: Node, negated: bool) -> Parsed {
        let low = self.unary_expression()?;
        self.expect(Kind::And)?;
        let high = self.unary_expression()?;
        let height = value.height.max(low.height).max(high.height);
        Node::over(value.expression.between(low.expression, high.expression, negated)?, height)
    }

    fn in_list(&mut self, left: Node, negated: bool) -> Parsed {
        self.expect(Kind::Open)?;
        let mut list = vec![self.string()?];
        while self.take(Kind::Comma)? {
            list.push(self.string()?);
        }
        self.expect(Kind::Close)?;
        Node::over(left.expression.in_list(list, negated)?, left.height)
    }

    fn unary_expression(&mut self) -> Parsed {
        if self.depth >= NESTING_MAX {
            return Err(CompileError::TooDeep { levels_max: NESTING_MAX });
        }
        self.depth += 1;
        let parsed = self.operand();
        self.depth -= 1;
        parsed
    }

    fn operand(&mut self) -> Parsed {
        let token = self.peek()?;
        if !OPERAND.has(token.kind) && !self.plus_fits(token.kind)? {
            let tried = (token.kind != Kind::Plus).then_some(Kind::Plus);
            return Err(unexpected(&self.tokens, self.at, OPERAND, tried));
        }
        self.consume();
        let text = self.tokens.text(token);
        let constant = match token.kind {
            Kind::Plus => return self.unary_expression(),
            Kind::Minus => {
                let operand = self.unary_expression()?;
                return Node::over(Expression::Negate(Box::new(operand.expression)), operand.height);
            }
            Kind::Not => {
                let operand = self.unary_expression()?;
                return Node::over(operand.expression.into_boolean()?.negated(), operand.height);
            }
            Kind::Open => {
                let inner = self.or_expression()?;
                self.expect(Kind::Close)?;
                return Ok(inner);
            }
            Kind::Id => return Ok(Node::leaf(Expression::Property(text.into()))),
            Kind::String => Constant::String(unquoted(text)),
            Kind::Decimal => decimal(text)?,
            Kind::Float => float(text)?,
            Kind::True => Constant::Boolean(true),
            Kind::False => Constant::Boolean(false),
            _ => Constant::Null,
        };
        Ok(Node::leaf(Expression::Constant(constant)))
    }

    /// Java reads a `+` only after looking through its whole operand.
    fn plus_fits(&mut self, kind: Kind) -> Result<bool, CompileError> {
        if kind != Kind::Plus {
            return Ok(false);
        }
        if self.at < self.fits_until {
            return Ok(true);
        }
        let mut scan = Scan::new(&mut self.tokens, self.at);
        let fits = scan.fits(&grammar::PLUS)?;
        if fits {
            self.fits_until = scan.at;
        }
        Ok(fits)
    }

    fn string(&mut self) -> Result<Box<str>, CompileError> {
        let token = self.expect(Kind::String)?;
        Ok(unquoted(self.tokens.text(token)))
    }

    fn peek(&mut self) -> Result<Token, CompileError> {
        self.tokens.get(self.at)
    }

    fn consume(&mut self) {
        self.at += 1;
        self.expected = Kinds::default();
    }

    /// Takes a word that may be missing.
    fn take(&mut self, kind: Kind) -> Result<bool, CompileError> {
        if self.peek()?.kind == kind {
            self.consume();
            return Ok(true);
        }
        self.expected = self.expected.and(Kinds::of(&[kind]));
        Ok(false)
    }

    /// Takes a word that must be there.
    fn expect(&mut self, kind: Kind) -> Result<Token, CompileError> {
        let token = self.peek()?;
        if !self.take(kind)? {
            return Err(unexpected(&self.tokens, self.at, self.expected, None));
        }
        Ok(token)
    }
}

fn unquoted(text: &str) -> Box<str> {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    inner.replace("''", "'").into()
}

/// Java: `ConstantExpression.createFromDecimal`.
fn decimal(text: &str) -> Result<Constant, CompileError> {
    let digits = text.strip_suffix(['l', 'L']).unwrap_or(text);
    let long = number::parse_long(digits).map_err(CompileError::Number)?;
    Ok(match i32::try_from(long) {
        Ok(integer) => Constant::Integer(integer),
        Err(_) => Constant::Long(long),
    })
}

/// Java: `ConstantExpression.createFloat`, which takes zero for too small.
fn float(text: &str) -> Result<Constant, CompileError> {
    let value = number::parse_double(text).map_err(CompileError::Number)?;
    if value > f64::MAX {
        return Err(CompileError::Operand(format!("{text} is greater than 1.7976931348623157E308")));
    }
    if value <= 0.0 {
        return Err(CompileError::Operand(format!("{text} is less than 4.9E-324")));
    }
    Ok(Constant::Double(value))
}

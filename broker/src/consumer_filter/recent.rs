//! Expressions that pulls brought along lately. A consumer brings the same one with each of its pulls, and compiling one
//! takes up to some microseconds: a good part of what a pull costs.

use filter::{CompileError, Expression};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// When there are more, all are forgotten.
const EXPRESSIONS_MAX: usize = 64;
/// Longer ones are compiled each time.
const EXPRESSION_BYTES_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct RecentExpressions(Mutex<HashMap<String, Arc<Expression>>>);

impl RecentExpressions {
    pub(super) fn compile(&self, sql: &str) -> Result<Arc<Expression>, CompileError> {
        if let Some(known) = self.0.lock().get(sql) {
            return Ok(known.clone());
        }
        let compiled = Arc::new(Expression::compile(sql)?);
        if sql.len() <= EXPRESSION_BYTES_MAX {
            let mut known = self.0.lock();
            if known.len() >= EXPRESSIONS_MAX {
                known.clear();
            }
            known.insert(sql.to_owned(), compiled.clone());
        }
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_expressions_are_compiled_once_and_few_are_kept() {
        let recent = RecentExpressions::default();
        let first = recent.compile("a > 1").unwrap();
        assert!(Arc::ptr_eq(&first, &recent.compile("a > 1").unwrap()));
        assert!(recent.compile("a >").is_err());
        recent.compile(&format!("a = '{}'", "x".repeat(EXPRESSION_BYTES_MAX))).unwrap();
        assert_eq!(recent.0.lock().len(), 1);
        for n in 0..3 * EXPRESSIONS_MAX {
            assert_eq!(
                *recent.compile(&format!("a > {n}")).unwrap(),
                Expression::compile(&format!("a > {n}")).unwrap()
            );
            assert!(recent.0.lock().len() <= EXPRESSIONS_MAX);
        }
    }
}

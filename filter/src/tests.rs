//! Small cases by hand; the great mass is compared with Java in `compat-tests/tests/filter.rs`.

use crate::bloom::{BloomError, BloomFilter};
use crate::{CompileError, EvaluateError, Expression, HEIGHT_MAX, NESTING_MAX, Properties, Value, number};

/// `name=value` pairs.
struct Pairs(&'static [(&'static str, &'static str)]);

impl Properties for Pairs {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.0 == name).map(|pair| pair.1)
    }
}

const MESSAGE: Pairs = Pairs(&[("n", "7"), ("s", "text"), ("empty", ""), ("yes", "true")]);

fn value(sql: &str) -> String {
    let expression = Expression::compile(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    match expression.evaluate(&MESSAGE) {
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    }
}

fn refusal(sql: &str) -> String {
    Expression::compile(sql).expect_err(sql).to_string()
}

#[test]
fn three_values() {
    for (sql, expected) in [
        ("n = 7", "true"),
        ("gone = 7", "null"),
        ("n = gone", "false"),
        ("n <> gone", "true"),
        ("NOT gone = 7", "null"),
        ("gone = 7 OR TRUE", "true"),
        ("gone = 7 AND FALSE", "false"),
        ("gone = 7 AND TRUE", "null"),
        ("gone IS NULL AND n IS NOT NULL", "true"),
        ("NULL", "null"),
        ("s", "false"),
        ("gone", "null"),
    ] {
        assert_eq!(value(sql), expected, "{sql}");
    }
}

#[test]
fn operators() {
    for (sql, expected) in [
        ("n BETWEEN 1 AND 7", "true"),
        ("n NOT BETWEEN 1 AND 7", "false"),
        ("n BETWEEN gone AND 3", "false"),
        ("s IN ('a', 'text')", "true"),
        ("s NOT IN ('a', 'b', 'c', 'd', 'e')", "true"),
        ("gone IN ('a')", "null"),
        ("s CONTAINS 'ex' AND s STARTSWITH 'te' AND s ENDSWITH 'xt'", "true"),
        ("s NOT CONTAINS 'ex'", "false"),
        ("s NOT CONTAINS ''", "false"),
        ("n > - -6.5", "true"),
        ("yes = TRUE", "true"),
        ("n = '7' trailing words", "true"),
        ("n = 1 OR n = 7 AND s = 'text'", "true"),
        ("s > 5", "java.lang.NumberFormatException: For input string: \"text\""),
    ] {
        assert_eq!(value(sql), expected, "{sql}");
    }
    let ordered = Expression::compile("s > n").unwrap();
    assert_eq!(ordered.evaluate(&MESSAGE), Err(EvaluateError::StringsOrdered));
    assert_eq!(ordered.matches(&MESSAGE), Err(EvaluateError::StringsOrdered));
}

/// Java has no value where the boolean stands first.
#[test]
fn a_boolean_may_stand_on_either_side() {
    for (sql, expected) in [
        ("TRUE = yes", "true"),
        ("FALSE = yes", "false"),
        ("TRUE <> yes", "false"),
        ("TRUE = n", "false"),
        ("FALSE = n", "true"),
        ("(n IS NULL) = yes", "false"),
        ("(n IS NULL) = s", "true"),
        ("NOT (TRUE = s) AND n = 7", "true"),
    ] {
        assert_eq!(value(sql), expected, "{sql}");
    }
    for boolean in ["TRUE", "FALSE"] {
        for name in ["yes", "n", "s", "empty"] {
            assert_eq!(value(&format!("{boolean} = {name}")), value(&format!("{name} = {boolean}")));
        }
    }
    assert!(refusal("a BETWEEN 'x' AND TRUE").contains("ClassCastException"));
}

#[test]
fn refusals_are_java_s() {
    assert_eq!(
        refusal("a BETWEEN 5"),
        "org.apache.rocketmq.filter.parser.ParseException: Encountered \"<EOF>\" at line 1, column 11.\n\
         Was expecting:\n    \"AND\" ...\n    "
    );
    assert_eq!(
        refusal("a = 5 # "),
        "org.apache.rocketmq.filter.parser.TokenMgrError: Lexical error at line 1, column 7.  \
         Encountered: \"#\" (35), after : \"\""
    );
    assert_eq!(
        refusal("a IS 5"),
        "org.apache.rocketmq.filter.parser.ParseException: Encountered \" <DECIMAL_LITERAL> \"5 \"\" at line 1, \
         column 6.
Was expecting one of:
    \"NOT\" ...
    \"NULL\" ...
    "
    );
    assert!(refusal("+(a = )").contains("Encountered \" \"+\" \"+ \"\" at line 1, column 1."));
    assert_eq!(refusal("1 + 2"), refusal("1"));
    assert_eq!(refusal("n >= '7'"), "java.lang.RuntimeException: Value ''7'' cannot be compared.");
    assert_eq!(refusal("a > 0.0"), "java.lang.RuntimeException: 0.0 is less than 4.9E-324");
}

#[test]
fn nesting_has_an_end() {
    let nested = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Expression::compile(&nested(NESTING_MAX - 1)).is_ok());
    for too_deep in [
        nested(NESTING_MAX),
        nested(1_000_000),
        "(".repeat(1_000_000),
        "+".repeat(1_000_000),
        "- ".repeat(1_000_000),
        "NOT ".repeat(1_000_000),
        format!("+{}", "(".repeat(1_000_000)),
    ] {
        let refused = Expression::compile(&too_deep);
        assert_eq!(refused, Err(CompileError::TooDeep { levels_max: NESTING_MAX }));
    }
    let chain = |links: usize| format!("a{}", " IS NULL".repeat(links));
    assert!(Expression::compile(&chain(HEIGHT_MAX - 1)).is_ok());
    let refused = Expression::compile(&chain(HEIGHT_MAX));
    assert_eq!(refused, Err(CompileError::TooDeep { levels_max: HEIGHT_MAX }));
}

/// Java evaluates a value twice for each BETWEEN around it, and shows it twice.
#[test]
fn long_and_twisted_expressions_cost_little() {
    let long = (0..100_000).map(|i| format!("n = {i}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(value(&long), "true");
    let list = (0..100_000).map(|i| format!("'{i}'")).collect::<Vec<_>>().join(",");
    assert_eq!(value(&format!("n IN ({list})")), "true");
    let twisted = (0..120).fold("n".to_owned(), |inner, _| format!("-({inner}) BETWEEN 1 AND 2"));
    assert_eq!(value(&twisted), "null");
    assert!(refusal(&format!("({twisted}) > 1")).len() < 1 << 20);
    let pluses = "+(".repeat(NESTING_MAX / 2 - 1) + "a" + &")".repeat(NESTING_MAX / 2 - 1);
    assert_eq!(value(&pluses), "null");
}

#[test]
fn any_bytes_are_an_expression_or_a_refusal() {
    const PARTS: [&str; 24] = [
        "a",
        "'",
        "''",
        "(",
        ")",
        "NOT ",
        "IN",
        "IS ",
        "NULL",
        "BETWEEN ",
        " AND ",
        "OR",
        "=",
        "<>",
        ">",
        ",",
        "1",
        ".",
        "e9",
        "+",
        "-",
        "/*",
        "*/",
        "\u{1f600}",
    ];
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut sql = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            sql.push_str(PARTS[(state >> 33) as usize % PARTS.len()]);
        }
        match Expression::compile(&sql) {
            Ok(expression) => drop(expression.evaluate(&MESSAGE)),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn numbers_are_java_s() {
    for (text, expected) in [
        ("0x1p3", 8.0),
        ("0X.8P1f", 1.0),
        ("0x1.fffffffffffff8p1023", f64::INFINITY),
        ("0x1p-1074", 5e-324),
        ("0x1p-1075", 0.0),
        ("0x1.8p-1075", 5e-324),
        ("0x1p99999999999999999999", f64::INFINITY),
        (" 7 ", 7.0),
        ("1e400", f64::INFINITY),
        ("-1.d", -1.0),
    ] {
        assert_eq!(number::parse_double(text), Ok(expected), "{text}");
    }
    for text in ["", " ", "inf", "nan", "1_0", "0x1", "0xp1", "1e", ".", "+-1", "7L", "1 2"] {
        assert!(number::parse_double(text).is_err(), "{text}");
    }
    assert_eq!(number::parse_integer("+07"), Ok(7));
    assert_eq!(number::parse_integer("-2147483648"), Ok(i32::MIN));
    assert_eq!(number::parse_long("９"), Ok(9));
    for text in ["", "-", "2147483648", " 1", "1.0", "0x1"] {
        assert!(number::parse_integer(text).is_err(), "{text}");
    }
    for (value, text) in [(1e7, "1.0E7"), (0.001, "0.001"), (1.5e-4, "1.5E-4"), (123456.5, "123456.5")] {
        assert_eq!(number::double_to_string(value), text);
    }
}

#[test]
fn bloom_bits() {
    let filter = BloomFilter::new(20, 64).unwrap();
    let data = filter.generate("groupA#topicA");
    assert_eq!((data.bit_num, data.bit_pos.as_slice()), (216, &[29, 212, 22][..]));
    let mut map = vec![0; filter.bytes()];
    assert!(!filter.is_hit(&data, &map));
    filter.hash_to(&data, &mut map);
    assert!(filter.is_hit(&data, &map));
    assert!(!filter.is_hit(&data, &[]));
    assert!(filter.is_valid(&data) && !BloomFilter::new(20, 32).unwrap().is_valid(&data));
    assert_eq!(BloomFilter::new(0, 1), Err(BloomError::ErrorRate(0)));
    assert_eq!(BloomFilter::new(100, 1), Err(BloomError::ErrorRate(100)));
    assert_eq!(BloomFilter::new(1, 0), Err(BloomError::Expected(0)));
    assert_eq!(Value::Null.to_string(), "null");
}

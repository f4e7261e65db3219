//! SQL92 and Bloom filters beside Java's: thousands of expressions made by a fixed seed, right ones and wrong ones;
//! the value for each of some messages, and every compile error, must be Java's to the letter.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use compat_tests::oracle::{self, JAVA_FLAGS};
use compat_tests::{checkout, target};
use filter::bloom::BloomFilter;
use filter::{Expression, Properties};

const EXPRESSIONS: usize = 12_000;
const SHOWN_MAX: usize = 20;

struct Map(HashMap<String, String>);

impl Properties for Map {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[test]
fn sql92_is_javas() {
    let mut dice = Dice(0x5ee1);
    let messages = messages(&mut dice);
    let encoded: Vec<_> = messages.iter().map(encode).collect();
    let mut expressions: Vec<String> = HANDMADE.map(String::from).to_vec();
    expressions.extend((0..EXPRESSIONS).map(|_| expression(&mut dice)));
    // Java reads 4096 characters at once.
    for blanks in 4085..4100 {
        expressions.extend(["a = # ", "a = 'open", "a >", "(a IS NULL"].map(|sql| " ".repeat(blanks) + sql));
        expressions.push(format!("a IN ('{}') AND", "x".repeat(2 * blanks)));
    }
    let lines = expressions.iter().map(|sql| format!("sql\t{}\t{}\n", hex(sql), encoded.join("\t")));
    let answers = ask_java(lines.collect());
    assert_eq!(answers.len(), expressions.len());
    let (mut compiled, mut casts, mut differences) = (0, 0, Vec::new());
    for (sql, java) in expressions.iter().zip(&answers) {
        let mut ours = ours(sql, &messages);
        if java.split('\t').any(|value| value == CLASS_CAST) {
            casts += 1;
            ours = with_casts(&ours, java);
        }
        compiled += usize::from(!ours.starts_with("E "));
        let java = match java.strip_prefix("E ") {
            Some(message) => format!("E {}", unhex(message)),
            None => java.clone(),
        };
        if ours != java {
            differences.push(format!("{sql:?}\n  ours: {ours:?}\n  java: {java:?}"));
        }
    }
    let shown = &differences[..differences.len().min(SHOWN_MAX)];
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), shown.join("\n"));
    // All kinds are there in numbers.
    assert!(casts > EXPRESSIONS / 1000, "{casts} with a boolean on the left of text");
    assert!(compiled > EXPRESSIONS / 4 && compiled < EXPRESSIONS * 3 / 4, "{compiled} compiled");
}

/// Java's `TRUE = a` ends with a `ClassCastException`, and no message matches; ours has the value of `a = TRUE`.
const CLASS_CAST: &str = "C";

/// Our values, but Java's word for those that it does not come to.
fn with_casts(ours: &str, java: &str) -> String {
    let values = ours.split('\t').zip(java.split('\t'));
    let values: Vec<_> = values.map(|(ours, java)| if java == CLASS_CAST { java } else { ours }).collect();
    values.join("\t")
}

fn ours(sql: &str, messages: &[Map]) -> String {
    match Expression::compile(sql) {
        Err(error) => format!("E {error}"),
        Ok(expression) => {
            let value = |message: &Map| match expression.evaluate(message) {
                Ok(value) => value.to_string(),
                Err(_) => "X".into(),
            };
            messages.iter().map(value).collect::<Vec<_>>().join("\t")
        }
    }
}

#[test]
fn bloom_bits_are_javas() {
    let mut dice = Dice(7);
    let mut cases = Vec::new();
    for error_rate in 1..100 {
        cases.push((error_rate, 1 + dice.below(3000) as i32, format!("group{error_rate}#topic")));
    }
    for length in 0..200 {
        cases.push((20, 32, "é#t中".repeat(length).chars().take(length).collect()));
    }
    let line =
        |(rate, expected, name): &(i32, i32, String)| format!("bloom\t{rate}\t{expected}\t{}\n", hex(name));
    let answers = ask_java(cases.iter().map(line).collect());
    assert_eq!(answers.len(), cases.len());
    for ((rate, expected, name), java) in cases.iter().zip(answers) {
        let filter = BloomFilter::new(*rate, *expected).expect("within Java's limits");
        let ours = format!("{} {:?}", filter.bits(), filter.generate(name).bit_pos);
        assert_eq!(ours, java, "{rate} {expected} {name}");
    }
}

fn ask_java(questions: String) -> Vec<String> {
    let log = target().join("filter-oracle.log");
    let mut java = Command::new("java")
        .args(JAVA_FLAGS)
        // Else an exception thrown often loses its text.
        .arg("-XX:-OmitStackTraceInFastThrow")
        .arg("-cp")
        .arg(oracle::jars("5.5.0").join("*"))
        .arg(checkout().join("compat-tests/oracle/FilterOracle.java"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(log).expect("the target directory is writable"))
        .spawn()
        .expect("java starts");
    let mut stdin = java.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = java.wait_with_output().expect("java ends");
    writer.join().expect("no panic").expect("java reads");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(String::from).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> String {
    let byte = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("hex");
    String::from_utf8((0..text.len()).step_by(2).map(byte).collect()).expect("UTF-8")
}

fn encode(message: &Map) -> String {
    let entries = message.0.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}"));
    hex(&entries.collect::<String>())
}

/// Small, fixed and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 9] = ["a", "b", "c", "d", "$e", "_f1", "TAGS", "missing", "Null_"];

const PROPERTY_VALUES: [&str; 34] = [
    "",
    " ",
    "0",
    "1",
    "-1",
    "+1",
    "5",
    "007",
    "2.5",
    "-2.5",
    "2147483647",
    "2147483648",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e3",
    "1E-3f",
    " 7 ",
    "7L",
    "0x1p3",
    "0x.8P-1074",
    "0x1.fffffffffffff8p1023",
    "NaN",
    "-Infinity",
    "inf",
    "true",
    "TRUE",
    "false",
    "abc",
    "abcdef",
    "it's",
    "２",
    "中文",
];

fn messages(dice: &mut Dice) -> Vec<Map> {
    let mut messages = vec![Map(HashMap::new())];
    for _ in 0..24 {
        let names = NAMES.iter().filter(|name| **name != "missing");
        let entries = names.filter_map(|name| {
            let value = dice.one(&PROPERTY_VALUES);
            (dice.below(8) > 0).then(|| (name.to_string(), value.to_string()))
        });
        messages.push(Map(entries.collect()));
    }
    messages
}

const NUMBERS: [&str; 26] = [
    "0",
    "1",
    "5",
    "7",
    "10",
    "100l",
    "5L",
    "007",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999",
    "0.0",
    "1.5",
    "2.5",
    ".5",
    "5.",
    "1e3",
    "1.5E-3",
    "1e400",
    "1e-400",
    "3.4028235E38",
    "1e22",
    "12345678.9",
    "0.000123",
];

const STRINGS: [&str; 16] = [
    "''", "'a'", "'abc'", "'abcdef'", "'def'", "'it''s'", "''''", "'1'", "'5'", "'2.5'", "'true'", "'x y'",
    "'中文'", "'\n'", "'😀'", "'-1'",
];

/// A whole expression, or a damaged one.
fn expression(dice: &mut Dice) -> String {
    let mut sql = match dice.below(12) {
        0 => soup(dice),
        _ => {
            let depth = 1 + dice.below(4);
            boolean(dice, depth)
        }
    };
    if dice.below(10) < 3 {
        damage(dice, &mut sql);
    }
    sql
}

fn boolean(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return match dice.below(12) {
            0 => dice.one(&["TRUE", "false", "NULL"]).into(),
            1..=3 => dice.one(&NAMES).into(),
            _ => comparison(dice, 0),
        };
    }
    match dice.below(10) {
        0..=2 => format!("{} {} {}", boolean(dice, depth - 1), cased(dice, "AND"), boolean(dice, depth - 1)),
        3..=5 => format!("{} {} {}", boolean(dice, depth - 1), cased(dice, "or"), boolean(dice, depth - 1)),
        6 => format!("{} ({})", cased(dice, "not"), boolean(dice, depth - 1)),
        7 => format!("({})", boolean(dice, depth - 1)),
        _ => comparison(dice, depth - 1),
    }
}

fn comparison(dice: &mut Dice, depth: usize) -> String {
    let left = operand(dice, depth);
    let not = if dice.below(3) == 0 { "NOT " } else { "" };
    match dice.below(12) {
        0..=1 => format!("{left}{}{}", dice.one(&["=", " = ", "<>", " <> "]), operand(dice, depth)),
        2..=4 => format!("{left} {} {}", dice.one(&["<", "<=", ">", ">="]), operand(dice, depth)),
        5 => format!("{left} {not}between {} AND {}", operand(dice, depth), operand(dice, depth)),
        6 => format!("{left} {not}BETWEEN {} and {}", dice.one(&NUMBERS), dice.one(&NUMBERS)),
        7 => format!("{left} IS {not}NULL"),
        8 => {
            let many = 1 + dice.below(9);
            let list: Vec<_> = (0..many).map(|_| dice.one(&STRINGS)).collect();
            format!("{left} {not}IN ({})", list.join(dice.one(&[",", " , ", ", "])))
        }
        9 => format!("{left} {not}CONTAINS {}", dice.one(&STRINGS)),
        10 => format!("{left} {not}startsWith {}", dice.one(&STRINGS)),
        _ => format!("{left} {not}EndsWith {}", dice.one(&STRINGS)),
    }
}

fn operand(dice: &mut Dice, depth: usize) -> String {
    match dice.below(20) {
        0..=8 => dice.one(&NAMES).into(),
        9..=12 => dice.one(&NUMBERS).into(),
        13..=14 => dice.one(&STRINGS).into(),
        15 => format!("-{}", dice.one(&NUMBERS)),
        16 => format!("{}{}", dice.one(&["-", "+", "- -", "+ -"]), operand(dice, depth)),
        17 => dice.one(&["TRUE", "FALSE", "NULL"]).into(),
        _ if depth > 0 => format!("({})", boolean(dice, depth - 1)),
        _ => dice.one(&NAMES).into(),
    }
}

fn cased(dice: &mut Dice, word: &str) -> String {
    if dice.below(2) == 0 { word.to_uppercase() } else { word.to_lowercase() }
}

const WORDS: [&str; 40] = [
    "NOT",
    "AND",
    "OR",
    "BETWEEN",
    "IN",
    "TRUE",
    "FALSE",
    "NULL",
    "IS",
    "CONTAINS",
    "STARTSWITH",
    "ENDSWITH",
    "1",
    "2.5",
    "'s'",
    "a",
    "b",
    "=",
    "<>",
    ">",
    ">=",
    "<",
    "<=",
    "(",
    ")",
    ",",
    "+",
    "-",
    "(",
    ")",
    "a = 1",
    "/* c */",
    "--x\n",
    "--x",
    "\t",
    "\n",
    "\r\n",
    "#",
    "'",
    "/*",
];

fn soup(dice: &mut Dice) -> String {
    let words = dice.below(12);
    let blanks = [" ", "", "  ", "\n"];
    (0..words).map(|_| format!("{}{}", dice.one(&WORDS), dice.one(&blanks))).collect()
}

/// Takes out, puts in or doubles something at one place.
fn damage(dice: &mut Dice, sql: &mut String) {
    let places: Vec<usize> = sql.char_indices().map(|(at, _)| at).chain([sql.len()]).collect();
    let at = places[dice.below(places.len())];
    let end = places[dice.below(places.len())].max(at);
    match dice.below(4) {
        0 => drop(sql.drain(at..end.min(sql.len()))),
        1 => sql.truncate(at),
        2 => {
            let word = dice.one(&WORDS);
            sql.insert_str(at, &format!(" {word} "));
        }
        _ => sql.insert_str(
            at,
            dice.one(&["#", "'", "(", ")", ".", "é", "😀", "\"", "\\", "/", "\u{0}", "\u{b}", "--", "+"]),
        ),
    }
}

/// What chance would hardly find.
const HANDMADE: [&str; 40] = [
    "",
    " ",
    "\n",
    "\t\t#",
    "a\n = \r\n\r ? 1",
    "😀",
    "a = 😀 ",
    "a 😀",
    "(a 😀",
    "'",
    "'a\n",
    ".",
    ".x",
    "/",
    "/ /",
    "/* open",
    "/**/ a IS NULL /* ** * / */",
    "a = 1 -- to the end",
    "a = --5\n 5",
    "a = 1 ) or anything",
    "a = 1 b #",
    "+ + + a = 1",
    "+(+(a = 1 AND",
    "+(a > 'x' AND )",
    "+(a NOT 5)",
    "a NOT",
    "a NOT #",
    "a IS #",
    "a IS NOT #",
    "a IN ()",
    "a IN ('x' 'y')",
    "a IN ('aa', 'bb', 'cc', 'dd', 'ee', 'ff', 'aa') > 1",
    "1 IN ('a')",
    "a BETWEEN TRUE AND 'x'",
    "a BETWEEN 'x' AND TRUE",
    "a BETWEEN ' ' AND 1.5",
    "a BETWEEN 'b' AND 'a'",
    "TRUE = 'x' AND a",
    "-9223372036854775808 = a",
    "a = 0.0000001 AND b = 12345678.0 OR 'x'",
];

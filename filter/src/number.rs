//! Numbers as Java reads and writes them. Errors are the texts of Java's `NumberFormatException`.

/// Java: `Integer.parseInt`.
pub fn parse_integer(text: &str) -> Result<i32, String> {
    let parsed = digits(text).and_then(|value| i32::try_from(value).ok());
    parsed.ok_or_else(|| no_number(text))
}

/// Java: `Long.parseLong`.
pub fn parse_long(text: &str) -> Result<i64, String> {
    digits(text).ok_or_else(|| no_number(text))
}

fn no_number(text: &str) -> String {
    format!("For input string: \"{text}\"")
}

fn digits(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Downwards: there is one more negative number.
    let value =
        digits.chars().try_fold(0i64, |value, c| value.checked_mul(10)?.checked_sub(decimal_digit(c)?))?;
    if negative { Some(value) } else { value.checked_neg() }
}

/// The zeros of all scripts within 16 bits. Java: `Character.digit`.
const ZEROS: [char; 37] = [
    '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
    '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{1090}',
    '\u{17e0}', '\u{1810}', '\u{1946}', '\u{19d0}', '\u{1a80}', '\u{1a90}', '\u{1b50}', '\u{1bb0}',
    '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}', '\u{a900}', '\u{a9d0}', '\u{a9f0}', '\u{aa50}',
    '\u{abf0}', '\u{ff10}',
];

fn decimal_digit(c: char) -> Option<i64> {
    if c.is_ascii() {
        return c.to_digit(10).map(i64::from);
    }
    let of = |zero: &char| (u32::from(c)).checked_sub(u32::from(*zero)).filter(|digit| *digit < 10);
    ZEROS.iter().find_map(of).map(i64::from)
}

/// Java: `Double.parseDouble`.
pub fn parse_double(text: &str) -> Result<f64, String> {
    let trimmed = text.trim_matches(|c| c <= ' ');
    if trimmed.is_empty() {
        return Err("empty String".into());
    }
    double(trimmed).ok_or_else(|| no_number(trimmed))
}

fn double(text: &str) -> Option<f64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match rest {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let number = rest.strip_suffix(['f', 'F', 'd', 'D']);
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        // `d` and `f` are digits too, but the power behind them must end in a decimal digit or in a suffix.
        return hexadecimal(hex.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(hex)).map(|value| sign * value);
    }
    let number = number.unwrap_or(rest);
    is_decimal(number).then(|| number.parse::<f64>().ok()).flatten().map(|value| sign * value)
}

/// Digits with at most one point, and a power of ten.
fn is_decimal(text: &str) -> bool {
    let (mantissa, power) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_power = |power: &str| {
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        !power.is_empty() && digits(power)
    };
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && power.is_none_or(is_power)
}

/// `1.8p3` behind the `0x`: the power of two must be there.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, power) = text.split_once(['p', 'P'])?;
    let power_digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    if power_digits.is_empty() || !power_digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let power =
        power.strip_prefix('+').unwrap_or(power).parse::<i64>().unwrap_or(match power.as_bytes()[0] {
            b'-' => i64::MIN / 4,
            _ => i64::MAX / 4,
        });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (mut bits, mut exponent, mut lost) = (0u64, power.clamp(i64::MIN / 4, i64::MAX / 4), false);
    for (i, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(c.to_digit(16)?);
        let in_fraction = i >= whole.len();
        if bits >> 59 == 0 {
            bits = bits << 4 | digit;
            exponent -= if in_fraction { 4 } else { 0 };
        } else {
            lost |= digit != 0;
            exponent += if in_fraction { 0 } else { 4 };
        }
    }
    Some(scaled(bits, exponent, lost))
}

/// `bits * 2^exponent`, rounded to the nearest, to even between two; `lost` tells of more bits below.
fn scaled(bits: u64, exponent: i64, lost: bool) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let shift = bits.leading_zeros();
    let (bits, exponent) = (bits << shift, exponent - i64::from(shift));
    // The value is within [2^top, 2^(top + 1)).
    let top = exponent + 63;
    if top > 1023 {
        return f64::INFINITY;
    }
    // The weight of the last bit that the result holds.
    let last = (top - 52).max(-1074);
    let dropped = last - exponent;
    if dropped > 64 {
        return 0.0;
    }
    let kept = if dropped == 64 { 0 } else { bits >> dropped };
    let rest = if dropped == 64 { bits } else { bits << (64 - dropped) };
    let half = 1u64 << 63;
    let up = rest > half || rest == half && (lost || kept & 1 == 1);
    let kept = kept + u64::from(up);
    // A product of powers of two, each in range.
    kept as f64 * f64::powi(2.0, (last / 2) as i32) * f64::powi(2.0, (last - last / 2) as i32)
}

/// Java: `Double.toString`.
pub fn double_to_string(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let fraction = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{fraction}E{power}")
}

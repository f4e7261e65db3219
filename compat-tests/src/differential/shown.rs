//! Replies as texts that can be compared: bodies by their meaning, and what differs by right masked.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::dialect::Json;
use crate::record::{self, Record};

/// Times within a day of now are masked: nobody compares clocks.
const NOW_WINDOW_MS: i64 = 24 * 3600 * 1000;

/// A body in the form it is compared: records field by field, JSON in any key order, text, or hex.
pub fn render_body(body: &[u8]) -> String {
    if body.is_empty() {
        return "none".into();
    }
    if let Ok(records) = record::decode_all(body) {
        return records.iter().map(render_record).collect::<Vec<_>>().join("\n  ");
    }
    if let Ok(json) = Json::parse(body) {
        return format!("json {}", json.sorted());
    }
    match std::str::from_utf8(body) {
        Ok(text) => format!("text {text:?}"),
        Err(_) => format!("hex {}", body.iter().map(|b| format!("{b:02x}")).collect::<String>()),
    }
}

fn render_record(record: &Record) -> String {
    // A body of a megabyte helps nobody who reads a difference.
    let body = match record.body.len() {
        0..=100 => String::from_utf8_lossy(&record.body).into_owned(),
        long => format!("{long} bytes, crc {:08x}", crc32fast::hash(&record.body)),
    };
    format!("{record:?} body {body}")
}

/// Replaces what differs by right: addresses, times of today, and ids made of address, process and clock.
pub fn mask(text: &str, masks: &[(String, String)]) -> String {
    let mut text = text.to_string();
    for (from, to) in masks {
        text = text.replace(from, to);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_millis() as i64;
    let mut masked = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        masked.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        masked.push_str(&mask_word(&word[..end], now));
        rest = &word[end..];
    }
    masked + rest
}

fn mask_word(word: &str, now_ms: i64) -> String {
    let recent = |ms: i64| (ms - now_ms).abs() < NOW_WINDOW_MS;
    if word.len() == 13 && word.parse().is_ok_and(recent) {
        return "<ms>".into();
    }
    let hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
    // The physical offset at the end of an offset message id: it depends on all that was stored before.
    if word.len() == 16 && word.starts_with("00") && word.chars().all(hex) {
        return "<offset>".into();
    }
    if word.len() >= 32 && word.chars().all(hex) {
        return format!("<id of {}>", word.len());
    }
    word.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ids_are_masked_and_nothing_else() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let text = format!("t={now} id=7F00000100002A9F0000000026AB8243 off=42 old=1000000000000");
        assert_eq!(mask(&text, &[]), "t=<ms> id=<id of 32> off=42 old=1000000000000");
        assert_eq!(mask("a 127.0.0.1:9876", &[("127.0.0.1:9876".into(), "<x>".into())]), "a <x>");
    }
}

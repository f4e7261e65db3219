//! What every decoder must bear: bytes of any kind, without a panic, and what it accepts it must be able to write again.
//!
//! One list of targets, run in two ways: for as long as one likes under libFuzzer (`compat-tests/fuzz/run`), and by
//! `cargo test` for a moment, with mutations that are the same each time.

pub mod golden;
pub mod mutate;
mod targets;

use golden::Golden;

/// One decoder, or a few that read the same bytes.
pub struct Target {
    pub name: &'static str,
    /// Panics where the decoder is wrong.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn(&Golden) -> Vec<Vec<u8>>,
}

pub const TARGETS: &[Target] = &[
    Target { name: "frame", run: targets::wire::frame, seeds: Golden::frames },
    Target { name: "header", run: targets::wire::header, seeds: Golden::headers },
    Target { name: "json_bodies", run: targets::json::bodies, seeds: Golden::json_bodies },
    Target { name: "json_tables", run: targets::json::tables, seeds: Golden::json_bodies },
    Target { name: "register_broker", run: targets::json::register_broker, seeds: Golden::register_bodies },
    Target {
        name: "register_inflated",
        run: targets::json::inflated,
        seeds: Golden::inflated_register_bodies,
    },
    Target { name: "record", run: targets::message::record, seeds: Golden::records },
    Target { name: "batch", run: targets::message::batch, seeds: Golden::batches },
    Target { name: "properties", run: targets::message::properties, seeds: Golden::properties },
    Target { name: "message_id", run: targets::message::message_id, seeds: Golden::message_ids },
    Target { name: "java_properties", run: targets::text::java_properties, seeds: Golden::config_texts },
    Target { name: "words", run: targets::text::words, seeds: Golden::words },
    Target { name: "store_entries", run: targets::message::store_entries, seeds: Golden::store_entries },
];

/// The target of this name. Panics with the names that there are.
pub fn target(name: &str) -> &'static Target {
    let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" ");
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("{name}: none of {}", names()))
}

//! Every frame that real Java peers of 4.9.7 and 5.5.0 exchanged decodes, and encodes back to the same bytes.

mod golden;

use bytes::BytesMut;
use remoting::{Codec, frame};
use std::path::PathBuf;

fn frames(version: &str, lab: &str) -> Vec<PathBuf> {
    let dir = golden::folder().join("wire").join(version).join(lab).join("frames");
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn check(version: &str, lab: &str, codec: Codec) {
    let frames = frames(version, lab);
    assert!(frames.len() > 40, "only {} frames in {version}/{lab}", frames.len());
    for path in frames {
        let bytes = std::fs::read(&path).unwrap();
        let mut input = BytesMut::from(&bytes[..]);
        let command = match frame::take(&mut input) {
            Ok(Some(command)) => command,
            Ok(None) => panic!("{}: half a frame", path.display()),
            Err(error) => panic!("{}: {error}", path.display()),
        };
        assert!(input.is_empty(), "{}", path.display());
        assert_eq!(command.codec, codec, "{}", path.display());
        let again = frame::encode(&command, codec);
        assert_eq!(
            String::from_utf8_lossy(&again),
            String::from_utf8_lossy(&bytes),
            "{} does not encode back",
            path.display()
        );
    }
}

#[test]
fn json_of_5_5_0() {
    check("5.5.0", "json", Codec::Json);
    check("5.5.0", "auth", Codec::Json);
}

#[test]
fn json_of_4_9_7() {
    check("4.9.7", "json", Codec::Json);
    check("4.9.7", "auth", Codec::Json);
}

#[test]
fn rocketmq_of_5_5_0() {
    check("5.5.0", "rocketmq", Codec::Rocketmq);
}

#[test]
fn rocketmq_of_4_9_7() {
    check("4.9.7", "rocketmq", Codec::Rocketmq);
}

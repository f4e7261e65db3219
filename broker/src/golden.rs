//! Config files that real Java brokers left behind, for tests.

use std::io::Read;
use std::path::Path;

pub const VERSIONS: [&str; 2] = ["4.9.7", "5.5.0"];
pub const SCENARIOS: [&str; 4] = ["core", "flow", "ipv6", "crash"];

const TAR_BLOCK_BYTES: usize = 512;

/// `config/<name>` of a golden store; `None` if that broker wrote none.
pub fn config_file(version: &str, scenario: &str, name: &str) -> Option<Vec<u8>> {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/stores");
    let path = stores.join(version).join(scenario).join("store.tar.gz");
    let packed = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut tar).unwrap();
    let wanted = format!("store/config/{name}");
    let mut rest = &tar[..];
    while rest.len() > TAR_BLOCK_BYTES && rest[0] != 0 {
        let (header, content) = rest.split_at(TAR_BLOCK_BYTES);
        let text = |from: usize, to: usize| {
            let field = header[from..to].split(|&byte| byte == 0).next().unwrap_or_default();
            std::str::from_utf8(field).unwrap().trim()
        };
        let bytes = usize::from_str_radix(text(124, 136), 8).unwrap();
        if text(0, 100).trim_start_matches("./") == wanted {
            return Some(content[..bytes].to_vec());
        }
        rest = &content[bytes.next_multiple_of(TAR_BLOCK_BYTES).min(content.len())..];
    }
    None
}

/// The lines of pretty JSON without what depends on the order of members: Java's is that of its hash maps.
pub fn lines(json: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(json).unwrap();
    let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
    lines.sort();
    lines
}

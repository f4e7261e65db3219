//! What real Java peers wrote (`compat-tests/golden`).

use std::path::{Path, PathBuf};

/// The folder; its README says what is there.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat-tests/golden")
}

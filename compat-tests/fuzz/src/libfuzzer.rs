//! The binary that libFuzzer drives. `FUZZ_TARGET` names the target; `FUZZ_SEEDS`, if set, the folder to write its first
//! inputs to.

#![no_main]

use fuzz::Target;
use fuzz::golden::Golden;
use std::path::Path;
use std::sync::LazyLock;
use std::{env, fs};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    fuzz::target(&name)
});

libfuzzer_sys::fuzz_target!(
    init: if let Some(folder) = env::var_os("FUZZ_SEEDS") {
        write_seeds(Path::new(&folder));
    },
    |data: &[u8]| (TARGET.run)(data)
);

fn write_seeds(folder: &Path) {
    for (number, seed) in (TARGET.seeds)(&Golden::read()).iter().enumerate() {
        fs::write(folder.join(format!("golden-{number:04}")), seed).expect("the folder takes a file");
    }
}

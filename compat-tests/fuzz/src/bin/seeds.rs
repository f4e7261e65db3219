//! Writes the first inputs of every target into FOLDER/<target>/, and the targets' names on stdout.

use fuzz::TARGETS;
use fuzz::golden::Golden;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).expect("usage: seeds FOLDER"));
    let golden = Golden::read();
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)(&golden).iter().enumerate() {
            fs::write(folder.join(format!("golden-{number:04}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}

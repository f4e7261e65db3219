//! `mqstore check|dump|stat DIR`: looks at a message store without changing it. See [`mqstore`].

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    mqstore::cli::run(std::env::args_os(), &mut out)
}

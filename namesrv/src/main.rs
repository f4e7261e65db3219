//! `mqnamesrv`. Java: `NamesrvStartup.main`.

use namesrv::config::{self, Overrides, PRINTED};
use process::clock::Clock;
use process::config::{ConfigPrinter, Environment};
use process::flags::{self, Flags, Program};
use process::logs::{self, Logs};
use process::signals::StopSignals;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use tracing::Level;

fn main() -> ExitCode {
    flags::main(Program::Namesrv, serve)
}

fn serve(flags: Flags) -> Result<(), Box<dyn Error>> {
    let clock = Clock::real();
    let environment = Arc::new(Environment::of_process(&flags.system_properties));
    let overrides = Overrides { config_file: flags.config_file, settings: flags.settings };
    if flags.print.is_some() {
        let config = config::values(environment, &overrides)?;
        let printer = ConfigPrinter { config: &config, classes: PRINTED, important_only: false };
        logs::print_on_console(&clock, printer.lines());
        return Ok(());
    }
    let (config, settings) = config::load(environment.clone(), &overrides)?;
    let logs =
        Logs::open(&logs::folder(environment.home(), None), logs::NAMESRV_FILES, Level::INFO, clock.clone())?;
    logs.make_global();
    for warning in config::warnings(&config) {
        tracing::warn!("{warning}");
    }
    if let Some(path) = &overrides.config_file {
        logs::say(format_args!("load config properties file OK, {}", path.display()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = StopSignals::install()?;
        let running = namesrv::start(config, settings, clock)?;
        let signal = signals.wait().await;
        tracing::info!("{signal}: stopping");
        running.shutdown().await;
        Ok(())
    })
}

//! `mqbroker`: the broker and, with `--standalone`, a name server in the same process. Java: `BrokerStartup.main`.

use broker::config::{self, BrokerSettings, Overrides, PRINTED};
use broker::configuration::Configuration;
use broker::start::Running;
use namesrv::config::NamesrvSettings;
use process::clock::Clock;
use process::config::{Config, ConfigPrinter, Environment};
use process::flags::{self, Flags, Print, Program};
use process::logs::{self, Logs};
use process::signals::StopSignals;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

/// The name server that a standalone broker starts and uses, unless `-n` names another port.
const STANDALONE_NAMESRV_ADDR: &str = "127.0.0.1:9876";

/// A broker that cannot go on is given so long to end as it should.
const FAILED_SHUTDOWN_PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    flags::main(Program::Broker, serve)
}

fn serve(flags: Flags) -> Result<(), Box<dyn Error>> {
    let clock = Clock::real();
    let environment = Arc::new(Environment::of_process(&flags.system_properties));
    let mut overrides = Overrides {
        config_file: flags.config_file,
        namesrv_addr: flags.namesrv_addr,
        settings: flags.settings,
    };
    if let Some(print) = flags.print {
        let config = config::values(environment, &overrides)?;
        let important_only = print == Print::Important;
        logs::print_on_console(
            &clock,
            ConfigPrinter { config: &config, classes: PRINTED, important_only }.lines(),
        );
        return Ok(());
    }
    if flags.standalone && overrides.namesrv_addr.is_none() && environment.namesrv_addr().is_none() {
        overrides.namesrv_addr = Some(STANDALONE_NAMESRV_ADDR.to_owned());
    }
    let (config, settings) = config::load(environment.clone(), &overrides)?;
    for notice in config::notices(&settings) {
        eprintln!("mqbroker: {notice}");
    }
    let name_server =
        flags.standalone.then(|| standalone_name_server(environment.clone(), &settings)).transpose()?;
    let identity = &settings.identity;
    let isolated = format!("{}_{}", identity.broker_name, identity.broker_id);
    let isolated_as = settings.broker.isolate_log_enable.then_some(isolated.as_str());
    let folder = logs::folder(environment.home(), isolated_as);
    let logs = Logs::open(&folder, logs::BROKER_FILES, Level::INFO, clock.clone())?;
    logs.make_global();
    for warning in config::warnings(&config) {
        tracing::warn!("{warning}");
    }
    if let Some(path) = &overrides.config_file {
        logs::say(format_args!("load config properties file OK, {}", path.display()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let configuration = Configuration::new(config, overrides.config_file);
    runtime.block_on(run(configuration, settings, name_server, clock))
}

async fn run(
    configuration: Configuration,
    settings: BrokerSettings,
    name_server: Option<(Config, NamesrvSettings)>,
    clock: Clock,
) -> Result<(), Box<dyn Error>> {
    let mut signals = StopSignals::install()?;
    let name_server = match name_server {
        Some((config, settings)) => Some(namesrv::start(config, settings, clock.clone())?),
        None => None,
    };
    let store = settings.store.store_path_root_dir.display().to_string();
    let started = broker::start::start(configuration, settings, clock).await;
    let outcome = match started {
        Ok(running) => {
            logs::say(format_args!("store {store}, stop with SIGTERM or Ctrl-C"));
            run_until_told(running, &mut signals).await
        }
        Err(error) => Err(error.into()),
    };
    if let Some(name_server) = name_server {
        name_server.shutdown().await;
    }
    outcome
}

/// Has the broker run until a signal stops it, or until it cannot go on, which is the error.
async fn run_until_told(mut running: Running, signals: &mut StopSignals) -> Result<(), Box<dyn Error>> {
    tokio::select! {
        signal = signals.wait() => {
            tracing::info!("{signal}: stopping");
            running.shutdown().await;
            Ok(())
        }
        why = running.failed() => {
            end_failed(running, &why).await;
            Err(why.into())
        }
    }
}

/// Ends a broker that cannot go on. In good order if that can be: what has failed may keep the rest from ending.
async fn end_failed(running: Running, why: &str) {
    tracing::error!("stopping: {why}");
    if tokio::time::timeout(FAILED_SHUTDOWN_PATIENCE, running.shutdown()).await.is_err() {
        eprintln!("mqbroker: {why}; the shutdown hangs, ended without it");
        std::process::exit(1);
    }
}

/// A name server with Java's defaults, on the port where the broker will look for it.
fn standalone_name_server(
    environment: Arc<Environment>,
    settings: &BrokerSettings,
) -> Result<(Config, NamesrvSettings), Box<dyn Error>> {
    let (config, mut name_server) =
        namesrv::config::load(environment, &namesrv::config::Overrides::default())?;
    let addrs = settings.broker.namesrv_addrs();
    if let Some(port) = addrs.first().and_then(|addr| addr.rsplit_once(':')?.1.parse().ok()) {
        name_server.server.listen_port = port;
    }
    Ok((config, name_server))
}

#[cfg(test)]
mod tests {
    use super::*;
    use process::properties::Properties;
    use store::testing::{break_thread, message};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_that_cannot_go_on_ends_with_an_error() {
        let home = tempfile::tempdir().unwrap();
        let text = "listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\n";
        let settings = Properties::parse(text.as_bytes()).unwrap();
        let overrides = Overrides { settings, ..Overrides::default() };
        let (config, settings) = config::load(Arc::new(Environment::fixed(home.path())), &overrides).unwrap();
        let mut signals = StopSignals::install().unwrap();
        let running =
            broker::start::start(Configuration::new(config, None), settings, Clock::real()).await.unwrap();
        let store = Arc::clone(&running.broker().store);
        break_thread(&store, "store-derive");
        store.append(&message("T", 0, b"x", "A")).unwrap();
        let ended = run_until_told(running, &mut signals).await.unwrap_err();
        assert_eq!(ended.to_string(), "the thread store-derive: it has panicked: a panic for the test");
    }
}

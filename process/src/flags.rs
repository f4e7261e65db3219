//! The command lines of `mqnamesrv` and `mqbroker`: Java's options (`ServerUtil`, `NamesrvStartup`, `BrokerStartup`),
//! and beyond Java `key=value` arguments, `-Dname=value` system properties and `--standalone`.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::properties::Properties;

/// Which server's options are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `mqnamesrv`.
    Namesrv,
    /// `mqbroker`.
    Broker,
}

/// Print the configuration and exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// `-p`.
    All,
    /// `-m`.
    Important,
}

/// The command line, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-c FILE`.
    pub config_file: Option<PathBuf>,
    /// `-n host:port;host:port`. A name server takes it and has no use for it, as in Java.
    pub namesrv_addr: Option<String>,
    /// Print the configuration and exit: `-p`, `-m`.
    pub print: Option<Print>,
    /// Name server and broker in one process.
    pub standalone: bool,
    /// `key=value` arguments.
    pub settings: Properties,
    /// `-Dname=value` arguments, which Java's start scripts give to the JVM.
    pub system_properties: BTreeMap<String, String>,
}

/// Why the process should end at once: help was asked for, or an argument is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Help, or what is wrong.
    pub text: String,
    /// Exit code 1, as Java's; otherwise help was asked for and it is 0.
    pub is_error: bool,
}

impl Usage {
    /// Prints where it belongs; the code to exit with.
    pub fn report(&self) -> ExitCode {
        if self.is_error {
            eprintln!("{}", self.text.trim_end());
            ExitCode::from(1)
        } else {
            println!("{}", self.text.trim_end());
            ExitCode::SUCCESS
        }
    }
}

/// The `main` of a server: understands the command line, serves, and says in one line on stderr why it could not.
pub fn main(program: Program, serve: impl FnOnce(Flags) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let flags = match Flags::parse(program, std::env::args_os().skip(1)) {
        Ok(flags) => flags,
        Err(usage) => return usage.report(),
    };
    match serve(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", program.name());
            ExitCode::FAILURE
        }
    }
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Program::Namesrv => "mqnamesrv",
            Program::Broker => "mqbroker",
        }
    }
}

impl Flags {
    /// Understands the arguments after the program's name. [`Usage`] if it does not, or if they ask for help.
    pub fn parse(
        program: Program,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Flags, Usage> {
        let mut matches = command(program)
            .try_get_matches_from(arguments)
            .map_err(|error| Usage { text: error.render().to_string(), is_error: error.use_stderr() })?;
        let important = program == Program::Broker && matches.get_flag("printImportantConfig");
        let print = if matches.get_flag("printConfigItem") {
            Some(Print::All)
        } else {
            important.then_some(Print::Important)
        };
        Ok(Flags {
            config_file: matches.remove_one::<PathBuf>("configFile"),
            namesrv_addr: matches.remove_one::<String>("namesrvAddr"),
            print,
            standalone: program == Program::Broker && matches.get_flag("standalone"),
            settings: Properties(pairs(&mut matches, "settings")),
            system_properties: pairs(&mut matches, "systemProperties"),
        })
    }
}

fn command(program: Program) -> Command {
    let config_file = match program {
        Program::Namesrv => "Name server config properties file",
        Program::Broker => "Broker config properties file",
    };
    let command = Command::new(program.name())
        .no_binary_name(true)
        .disable_help_flag(true)
        .args_override_self(true)
        .arg(valued("configFile", 'c', "FILE").value_parser(clap::value_parser!(PathBuf)).help(config_file))
        .arg(switch("help", "Print help").short('h').action(ArgAction::Help))
        .arg(
            valued("namesrvAddr", 'n', "ADDR")
                .help("Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
        )
        .arg(switch("printConfigItem", "Print all config items").short('p'))
        .arg(
            Arg::new("systemProperties")
                .short('D')
                .value_name("name=value")
                .action(ArgAction::Append)
                .value_parser(pair)
                .help("Java system property: user.home, rocketmq.home.dir, rocketmq.namesrv.addr or tls.*"),
        )
        .arg(
            Arg::new("settings")
                .value_name("key=value")
                .action(ArgAction::Append)
                .value_parser(pair)
                .help("Config item, over the one in the file"),
        );
    match program {
        Program::Namesrv => command,
        Program::Broker => command
            .arg(switch("printImportantConfig", "Print important config items").short('m'))
            .arg(switch("standalone", "Run a name server in the same process")),
    }
}

fn valued(long: &'static str, short: char, value: &'static str) -> Arg {
    Arg::new(long).short(short).long(long).value_name(value)
}

fn switch(long: &'static str, help: &'static str) -> Arg {
    Arg::new(long).long(long).action(ArgAction::SetTrue).help(help)
}

fn pair(argument: &str) -> Result<(String, String), &'static str> {
    let (key, value) = argument.split_once('=').ok_or("key=value is expected")?;
    Ok((key.trim().to_string(), value.to_string()))
}

fn pairs(matches: &mut ArgMatches, argument: &str) -> BTreeMap<String, String> {
    matches.remove_many::<(String, String)>(argument).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_options_of_the_broker() {
        for line in [
            "-n 10.0.0.1:9876;10.0.0.2:9876 -c broker.conf -p",
            "--namesrvAddr=10.0.0.1:9876;10.0.0.2:9876 --printConfigItem --configFile broker.conf",
        ] {
            let flags = Flags::parse(Program::Broker, line.split(' ')).unwrap();
            assert_eq!(flags.namesrv_addr.as_deref(), Some("10.0.0.1:9876;10.0.0.2:9876"));
            assert_eq!(flags.config_file, Some(PathBuf::from("broker.conf")));
            assert_eq!((flags.print, flags.standalone), (Some(Print::All), false));
        }
        let flags = Flags::parse(Program::Broker, ["-m"]).unwrap();
        assert_eq!(flags.print, Some(Print::Important));
    }

    #[test]
    fn settings_and_system_properties() {
        let line = "-Duser.home=/x listenPort=1 --standalone brokerName=a=b";
        let flags = Flags::parse(Program::Broker, line.split(' ')).unwrap();
        assert_eq!(flags.system_properties["user.home"], "/x");
        assert_eq!(flags.settings.render(), "brokerName=a=b\nlistenPort=1\n");
        assert!(flags.standalone);
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_help_is_not() {
        for line in ["--bogus", "stray", "-c", "-n"] {
            let usage = Flags::parse(Program::Broker, [line]).unwrap_err();
            assert!(usage.is_error && usage.text.contains(line), "{line}: {}", usage.text);
        }
        assert!(Flags::parse(Program::Namesrv, ["-m"]).unwrap_err().is_error);
        let help = Flags::parse(Program::Namesrv, ["-h"]).unwrap_err();
        assert!(!help.is_error && help.text.contains("--configFile"), "{}", help.text);
    }
}

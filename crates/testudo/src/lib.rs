//! `testudo`: the command line. It is a library so that the reference, the man pages and the completions are made from
//! what is run.
//!
//! Data goes to stdout, messages to stderr; every command that lists something has `--json`; exit status 0 only on
//! success. `serve` writes its messages as lines of the log.

#![warn(clippy::wildcard_enum_match_arm)]

mod admin;
mod arguments;
mod ca;
mod command_line;
mod commands;
mod exit;
mod log;
mod output;
mod service_manager;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use command_line::{Arguments, Command};
use exit::Exit;
use output::Failed;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::SystemTime;
use testudo_protocol::Timestamp;
use testudo_server::listen::PassedSockets;

/// Every command with its options and help.
pub fn command_line() -> clap::Command {
    Arguments::command()
}

/// Each exit status and what it means.
pub fn exit_statuses() -> impl Iterator<Item = (u8, &'static str)> {
    Exit::ALL.into_iter().map(|exit| (exit.number(), exit.meaning()))
}

/// The whole program.
pub fn main() -> ExitCode {
    let arguments = match read_arguments() {
        Ok(arguments) => arguments,
        Err(answer) => return print_answer(&answer).into(),
    };
    let is_server = matches!(arguments.command, Command::Serve(_));
    if let Command::Serve(file) = &arguments.command {
        log::start(&file.config);
    }
    let end = |failed: &Failed| {
        match is_server {
            true => failed.log(),
            false => failed.print(),
        }
        failed.exit().into()
    };
    // This removes variables from the environment, which is safe only while the process has one thread.
    let passed = match PassedSockets::from_environment() {
        Ok(passed) => passed,
        Err(why) => return end(&Failed::new(why)),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(&Failed::new(format!("cannot start the runtime: {error}"))),
    };
    match runtime.block_on(run(arguments, passed)) {
        Ok(()) => Exit::Done.into(),
        Err(failed) => end(&failed),
    }
}

/// The current time of this machine.
fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

fn read_arguments() -> Result<Arguments, clap::Error> {
    // An error in the arguments is printed before they are parsed, so `--json` is searched for here.
    if std::env::args_os().any(|argument| argument == "--json") {
        output::print_messages_as_json();
    }
    let matches: ArgMatches = command_line().try_get_matches()?;
    Arguments::from_arg_matches(&matches)
}

/// Prints the help or the version, or the error in the arguments.
fn print_answer(answer: &clap::Error) -> Exit {
    if answer.use_stderr() {
        output::usage_error(answer);
        return Exit::Usage;
    }
    match answer.print().and_then(|()| std::io::stdout().flush()) {
        Ok(()) => Exit::Done,
        Err(error) => {
            let failed = Failed::undelivered(&error);
            failed.print();
            failed.exit()
        }
    }
}

async fn run(arguments: Arguments, passed: PassedSockets) -> Result<(), Failed> {
    match arguments.command {
        Command::Dev(options) => commands::dev::run(options).await,
        Command::Serve(file) => commands::serve::run(&file.config, passed).await,
        Command::Init(options) => commands::init::run(&options),
        Command::Check(of) => commands::check::run(&of.file.config, &of.command),
        Command::Doctor(of) => commands::doctor::run(&of.file.config, &of.command).await,
        Command::Reload(at) => commands::server::reload(&at.place, &at.command).await,
        Command::Status(at) => commands::server::status(&at.place, &at.command).await,
        Command::Healthcheck(at) => commands::healthcheck::run(&at.place, &at.command).await,
        Command::Version(options) => commands::version::run(&options),
        Command::Completions(options) => commands::completions::run(&options, command_line()),
        Command::Trust(at) => commands::trust::run(&at.place, at.command).await,
        Command::Rule(at) => commands::rule::run(&at.place, at.command).await,
        Command::Client(at) => commands::client::run(&at.place, at.command).await,
        Command::Identity(at) => commands::identity::run(&at.place, at.command).await,
        Command::User(at) => commands::user::run(&at.place, at.command).await,
        Command::Session(at) => commands::session::run(&at.place, at.command).await,
        Command::Grant(at) => commands::grant::run(&at.place, at.command).await,
        Command::Event(at) => commands::event::run(&at.place, at.command).await,
        Command::Explain(at) => commands::explain::run(&at.place, at.command).await,
        Command::Key(at) => commands::key::run(&at.place, at.command).await,
        Command::Call(options) => commands::call::run(options).await,
        Command::Token(command) => commands::token::run(command).await,
    }
}

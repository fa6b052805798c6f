//! `testudo`: the command line.
//!
//! Data goes to stdout, talk to stderr; `--json` wherever something is listed; exit status 0 only on success.

#![warn(clippy::wildcard_enum_match_arm)]

mod admin;
mod arguments;
mod command_line;
mod commands;
mod output;
mod service_manager;

use clap::Parser as _;
use command_line::{Arguments, Command};
use output::Failed;
use std::io::Write as _;
use std::process::ExitCode;
use testudo_server::listen::PassedSockets;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return print_answer(&answer),
    };
    // Removes variables from the environment, which is sound only while there is one thread.
    let passed = match PassedSockets::from_environment() {
        Ok(passed) => passed,
        Err(why) => {
            Failed::new(why).print();
            return ExitCode::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Failed::new(format!("cannot start the runtime: {error}")).print();
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments, passed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            failed.print();
            failed.exit_code()
        }
    }
}

/// Help and the version, or what is wrong with the arguments.
fn print_answer(answer: &clap::Error) -> ExitCode {
    match answer.print().and_then(|()| std::io::stdout().flush()) {
        Err(error) if !answer.use_stderr() => {
            let failed = Failed::undelivered(&error);
            failed.print();
            failed.exit_code()
        }
        // Where stderr is gone or full, the exit code still says it.
        _ => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2)),
    }
}

async fn run(arguments: Arguments, passed: PassedSockets) -> Result<(), Failed> {
    let place = arguments.place;
    match arguments.command {
        Command::Dev(options) => commands::dev::run(options).await,
        Command::Serve => commands::serve::run(&place, passed).await,
        Command::Init(options) => commands::init::run(&options),
        Command::Check(options) => commands::check::run(&place, &options),
        Command::Doctor(options) => commands::doctor::run(&place, &options).await,
        Command::Reload(reason) => commands::server::reload(&place, reason).await,
        Command::Status(options) => commands::server::status(&place, &options).await,
        Command::Trust(command) => commands::trust::run(&place, command).await,
        Command::Rule(command) => commands::rule::run(&place, command).await,
        Command::Client(command) => commands::client::run(&place, command).await,
        Command::Identity(command) => commands::identity::run(&place, command).await,
        Command::Event(command) => commands::event::run(&place, command).await,
        Command::Explain(options) => commands::explain::run(&place, options).await,
        Command::Key(command) => commands::key::run(&place, command).await,
        Command::Token(command) => commands::token::run(command).await,
    }
}

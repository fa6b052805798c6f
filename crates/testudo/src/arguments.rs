//! Options that several commands have.

use clap::Args;
use std::path::PathBuf;

/// Where the server and its configuration are.
#[derive(Args, Clone)]
#[command(next_help_heading = "Where the server is")]
pub struct Place {
    /// Configuration file.
    #[arg(
        long,
        global = true,
        default_value = "testudo.toml",
        env = "TESTUDO_CONFIG",
        value_name = "FILE"
    )]
    pub config: PathBuf,
    /// Admin socket of the running server; by default the one that the configuration names.
    #[arg(long, global = true, env = "TESTUDO_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Output for programs.
#[derive(Args, Clone, Copy)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Why a change is made.
#[derive(Args)]
pub struct Reason {
    /// Why, for the event.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

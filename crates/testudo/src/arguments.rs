//! Options that several commands have.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The configuration file.
#[derive(Args, Clone)]
#[command(next_help_heading = "Where the server is")]
pub struct ConfigFile {
    /// Configuration file.
    #[arg(
        long,
        global = true,
        default_value = "testudo.toml",
        env = "TESTUDO_CONFIG",
        value_name = "FILE"
    )]
    pub config: PathBuf,
}

/// Where the running server is.
#[derive(Args, Clone)]
#[command(next_help_heading = "Where the server is")]
pub struct Place {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Admin socket of the running server; default: `admin.socket` of the configuration.
    #[arg(long, global = true, env = "TESTUDO_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    #[command(flatten)]
    pub url: AdminUrl,
}

/// The admin API over HTTPS. No option takes the token itself: every user of a machine can list the arguments of its
/// processes.
#[derive(Args, Clone)]
pub struct AdminUrl {
    /// URL of the running server's `admin.listen`, used instead of the socket: https, or http on loopback.
    #[arg(
        long,
        global = true,
        env = "TESTUDO_ADMIN_URL",
        value_name = "URL",
        conflicts_with = "socket"
    )]
    pub admin_url: Option<String>,
    /// File with an access token for --admin-url, read again for each request; default: the variable TESTUDO_TOKEN.
    #[arg(long, global = true, env = "TESTUDO_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file with root certificates for --admin-url, in addition to those of the system.
    #[arg(long, global = true, env = "TESTUDO_ADMIN_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// One command that reads the configuration file.
#[derive(Args)]
pub struct OfFile<C: Args> {
    #[command(flatten)]
    pub command: C,
    #[command(flatten)]
    pub file: ConfigFile,
}

/// One command that sends a request to the running server.
#[derive(Args)]
pub struct AtServer<C: Args> {
    #[command(flatten)]
    pub command: C,
    #[command(flatten)]
    pub place: Place,
}

/// The commands of one noun, which send requests to the running server.
#[derive(Args)]
pub struct Noun<C: Subcommand> {
    #[command(subcommand)]
    pub command: C,
    #[command(flatten)]
    pub place: Place,
}

/// Output for programs.
#[derive(Args, Clone, Copy)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How a list is printed.
#[derive(Args, Clone, Copy)]
pub struct Listing {
    #[command(flatten)]
    pub json: Json,
    /// Print each entry on one line, also where the line is longer than the terminal is wide.
    #[arg(long, conflicts_with = "json")]
    pub wide: bool,
}

/// Options of every command that changes something.
#[derive(Args)]
pub struct Change {
    /// Why the change is made; the audit event records it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

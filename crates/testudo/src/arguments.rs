//! What the command line understands.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// OAuth tokens for attested workloads: no client secret, no registration ticket.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the server and its configuration are.
#[derive(Args, Clone)]
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

#[derive(Subcommand)]
pub enum Command {
    /// A whole world on loopback with nothing installed: issuer, server, one rule.
    Dev(Dev),
    /// The server.
    Serve,
    /// Write a commented starter configuration.
    Init(Init),
    /// Report every problem of the configuration at once.
    Check(Json),
    /// Try everything that the configuration names.
    Doctor(Json),
    /// Apply the configuration file to the running server.
    Reload(Reason),
    /// What the running server is doing.
    Status(Json),
    /// Authorities (trust domains, issuers) and their keys.
    #[command(subcommand)]
    Trust(Trust),
    /// Rules, and which one governs an identity.
    #[command(subcommand)]
    Rule(Rule),
    /// Registered clients.
    #[command(subcommand)]
    Client(Client),
    /// Identities that are kept out.
    #[command(subcommand)]
    Identity(Identity),
    /// Audit events.
    #[command(subcommand)]
    Event(Event),
    /// Walk a decision: each check, its outcome, what to change.
    Explain(Explain),
    /// Signing keys.
    #[command(subcommand)]
    Key(Key),
    /// The workload's side: get and look at tokens.
    #[command(subcommand)]
    Token(Token),
}

/// Output for programs.
#[derive(Args, Clone, Copy)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Dev {
    /// Run the demonstration against itself and end.
    #[arg(long)]
    pub once: bool,
    /// Loopback address of the server. Port 0: any free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
}

#[derive(Args)]
pub struct Init {
    /// Folder to write to.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

/// Why a change is made.
#[derive(Args)]
pub struct Reason {
    /// Why, for the event.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Subcommand)]
pub enum Trust {
    /// All authorities.
    List(Json),
    /// One authority: age of its keys, the keys, last error.
    Show {
        /// Name of the trust domain or issuer.
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Fetch the bundle now.
    Refresh {
        /// Name of the trust domain or issuer.
        name: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Take what is held back: a bundle with a lower sequence, without one, or, from a Workload API, without a kind of
    /// authority that was there.
    Accept {
        /// Name of the trust domain or issuer.
        name: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Refuse the authority from the next request on.
    Disable {
        /// Name of the trust domain or issuer.
        name: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let the authority in again.
    Enable {
        /// Name of the trust domain or issuer.
        name: String,
        #[command(flatten)]
        reason: Reason,
    },
}

#[derive(Subcommand)]
pub enum Rule {
    /// All rules, in the order in which they are asked.
    List(Json),
    /// Which rule governs an identity, and what it would be given.
    Test {
        /// SPIFFE IDs; without any, they are read from stdin, one a line.
        identities: Vec<String>,
        #[command(flatten)]
        json: Json,
    },
}

/// Which clients.
#[derive(Args, Clone, Default)]
pub struct Filter {
    /// Of this trust domain or issuer.
    #[arg(long, value_name = "NAME")]
    pub trust_domain: Option<String>,
    /// Admitted under this rule.
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// In this state: active or frozen.
    #[arg(long, value_name = "STATE", value_parser = ["active", "frozen"])]
    pub state: Option<String>,
    /// Not used for that long: 30d, 12h.
    #[arg(long, value_name = "DURATION")]
    pub unused_for: Option<String>,
    /// That no rule governs today.
    #[arg(long)]
    pub orphaned: bool,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.trust_domain.is_none()
            && self.rule.is_none()
            && self.state.is_none()
            && self.unused_for.is_none()
            && !self.orphaned
    }
}

/// One client by id, or many by filter.
#[derive(Args)]
pub struct Selection {
    /// Client ids.
    pub client_ids: Vec<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// Do it to all that the filter selects.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub reason: Reason,
}

#[derive(Subcommand)]
pub enum Client {
    /// All clients.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        json: Json,
    },
    /// One client.
    Show {
        /// Client id.
        client_id: String,
        #[command(flatten)]
        json: Json,
    },
    /// Refuse clients until they are thawed.
    Freeze(Selection),
    /// Let frozen clients in again.
    Thaw(Selection),
    /// Remove clients; one that a rule still admits comes back at its next request.
    Delete(Selection),
    /// Remove clients that are idle or past their lifetime.
    Sweep {
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Subcommand)]
pub enum Identity {
    /// Keep an identity, a pattern or an authority out, whether or not it ever registered.
    Block {
        /// An identity, a pattern, a configured client's id, or the name of an authority for all of its identities.
        identity: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let it in again.
    Unblock {
        /// As it was blocked.
        identity: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// All blocks.
    List(Json),
}

#[derive(Subcommand)]
pub enum Event {
    /// The latest events.
    List {
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        json: Json,
    },
    /// Events as they happen, until interrupted.
    Follow(Json),
}

#[derive(Subcommand)]
pub enum Key {
    /// All signing keys: the next, the active, the retiring.
    List(Json),
    /// Make a new key. It is published at once, and signs ten minutes later.
    Rotate {
        /// When a key was stolen: the new one signs at once, and all others are withdrawn on every node.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        reason: Reason,
    },
    /// Withdraw one key on every node: tokens that it signed are refused. If it is the one that signs, another is
    /// made first.
    Revoke {
        /// Key id, as `key list` shows it. One in 64 begins with `-`.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        reason: Reason,
    },
}

#[derive(Args)]
pub struct Explain {
    /// A request id, from the `Request-Id` of an answer.
    #[arg(required_unless_present = "credential", conflicts_with = "credential")]
    pub request_id: Option<String>,
    /// File with a credential; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    pub credential: Option<PathBuf>,
    /// With a credential: the scope to ask for.
    #[arg(long, requires = "credential")]
    pub scope: Option<String>,
    /// With a credential: the resource to ask for.
    #[arg(long, requires = "credential")]
    pub resource: Option<String>,
    /// With a credential: the `client_id` to send.
    #[arg(long, requires = "credential")]
    pub client_id: Option<String>,
    /// Exit with 1 where the request was refused, or the credential would be.
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Subcommand)]
pub enum Token {
    /// Get an access token with this workload's SVID; the token goes to stdout.
    Get(TokenGet),
    /// Decode and check a token from stdin.
    Inspect(TokenInspect),
}

#[derive(Args)]
pub struct TokenGet {
    /// Issuer identifier of the server.
    #[arg(long, value_name = "URL")]
    pub issuer: String,
    /// The API the token is for.
    #[arg(long, value_name = "URL")]
    pub resource: Option<String>,
    /// Scope values to ask for.
    #[arg(long, num_args = 1..)]
    pub scope: Vec<String>,
    /// A JWT-SVID in a file, instead of the Workload API.
    #[arg(long, value_name = "FILE")]
    pub svid_file: Option<PathBuf>,
    /// An X.509-SVID in PEM files: the chain, then the key.
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"], conflicts_with = "svid_file")]
    pub x509: Vec<PathBuf>,
    /// Show the X.509-SVID of the Workload API instead of a JWT-SVID.
    #[arg(long, conflicts_with_all = ["svid_file", "x509"])]
    pub workload_api_x509: bool,
    /// Workload API socket; by default `SPIFFE_ENDPOINT_SOCKET`.
    #[arg(long, value_name = "unix:PATH")]
    pub workload_api: Option<String>,
    /// PEM file with roots for the server's certificate, beside the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

#[derive(Args)]
pub struct TokenInspect {
    /// Check the signature with this issuer's keys.
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// The audience it should be for; default: its own.
    #[arg(long, value_name = "URL", requires = "issuer")]
    pub audience: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_id_that_begins_with_a_hyphen_is_no_option() {
        for kid in ["-zg66X9wm", "-hg66", "--g66", "hg66"] {
            let line = ["testudo", "key", "revoke", kid, "--reason", "stolen"];
            let parsed = Arguments::try_parse_from(line).map_err(|error| error.to_string());
            let Ok(Arguments {
                command: Command::Key(Key::Revoke { kid: found, reason }),
                ..
            }) = parsed
            else {
                panic!("{kid}: {:?}", parsed.err());
            };
            assert_eq!((found.as_str(), reason.reason.as_deref()), (kid, Some("stolen")));
        }
    }
}

//! Every command, once. What a command takes stands in its file below `commands/`, beside what it does.

use crate::arguments::{AtServer, Change, ConfigFile, Json, Listing, Noun, OfFile};
use crate::commands::{client, completions, dev, event, explain, identity, init, key, rule, token, trust};
use clap::{Parser, Subcommand};

/// OAuth tokens for attested workloads: no client secret, no registration ticket.
#[derive(Parser)]
#[command(name = "testudo", version, max_term_width = 80)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// A whole world on loopback with nothing installed: issuer, server, one rule.
    Dev(dev::Dev),
    /// The server.
    Serve(ConfigFile),
    /// Write a commented starter configuration.
    Init(init::Init),
    /// Report every problem of the configuration at once.
    Check(OfFile<Json>),
    /// Try everything that the configuration names.
    Doctor(OfFile<Listing>),
    /// Apply the configuration file to the running server.
    Reload(AtServer<Change>),
    /// What the running server is doing.
    Status(AtServer<Json>),
    /// Ask the running server whether it is ready, for containers without a shell.
    Healthcheck(AtServer<Json>),
    /// Version, commit and date of this program.
    Version(Json),
    /// Print a script that completes commands and options in a shell.
    Completions(completions::Completions),
    /// Authorities (trust domains, issuers) and their keys.
    Trust(Noun<trust::Trust>),
    /// Rules, and which one governs an identity.
    Rule(Noun<rule::Rule>),
    /// Registered clients.
    Client(Noun<client::Client>),
    /// Identities that are kept out.
    Identity(Noun<identity::Identity>),
    /// Audit events.
    Event(Noun<event::Event>),
    /// Walk a decision: each check, its outcome, what to change.
    Explain(AtServer<explain::Explain>),
    /// Signing keys.
    Key(Noun<key::Key>),
    /// The workload's side: get and look at tokens.
    #[command(subcommand)]
    Token(token::Token),
}

//! Every command, once. What a command takes stands in its file below `commands/`, beside what it does.

use crate::arguments::{Json, Place, Reason};
use crate::commands::{client, dev, event, explain, identity, init, key, rule, token, trust};
use clap::{Parser, Subcommand};

/// OAuth tokens for attested workloads: no client secret, no registration ticket.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// A whole world on loopback with nothing installed: issuer, server, one rule.
    Dev(dev::Dev),
    /// The server.
    Serve,
    /// Write a commented starter configuration.
    Init(init::Init),
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
    Trust(trust::Trust),
    /// Rules, and which one governs an identity.
    #[command(subcommand)]
    Rule(rule::Rule),
    /// Registered clients.
    #[command(subcommand)]
    Client(client::Client),
    /// Identities that are kept out.
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Audit events.
    #[command(subcommand)]
    Event(event::Event),
    /// Walk a decision: each check, its outcome, what to change.
    Explain(explain::Explain),
    /// Signing keys.
    #[command(subcommand)]
    Key(key::Key),
    /// The workload's side: get and look at tokens.
    #[command(subcommand)]
    Token(token::Token),
}

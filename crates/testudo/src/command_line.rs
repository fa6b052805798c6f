//! The list of all commands. The arguments of a command are defined in its file below `commands/`, beside the code that
//! runs it.

use crate::arguments::{AtServer, Change, ConfigFile, Json, Listing, Noun, OfFile};
use crate::commands::{
    call, client, completions, dev, event, explain, grant, identity, init, key, rule, session, token, trust,
    user,
};
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
    /// Try Testudo on loopback with nothing else installed: test issuer, server, one rule.
    Dev(dev::Dev),
    /// Run the server.
    Serve(ConfigFile),
    /// Write a commented starter configuration.
    Init(init::Init),
    /// Report all problems of the configuration file.
    Check(OfFile<Json>),
    /// Check that the files, key sources and stores in the configuration can be used.
    Doctor(OfFile<Listing>),
    /// Apply the configuration file to the running server.
    Reload(AtServer<Change>),
    /// Show the state of the running server.
    Status(AtServer<Json>),
    /// Check whether the running server is ready; a health check for containers without a shell.
    Healthcheck(AtServer<Json>),
    /// Show version, commit and date of this program.
    Version(Json),
    /// Print a script that completes commands and options in a shell.
    Completions(completions::Completions),
    /// Show and change authorities (trust domains, issuers) and their keys.
    Trust(Noun<trust::Trust>),
    /// Show rules, and which rule governs an identity.
    Rule(Noun<rule::Rule>),
    /// Show, freeze and delete registered clients.
    Client(Noun<client::Client>),
    /// Block and unblock identities.
    Identity(Noun<identity::Identity>),
    /// Show, lock and remove the accounts of people, and change their groups.
    User(Noun<user::User>),
    /// Show and end the sessions of people.
    Session(Noun<session::Session>),
    /// Show and revoke what people granted to clients.
    Grant(Noun<grant::Grant>),
    /// Show audit events.
    Event(Noun<event::Event>),
    /// Explain why a request was accepted or refused: each check, its result, what to change.
    Explain(AtServer<explain::Explain>),
    /// Show, rotate and revoke signing keys.
    Key(Noun<key::Key>),
    /// Get and check tokens, as a workload or an API does.
    #[command(subcommand)]
    Token(token::Token),
    /// Call an API with a token, as a workload does, and print the body of its answer to stdout.
    Call(call::Call),
}

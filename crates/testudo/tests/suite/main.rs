//! Tests of the built binary: command line, signals, kill -9, and other programs such as SPIRE.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test panics"
)]

mod actors;
mod admin_url;
mod administration;
mod assertions;
mod attestation;
mod binary;
mod broken;
mod browser;
mod chains;
mod cli;
#[cfg(feature = "test-clock")]
mod clock;
mod configuration_files;
mod container;
mod crowds;
mod crowds_memory;
mod database;
mod dev;
mod docs;
mod dpop;
mod durability;
mod event_export;
mod event_follow;
mod every_command;
mod failover;
mod faults;
mod federation;
mod files;
mod helm;
mod incidents;
mod interop;
mod kubernetes;
mod listeners;
mod logs;
mod many;
mod metrics;
mod output;
mod page_names;
mod pages;
mod people;
mod people_crashes;
mod people_load;
mod people_log;
mod proof_load;
mod refusals;
mod registration;
mod reload_command;
mod reload_load;
mod renames;
mod secrets;
mod service_manager;
mod silence;
mod socket_paths;
mod spire;
mod terminal;
mod tls;
mod token_login;
mod trust;
mod watching;
mod web_app;

//! Tests of the server over real HTTP, in one test binary. Comments name the rows of the conformance tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test panics"
)]

mod admin_contract;
mod assertions;
mod attestation;
mod bad_rows;
mod bundle_documents;
mod bundle_roots;
mod bundles;
mod chains;
mod client_certificates;
mod client_ids;
mod clock;
mod concurrency;
mod database_clock;
mod discovery;
mod dpop;
mod endpoints;
mod events;
mod every_authority;
mod explain;
mod federation;
mod first_use;
mod granted;
mod introspection;
mod issuer_jwts;
mod issuer_keys;
mod issuers;
mod key_records;
mod keys;
mod kubernetes;
mod last_uses;
mod lifecycle;
mod matrix;
mod mutual_tls;
mod nodes;
mod occasions;
mod people;
mod people_admin;
mod proxies;
mod readiness;
mod registration;
mod reload_events;
mod reload_settings;
mod reloads;
mod requests;
mod revocation;
mod rule_tests;
mod selection;
mod sequences;
mod sequences_of_others;
mod store_faults;
mod takeover;
mod together;
mod verdicts;
mod verifiable_credentials;
mod wire;
mod wit_svids;
mod workload_api;
mod world;

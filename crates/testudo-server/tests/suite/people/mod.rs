//! People in front of a browser: pages, sign-in, consent, and the codes that clients redeem.

mod account;
mod attacks;
mod attested;
mod codes;
mod doors;
mod expiry;
mod explained;
mod pages;
mod passkey_attacks;
mod passkeys;
mod providers;
mod public_clients;
mod pushed;
mod redeemed;
mod registered;
mod removed_clients;
mod sessions;
mod signed;
mod tokens;
mod two_nodes;
mod world;
mod writes;

pub use world::{CHALLENGE, VERIFIER, parameter};

//! People in front of a browser: pages, sign-in, consent, and the codes that clients redeem.

mod account;
mod attacks;
mod codes;
mod doors;
mod expiry;
mod pages;
mod passkey_attacks;
mod passkeys;
mod providers;
mod public_clients;
mod pushed;
mod redeemed;
mod registered;
mod sessions;
mod signed;
mod tokens;
mod two_nodes;
mod world;
mod writes;

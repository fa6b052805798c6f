//! Visits of the authorization endpoint: each refusal beside the same request that is accepted.

mod clients;
mod people;
mod signed;
mod world;

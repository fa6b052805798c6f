//! Programs of others against the built binary.

mod programs;
mod recipes;
mod schemathesis;

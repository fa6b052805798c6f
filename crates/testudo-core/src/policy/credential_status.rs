//! Whether the status of a verifiable credential is checked, and which lists may be read for it.

use serde::{Deserialize, Serialize};
use testudo_protocol::Seconds;

/// Whether the status of a credential is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusUse {
    /// A credential without a status that this server can check is refused.
    Required,
    /// If a credential names a status list, the list must state that it is valid.
    #[default]
    IfPresent,
    /// No list is read.
    Ignore,
}

/// How the status of the credentials of an issuer is checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusPolicy {
    /// Whether it is checked.
    pub r#use: StatusUse,
    /// The origins of which lists may be read: `https://status.example`. An issuer whose key was stolen must not be able
    /// to send requests of this server to other servers.
    pub origins: Vec<String>,
    /// How long a list is used after it should have been fetched again, while that fails.
    pub max_stale: Seconds,
}

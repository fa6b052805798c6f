//! The claims of a credential that become client metadata, for every door whose credentials are JWTs.

use super::facts::Purpose;
use crate::members::{base, shadowed};
use crate::policy::AuthorityPolicy;
use std::collections::BTreeMap;
use testudo_protocol::jose::{JoseError, Jws};

/// Claims of a credential that are about client metadata.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    /// The claims that the configuration allows the authority to state, by name.
    pub(crate) attested: BTreeMap<String, serde_json::Value>,
    /// The names of the others. They have no effect, and neither do members with the same names in a registration.
    pub(crate) unlisted: Vec<String>,
}

/// Reads the claims of a token whose signature was verified. [SPIFFE-ID §4.1.3] Claims have no effect unless
/// `attested_metadata` of the authority lists them.
pub(crate) fn attested_claims(
    jws: &Jws,
    authority: &AuthorityPolicy,
    purpose: Purpose<'_>,
) -> Result<Claimed, JoseError> {
    if authority.attested_metadata.is_empty() && purpose == Purpose::Authentication {
        return Ok(Claimed::default());
    }
    let claims: BTreeMap<String, serde_json::Value> = jws.unverified_claims()?;
    let listed = &authority.attested_metadata;
    let is_listed = |name: &str| listed.iter().any(|listed| listed == base(name));
    let (attested, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        claims.into_iter().partition(|(name, _)| is_listed(name));
    let unlisted = others
        .into_keys()
        .filter(|name| shadowed(name).is_some())
        .collect();
    Ok(Claimed { attested, unlisted })
}

//! The claims of a credential that become client metadata, for every door whose credentials are JWTs.

use super::facts::Purpose;
use crate::policy::AuthorityPolicy;
pub(crate) use crate::policy::Claimed;
use testudo_protocol::jose::{JoseError, Jws};

/// Reads the claims of a token whose signature was verified.
pub(crate) fn attested_claims(
    jws: &Jws,
    authority: &AuthorityPolicy,
    purpose: Purpose<'_>,
) -> Result<Claimed, JoseError> {
    if authority.attested_metadata.is_empty() && purpose == Purpose::Authentication {
        return Ok(Claimed::default());
    }
    Ok(authority.claimed(jws.unverified_claims()?))
}

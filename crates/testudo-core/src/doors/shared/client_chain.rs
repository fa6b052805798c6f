//! The certificates of a client that has certificates of its own, with the client that the request names. [RFC8705 §2]

use super::facts::Lookup;
use super::presented::Presented;
use crate::identity::{AttestedIdentity, Proof};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::ClientChain;

/// A chain within its limits; nothing in it is verified yet.
pub(crate) struct PresentedChain {
    pub(crate) chain: ClientChain,
    pub(crate) unverified_client_id: String,
    digest: [u8; 32],
}

impl PresentedChain {
    /// Checks the limits of the certificates.
    pub(crate) fn recognise(presented: &Presented) -> Result<PresentedChain, Rejection> {
        let (client_id, chain) = presented.client_chain()?;
        Ok(PresentedChain {
            chain: ClientChain::new(chain).map_err(CredentialReason::Certificate)?,
            unverified_client_id: client_id.to_owned(),
            digest: presented.digest,
        })
    }

    /// The certificates of the client, if it registered them.
    pub(crate) fn lookups(&self) -> Lookup<'_> {
        Lookup::Certificates {
            unverified_client_id: &self.unverified_client_id,
        }
    }

    /// What a chain that is verified proves until this time.
    pub(crate) fn proof(&self, until: Timestamp) -> Proof {
        Proof {
            digest: Some(self.digest),
            certificate_thumbprint: Some(self.chain.thumbprint()),
            ..Proof::until(until)
        }
    }
}

/// A client without a credential, with the certificate to which its tokens may be bound. Who issued the certificate does
/// not matter: only the holder of its private key can use the tokens. [RFC8705 §4]
///
/// The certificate is no credential, so one that is not valid now, or that cannot be used, is left out: a client whose tokens
/// must be bound is refused then like one that presented none.
pub(crate) fn with_certificate(
    mut identity: AttestedIdentity,
    chain: Result<&ClientChain, String>,
    now: Timestamp,
    trace: &mut Trace,
) -> AttestedIdentity {
    let valid = chain.and_then(|chain| match chain.valid_until(now) {
        Ok(expires) => Ok((chain, expires)),
        Err(why) => Err(why.to_string()),
    });
    match valid {
        Ok((chain, expires)) => {
            trace.passed("certificate that may bind tokens", || {
                format!("valid until {expires}")
            });
            identity.proof = Proof {
                certificate_thumbprint: Some(chain.thumbprint()),
                ..Proof::until(expires)
            };
        }
        Err(why) => trace.passed("certificate that binds no tokens", || why),
    }
    identity
}

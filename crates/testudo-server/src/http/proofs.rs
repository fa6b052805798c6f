//! The proofs of possession of a request, verified with what this server keeps.

use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::state::shares::Taker;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use testudo_core::possession::{Possession, PresentedProofs, ProofTerms};
use testudo_core::rejection::Rejection;
use testudo_core::{AttestedIdentity, CredentialKind, Trace};
use testudo_protocol::jose::NoProofKeysKept;
use testudo_protocol::oauth::RequestUri;

/// The proofs of a request.
pub(super) fn of(headers: &HeaderMap) -> PresentedProofs {
    PresentedProofs::new(
        values(headers, "dpop"),
        values(headers, "oauth-client-attestation-pop"),
    )
    .with_workload_proofs(values(headers, "workload-proof-token"))
}

/// The attestations of a request.
pub(super) fn attestations(headers: &HeaderMap) -> Vec<String> {
    values(headers, "oauth-client-attestation")
}

/// The values of a header field. A value that is no text is changed into one that is refused.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    // `from_utf8_lossy` alone reads one byte at a time, and proofs are long.
    let text = |value: &HeaderValue| match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    headers.get_all(name).iter().map(text).collect()
}

/// What the proofs of a request must fit.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    /// The identity that the credential proves; `None` before it is verified.
    pub(super) identity: Option<&'a AttestedIdentity>,
    /// The access token that the request has with the scheme DPoP.
    pub(super) access_token: Option<&'a str>,
    /// The URIs of the endpoint.
    pub(super) uris: &'a [RequestUri],
}

/// Verifies the proofs of a request. Before an identity is known, only that of the access token is verified.
pub(super) fn prove(
    app: &App,
    in_force: &InForce,
    proofs: &PresentedProofs,
    sender: Sender<'_>,
) -> Result<Possession, Rejection> {
    let terms = ProofTerms {
        policy: &in_force.policy,
        identity: sender.identity,
        method: "POST",
        uris: sender.uris,
        access_token: sender.access_token,
        keys: match sender.identity {
            // Anyone can send these requests with any number of new keys, and would displace the keys of others.
            None => &NoProofKeysKept,
            Some(identity) if identity.kind == CredentialKind::Public => &NoProofKeysKept,
            Some(_) => &app.memory.proof_keys,
        },
        nonces: &app.nonces,
        now: app.now(),
    };
    let possession = match sender.identity {
        Some(_) => Possession::verify(proofs, terms, &mut Trace::off()),
        None => Possession::of_access_token(proofs, terms, &mut Trace::off()),
    }?;
    app.has_marks_of(possession.marks())?;
    Ok(possession)
}

/// Takes from the share of the client, if the request used single-use proofs.
pub(super) fn take_share(app: &App, possession: &Possession, taker: Taker<'_>) -> Result<(), Rejection> {
    match possession.marks().next() {
        Some(_) => app.proof_shares.take(taker, app.clock.steady_millis()),
        None => Ok(()),
    }
}

//! Initial access tokens: access tokens of this server for the registration endpoint, with the scope value
//! `client.register`. [RFC7591 §3] The client to which the token was issued becomes the sponsor of the client that is
//! registered with it.

use crate::credential_status;
use crate::fault::Fault;
use crate::fault::Stop;
use crate::own_tokens::{ProvenKeys, holder, identity_of, verify_own};
use crate::state::app::App;
use crate::state::in_force::InForce;
use testudo_core::doors::end_of_credential;
use testudo_core::identity::{SCOPE_REGISTER, Sponsor, SponsorLimits};
use testudo_core::policy::Policy;
use testudo_core::records::{Client, ClientCredential};
use testudo_core::rejection::{CredentialReason, Rejection, StatusReason};
use testudo_core::{AttestedIdentity, Authority};
use testudo_protocol::oauth::access_token::VerifiedToken;

/// The sponsor of a client that is registered.
pub(super) struct VouchedFor {
    pub(super) sponsor: Box<Sponsor>,
    /// What is kept of its verifiable credential, if it registered with one.
    pub(super) credential: Option<Box<ClientCredential>>,
}

/// The sponsor, found by its initial access token. A token that is bound to a key or a certificate is refused without
/// its proof.
pub(super) async fn sponsor(
    app: &App,
    in_force: &InForce,
    token: &str,
    proven: ProvenKeys<'_>,
) -> Result<VouchedFor, Stop> {
    let refused = |why: &str| {
        Rejection::Credential(CredentialReason::InitialAccessTokenRefused { why: why.to_owned() })
    };
    let policy = &in_force.policy;
    if !policy.registration.takes_initial_access_tokens {
        return Err(refused("this server does not accept initial access tokens").into());
    }
    let endpoint = policy.registration_endpoint().unwrap_or_default();
    let verified =
        verify_own(app, policy, token, &endpoint, proven).map_err(|fault| refused(&fault.to_string()))?;
    // [RFC6750 §3.1] The token is valid and does not contain the scope value.
    if !verified
        .scope
        .iter()
        .any(|scope| scope.as_str() == SCOPE_REGISTER)
    {
        return Err(CredentialReason::InitialAccessTokenHasNoScope.into());
    }
    let client = holder(app, &verified).await.map_err(Fault::Store)?;
    let client = client.ok_or_else(|| refused("the client to which it was issued is frozen or removed"))?;
    // The token may be older than the end of what admits its holder.
    let good = credential_status::of_holder(app, in_force, &client).await;
    good.map_err(refused_holder)?;
    let entry = Authority::of_key(&client.authority).and_then(|authority| policy.authority(&authority));
    let listed = entry.map(|entry| &*entry.attested_metadata).unwrap_or_default();
    let stated = verified.registration_limits.as_ref();
    let stated = stated.map(|claim| {
        let limits = SponsorLimits::of_claim(claim, listed);
        limits.ok_or_else(|| refused("its authority may attest further limits since it was issued"))
    });
    let limits = client.limits_as_sponsor(stated.transpose()?, app.now());
    let sponsor = vouching(&client, policy, &verified, limits)
        .ok_or_else(|| refused("the client to which it was issued cannot register other clients"))?;
    Ok(VouchedFor {
        sponsor,
        credential: client.credential,
    })
}

/// A client that has a sponsor cannot become a sponsor itself.
fn vouching(
    client: &Client,
    policy: &Policy,
    verified: &VerifiedToken,
    limits: Option<Box<SponsorLimits>>,
) -> Option<Box<Sponsor>> {
    let (authority, subject) = identity_of(
        client,
        verified.spiffe_id.as_deref(),
        verified.instance.as_deref(),
    )?;
    let entry = policy.authority(&authority);
    Some(Box::new(Sponsor {
        authority,
        subject,
        instance: verified.instance.clone(),
        credential: client.last_credential,
        ends: end_of_credential(client, entry),
        limits,
    }))
}

/// The refusal of an initial access token whose sponsor is refused; other refusals are returned unchanged.
pub(super) fn refusal_of(identity: &AttestedIdentity, rejection: Rejection) -> Rejection {
    match &identity.sponsor {
        Some(_) => Rejection::Credential(CredentialReason::InitialAccessTokenRefused {
            why: refused_sponsor(&rejection),
        }),
        None => rejection,
    }
}

/// The refusal of an initial access token whose holder is refused. If it is not known whether the credential of the holder
/// is good, the token must not be called invalid: the caller would throw away a token that is good again with the list.
fn refused_holder(rejection: Rejection) -> Rejection {
    let why = refused_sponsor(&rejection);
    if let Rejection::Credential(CredentialReason::Status(reason)) = rejection
        && let StatusReason::ListUnavailable {
            retry_after_seconds, ..
        } = *reason
    {
        return Rejection::Credential(CredentialReason::InitialAccessTokenStatusUnavailable {
            why,
            retry_after_seconds,
        });
    }
    Rejection::Credential(CredentialReason::InitialAccessTokenRefused { why })
}

fn refused_sponsor(rejection: &Rejection) -> String {
    format!("its sponsor may not register clients: {rejection}")
}

//! The token endpoint. [RFC6749 §3.2]
//!
//! The steps, in this order: parse → gather → verify → load → decide → sign → commit → render.

mod issued;
mod observe;
mod parse;
mod reply;

use super::body::RequestBody;
use super::fresh;
use super::incoming::Incoming;
use super::proofs::{Sender, prove, take_share};
use super::proxy;
use super::respond::{error, failed, json};
use crate::audit::{RequestTrail, refuse};
use crate::credential_status;
use crate::fault::{Fault, Stop};
use crate::peer::Peer;
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::verify::{attested_client, review, verify_credential};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use observe::observe;
use parse::{Arrived, authorization, receive};
use std::sync::Arc;
use testudo_core::admission::attested_by::{BesideAttestation, may_be_beside};
use testudo_core::admission::governed::{GovernedIdentity, is_switched_on};
use testudo_core::doors::{self, Facts, Presented, Purpose, is_still_accepted};
use testudo_core::occasions::revoked::Revocation;
use testudo_core::occasions::token::{TokenGrant, TokenOutcome, TokenRequest};
use testudo_core::policy::{NonceUse, Policy};
use testudo_core::records::{ClientCredential, Event};
use testudo_core::rejection::{Authorization, Endpoint, Fresh, Rejection};
use testudo_core::tokens::access_token::{self, IssuedToken};
use testudo_core::{AttestedIdentity, Authority, CredentialKind, Moment, OccasionKind};
use testudo_protocol::oauth::{Resource, ScopeSet};

/// The outcome of a token request that was decided.
enum Settled {
    /// The token that was issued, and whether its client is new.
    Token(IssuedToken, bool),
    /// Refused, and the batch is committed; with the event of what would have happened where `first_use = "observe"`
    /// applies to the identity.
    Refused(Rejection, Option<Box<Event>>),
}

pub(super) async fn token<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let authorization = authorization(&incoming.request);
    let request_id = incoming.id;
    let mut trail = RequestTrail::of(OccasionKind::Token, request_id);
    let settled = serve_token(app, in_force, incoming, &mut trail).await;
    match settled {
        Ok(Settled::Token(token, is_new)) => {
            app.metrics.tokens_issued.inc();
            if in_force.serving.logs_tokens {
                issued::log(&token, &trail);
            }
            if is_new {
                app.metrics.first_uses.inc();
            }
            observe(app, &trail, || {
                let seen = if is_new { "first use: registered" } else { "known" };
                format!(
                    "{seen}, token for scope `{}`",
                    token.scope.as_deref().unwrap_or_default()
                )
            });
            let mut response = json(StatusCode::OK, reply::render(&token));
            // [RFC9449 §8.2] The client gets the nonce of its next proof before the present one expires.
            let requires_nonce = in_force.policy.tokens.dpop_nonce == NonceUse::Required;
            if requires_nonce && trail.details.dpop_key.is_some() {
                fresh::add(app, &mut response, Fresh::DpopNonce);
            }
            response
        }
        Ok(Settled::Refused(rejection, would)) => {
            refused(app, &trail, &rejection, authorization, would).await
        }
        Err(Stop::Refused(rejection)) => refused(app, &trail, &rejection, authorization, None).await,
        Err(Stop::Failed(what)) => failed(app, request_id, &what),
    }
}

async fn refused(
    app: &App,
    trail: &RequestTrail<'_>,
    rejection: &Rejection,
    authorization: Authorization,
    would: Option<Box<Event>>,
) -> Response<Full<Bytes>> {
    let answer = refuse(app, trail, rejection, Endpoint::Token { authorization }, would).await;
    observe(app, trail, || format!("refused: {rejection}"));
    let mut response = error(&answer);
    if let Some(value) = answer.fresh {
        fresh::add(app, &mut response, value);
    }
    response
}

async fn serve_token<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
    trail: &mut RequestTrail<'_>,
) -> Result<Settled, Stop> {
    let Incoming { peer, request, .. } = incoming;
    let policy = &in_force.policy;
    proxy::note_ids(&mut trail.details, &in_force.arrival, peer, request.headers());
    let Arrived {
        presented,
        attestations,
        grant,
        client_id,
        proofs,
    } = receive(&in_force.arrival, peer, request).await?; // parse
    trail.details.client_id = client_id;
    trail.details.grant_type = Some(grant.name().into());
    trail.scope = grant.asked().scope.as_ref().map(ScopeSet::to_string);
    trail.resource = grant.asked().resource.as_ref().map(Resource::to_string);
    let is_registered = |client_id: &str| app.keys.load().opaque_key.has_named(client_id);
    let presented = presented
        .of_client(trail.details.client_id.as_deref(), policy, is_registered)
        .of_issuer(policy);
    let proven = identify(app, in_force, peer, &presented).await?; // gather, verify
    let proven = proven.client(app, in_force).await?; // gather, verify
    let identity = &proven.identity;
    trail.identity = Some(identity.clone());
    let beside = match attestations.is_empty() {
        true => None,
        false => {
            may_be_beside(&app.govern(identity, trail.occasion, policy)?)?;
            let attestation = Presented::attestation(attestations)?;
            Some(identify(app, in_force, peer, &attestation).await?)
        }
    };
    let attested = beside.as_ref().map(|beside| &*beside.identity);
    trail.details.attestation = attested.map(|attested| attested.subject.to_string());
    let sender = Sender {
        identity: Some(attested.unwrap_or(identity)),
        access_token: None,
        uris: &in_force.arrival.token_uris,
    };
    let possession = prove(app, in_force, &proofs, sender)?; // verify
    trail.details.dpop_key = possession.shown_dpop_key();
    let governed = app.govern(identity, trail.occasion, policy)?;
    if let Some(attested) = attested {
        is_switched_on(attested, &app.switches.load())?;
    }
    // After the rule, so that an identity that no rule governs causes no request to the API server of its cluster.
    review(app, in_force, &presented, identity).await?; // verify
    take_share(app, &possession, &governed.name.client_id)?;
    // A credential may be revoked after its client registered with it.
    if let Some(credential) = proven.credential() {
        still_accepted(in_force, &identity.authority, credential)?;
        let checked = credential_status::check(app, in_force, &identity.authority, &credential.status).await;
        if let Err(refused) = checked {
            freeze_if_revoked(app, policy, &governed, credential, &refused).await?;
            return Err(refused.into());
        }
    }
    let request = TokenRequest {
        governed: &governed,
        client_id: trail.details.client_id.as_deref(),
        grant: &grant,
        attestation: attested.map_or(BesideAttestation::Absent, BesideAttestation::Proven),
        possession: &possession,
        request: trail.request(),
    };
    let settled = settle(app, policy, &request, |outcome, at| {
        sign(app, &governed, outcome, at)
    })
    .await?; // load … commit
    if let Settled::Token(..) = &settled {
        for known in beside.iter().chain([&proven]) {
            known.remember(app, policy);
        }
    }
    Ok(settled)
}

/// Refuses a client whose credential the entry of its issuer would not accept any more. Nothing is fetched or read for it.
fn still_accepted(
    in_force: &InForce,
    issuer: &Authority,
    credential: &ClientCredential,
) -> Result<(), Rejection> {
    let (Some(accepted), Some(entry)) = (&credential.accepted, in_force.policy.authority(issuer)) else {
        return Ok(());
    };
    let keys = in_force.anchor(issuer).and_then(|anchor| anchor.of_any_age());
    Ok(is_still_accepted(accepted, issuer, entry, keys.as_ref())?)
}

/// Freezes the client if its credential is revoked, so that it stays refused when the list is not published any more.
async fn freeze_if_revoked(
    app: &App,
    policy: &Policy,
    governed: &GovernedIdentity<'_>,
    credential: &ClientCredential,
    refused: &Rejection,
) -> Result<(), Stop> {
    let Some(revocation) = Revocation::of(governed, credential, refused) else {
        return Ok(());
    };
    // Boxed: only these requests need the memory of this future.
    Box::pin(settle(app, policy, &revocation, |(), _| Ok(()))).await
}

/// sign: done before anything is written, so that no client is registered whose token cannot be signed.
fn sign(
    app: &App,
    governed: &GovernedIdentity<'_>,
    outcome: TokenOutcome,
    at: &Moment<'_>,
) -> Result<Settled, Fault> {
    let grant = match outcome {
        TokenOutcome::Granted(grant) => grant,
        TokenOutcome::Refused(rejection, would) => return Ok(Settled::Refused(rejection, would)),
    };
    let TokenGrant {
        granted,
        is_new,
        earlier_client_id,
    } = grant;
    let client_id = earlier_client_id.as_deref().unwrap_or(&governed.name.client_id);
    let token = access_token::issue(governed, client_id, granted, &app.keys.load().active, at)
        .map_err(Fault::Signing)?;
    Ok(Settled::Token(token, is_new))
}

/// A verified credential.
struct Proven {
    identity: Arc<AttestedIdentity>,
    /// The facts with which it was verified; `None` if the verdict was remembered.
    facts: Option<Facts>,
}

impl Proven {
    /// The same, or the client of a verifiable credential if an attestation is for one.
    async fn client(self, app: &App, in_force: &InForce) -> Result<Proven, Stop> {
        if self.identity.kind != CredentialKind::Attestation {
            return Ok(self);
        }
        // Boxed: only these requests need the memory of this future.
        let found = Box::pin(attested_client(app, in_force, &self.identity)).await?;
        Ok(found.map_or(self, |(identity, facts)| Proven {
            identity: Arc::new(identity),
            facts: Some(facts),
        }))
    }

    /// What is kept of the verifiable credential with which the client registered, if it did.
    fn credential(&self) -> Option<&ClientCredential> {
        match &self.facts {
            Some(Facts::Client(client)) => client.credential.as_deref(),
            Some(
                Facts::Keys(_)
                | Facts::Issuer(..)
                | Facts::SeveralIssuers(_)
                | Facts::Clusters(_)
                | Facts::NoKeysOf(_)
                | Facts::NoKeys
                | Facts::Disabled
                | Facts::KeysElsewhere { .. }
                | Facts::Nothing,
            )
            | None => None,
        }
    }

    /// Keeps the verdict. It is called only after a token was issued: otherwise an attacker could displace the verdicts of
    /// other clients with refused requests.
    fn remember(&self, app: &App, policy: &Policy) {
        if let Some(keys) = self
            .facts
            .as_ref()
            .and_then(|facts| facts.keys_of(&self.identity.authority))
        {
            app.memory
                .verdicts
                .remember(&self.identity, keys, policy.generation);
        }
    }
}

/// gather and verify: the identity that a credential proves, from memory if the same credential was verified before.
async fn identify(
    app: &App,
    in_force: &Arc<InForce>,
    peer: &Peer,
    presented: &Presented,
) -> Result<Proven, Stop> {
    if let Some(identity) = recall(app, in_force, presented) {
        app.metrics.assertions_remembered.inc();
        return Ok(Proven {
            identity,
            facts: None,
        });
    }
    let credential = doors::recognise(presented)?;
    // Boxed: a future within this many others would be too deep for the compiler.
    let verified = Box::pin(verify_credential(
        app,
        in_force,
        peer,
        credential,
        Purpose::Authentication,
    ));
    let (identity, facts) = verified.await?;
    Ok(Proven {
        identity: Arc::new(identity),
        facts: Some(facts),
    })
}

/// The identity that this same credential proved earlier, if the verdict is still valid.
fn recall(app: &App, in_force: &InForce, presented: &Presented) -> Option<Arc<AttestedIdentity>> {
    let now = app.now();
    app.memory.verdicts.recall(
        presented,
        |authority| in_force.authority_keys(authority, app.moment()),
        in_force.policy.generation,
        now,
    )
}

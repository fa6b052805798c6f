//! Authentication of a client, with every kind of credential, and the first steps of its admission. The endpoints of
//! clients have it in common. [RFC6749 §2.3] [RFC7009 §2.1] [RFC7662 §2.1]

use super::receive::Arrived;
use crate::audit::RequestTrail;
use crate::credential_status;
use crate::fault::Stop;
use crate::http::proofs::{Sender, prove, take_share};
use crate::peer::Peer;
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::state::shares::Taker;
use crate::verify::{attested_client, review, verify_credential};
use std::net::IpAddr;
use std::sync::Arc;
use testudo_core::admission::attested_by::{BesideAttestation, may_be_beside};
use testudo_core::admission::governed::{GovernedIdentity, is_switched_on};
use testudo_core::doors::{self, Facts, KnownCredential, Presented, Purpose};
use testudo_core::occasions::Caller;
use testudo_core::occasions::revoked::Revocation;
use testudo_core::policy::Policy;
use testudo_core::possession::Possession;
use testudo_core::records::ClientCredential;
use testudo_core::rejection::Rejection;
use testudo_core::{AttestedIdentity, CredentialKind, OccasionKind};
use testudo_protocol::oauth::RequestUri;

/// The request of a client, and where it arrived.
#[derive(Clone, Copy)]
pub(in crate::http) struct Client<'a> {
    pub(in crate::http) app: &'a App,
    pub(in crate::http) in_force: &'a Arc<InForce>,
    pub(in crate::http) peer: &'a Peer,
    /// The URIs of the endpoint, one of which a DPoP proof must name.
    pub(in crate::http) uris: &'a [RequestUri],
}

/// A client whose credential, attestation and proofs of possession are verified.
pub(in crate::http) struct Authenticated {
    presented: Presented,
    proven: Proven,
    beside: Option<Proven>,
    /// The keys that the request proved.
    possession: Possession,
    /// The address of the caller.
    address: Option<IpAddr>,
}

impl Client<'_> {
    /// gather and verify: the identity that the credential proves, the attestation beside it, the proofs of possession.
    pub(in crate::http) async fn authenticate(
        self,
        arrived: Arrived,
        trail: &mut RequestTrail<'_>,
    ) -> Result<Authenticated, Stop> {
        let Client { app, in_force, .. } = self;
        let policy = &in_force.policy;
        trail.details.client_id = arrived.client_id;
        let is_registered = |client_id: &str| app.keys.load().opaque_key.has_named(client_id);
        let presented = arrived
            .presented
            .of_client(trail.details.client_id.as_deref(), policy, is_registered)
            .of_issuer(policy);
        let unread = arrived.unread_certificate;
        let identified = self.identify(&presented).await.map_err(|stop| match stop {
            Stop::Refused(refused) => Stop::Refused(Arrived::explained(unread, refused)),
            Stop::Failed(what) => Stop::Failed(what),
        });
        let proven = identified?.client(app, in_force).await?;
        let identity = &proven.identity;
        trail.identity = Some(identity.clone());
        let beside = match arrived.attestations.is_empty() {
            true => None,
            false => {
                may_be_beside(&app.govern(identity, trail.occasion, policy)?)?;
                let attestation = Presented::attestation(arrived.attestations)?;
                Some(self.identify(&attestation).await?)
            }
        };
        let attested = beside.as_ref().map(|beside| &*beside.identity);
        trail.details.attestation = attested.map(|attested| attested.subject.to_string());
        let sender = Sender {
            identity: Some(attested.unwrap_or(identity)),
            access_token: None,
            uris: self.uris,
        };
        let possession = prove(app, in_force, &arrived.proofs, sender)?;
        trail.details.dpop_key = possession.shown_dpop_key();
        Ok(Authenticated {
            presented,
            proven,
            beside,
            possession,
            address: arrived.address,
        })
    }

    /// The identity that a credential proves, from memory if the same credential was verified before.
    async fn identify(self, presented: &Presented) -> Result<Proven, Stop> {
        let Client {
            app, in_force, peer, ..
        } = self;
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
}

impl Authenticated {
    /// Steps 1 to 4 of the admission of the client, and whether its credential is still accepted by its issuer.
    pub(in crate::http) async fn admit<'a>(
        &'a self,
        app: &App,
        in_force: &'a InForce,
        occasion: OccasionKind,
    ) -> Result<GovernedIdentity<'a>, Stop> {
        let (policy, identity) = (&in_force.policy, &*self.proven.identity);
        let governed = app.govern(identity, occasion, policy)?;
        if let Some(beside) = &self.beside {
            is_switched_on(&beside.identity, &app.switches.load())?;
        }
        // After the rule, so that an identity that no rule governs causes no request to the API server of its cluster.
        review(app, in_force, &self.presented, identity).await?;
        take_share(app, &self.possession, self.taker(&governed))?;
        // A credential may be revoked after its client, or a client of its sponsor, registered with it.
        if let Some(known) = self.proven.known_credential() {
            must_be_good(app, in_force, &governed, known).await?;
        }
        Ok(governed)
    }

    /// Who takes from the shares of the client with this request.
    pub(in crate::http) fn taker<'a>(&self, governed: &'a GovernedIdentity<'_>) -> Taker<'a> {
        Taker::of(governed, self.address)
    }

    /// The client, for a decision.
    pub(in crate::http) fn caller<'a>(
        &'a self,
        governed: &'a GovernedIdentity<'a>,
        trail: &'a RequestTrail<'_>,
    ) -> Caller<'a> {
        Caller {
            governed,
            client_id: trail.details.client_id.as_deref(),
            attestation: self.attestation(),
            possession: &self.possession,
        }
    }

    /// The attestation beside the credential.
    fn attestation(&self) -> BesideAttestation<'_> {
        let attested = self.beside.as_ref().map(|beside| &*beside.identity);
        attested.map_or(BesideAttestation::Absent, BesideAttestation::Proven)
    }

    /// Keeps the verdicts about the credentials. It is called only after the request was granted: otherwise an attacker
    /// could displace the verdicts of other clients with refused requests.
    pub(in crate::http) fn remember(&self, app: &App, policy: &Policy) {
        for known in self.beside.iter().chain([&self.proven]) {
            known.remember(app, policy);
        }
    }
}

/// Refuses the client whose credential, or that of its sponsor, is not accepted any more, and freezes it if the credential is
/// revoked.
pub(in crate::http) async fn must_be_good(
    app: &App,
    in_force: &InForce,
    governed: &GovernedIdentity<'_>,
    known: KnownCredential<'_>,
) -> Result<(), Stop> {
    let Err(refused) = credential_status::judge(app, in_force, known).await else {
        return Ok(());
    };
    freeze_if_revoked(app, &in_force.policy, governed, known.credential, &refused).await?;
    Err(known.refused(refused).into())
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

    /// What is kept of the verifiable credential with which the client, or its sponsor, registered, if one did.
    fn known_credential(&self) -> Option<KnownCredential<'_>> {
        self.facts.as_ref()?.known_credential()
    }

    /// Keeps the verdict.
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

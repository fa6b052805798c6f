//! gather: reads or fetches the facts that are needed to verify a credential. The code that verifies it does no IO.

use crate::fault::Fault;
use crate::state::app::App;
use crate::state::client_look_ups::Turn;
use crate::state::clients::CachedClient;
use crate::state::in_force::InForce;
use crate::trust::Found;
use std::sync::Arc;
use testudo_core::Authority;
use testudo_core::doors::{ClientKeys, Cluster, Facts, Lookup};
use testudo_core::occasions::authorize::SignedRequest;
use testudo_core::policy::Policy;
use testudo_core::records::{Client, ClientState, Record, client_key};
use testudo_protocol::client_certificate::ExpectedName;
use testudo_store::StoreFault;

/// The facts for a lookup.
pub(crate) async fn gather(app: &App, in_force: &InForce, lookup: Lookup<'_>) -> Result<Facts, Fault> {
    match lookup {
        Lookup::Authority {
            unverified_authority,
            unverified_kid,
        } => Ok(authority_keys(app, in_force, unverified_authority, unverified_kid).await),
        Lookup::Attester {
            unverified_issuer,
            unverified_kid,
        } => Ok(attester_keys(app, in_force, unverified_issuer, unverified_kid).await),
        Lookup::Issuer {
            unverified_issuer,
            unverified_kid,
        } => Ok(issuer_keys(app, in_force, unverified_issuer, unverified_kid).await),
        Lookup::CertificateIssuer { unverified_names } => {
            Ok(certificate_issuer(app, in_force, unverified_names).await)
        }
        Lookup::Clusters {
            unverified_issuer,
            unverified_kid,
        } => Ok(clusters(app, in_force, unverified_issuer, unverified_kid).await),
        Lookup::Certificates { unverified_client_id } => {
            registered_certificates(app, &in_force.policy, unverified_client_id).await
        }
        Lookup::Public { unverified_client_id } => {
            public_client(app, &in_force.policy, unverified_client_id).await
        }
        Lookup::Client {
            unverified_client_id,
            unverified_kid,
            assertion,
        } => {
            let policy = &in_force.policy;
            let is_worth = || assertion.is_worth_a_fetch(policy, app.now());
            registered_keys(app, policy, unverified_client_id, unverified_kid, is_worth).await
        }
    }
}

/// The keys of a configured authority. An unknown `kid` causes at most one early fetch per 30 s; an authority that is
/// not configured causes none.
async fn authority_keys(app: &App, in_force: &InForce, authority: &Authority, kid: Option<&str>) -> Facts {
    let Some(anchor) = in_force.anchor(authority) else {
        return Facts::Nothing;
    };
    let current = in_force.authority_keys(authority, app.moment());
    let has_key = match (&current, kid) {
        (Some(keys), Some(kid)) => keys.have_kid(kid),
        (Some(_), None) => true,
        (None, _) => false,
    };
    // Identities of a disabled authority are refused in any case, so nothing is fetched for them.
    let is_enabled = app.switches.load().is_enabled(authority);
    let current = if has_key || !is_enabled {
        current
    } else {
        anchor.refresh_early(app.moment()).await;
        in_force.authority_keys(authority, app.moment())
    };
    match current {
        Some(keys) => Facts::Keys(keys),
        None if is_enabled => Facts::NoKeys,
        None => Facts::Disabled,
    }
}

/// The attester of an attestation, and its keys. An attester that is found by a key id has this key in memory.
async fn attester_keys(app: &App, in_force: &InForce, issuer: Option<&str>, kid: Option<&str>) -> Facts {
    let has_kid = |authority: &Authority| {
        let keys = in_force.authority_keys(authority, app.moment());
        kid.is_some_and(|kid| keys.is_some_and(|keys| keys.have_kid(kid)))
    };
    match in_force.policy.attester(issuer, has_kid) {
        Some(authority) => {
            let keys = authority_keys(app, in_force, authority, kid).await;
            Facts::Issuer(authority.clone(), Box::new(keys))
        }
        None => Facts::Nothing,
    }
}

/// The entry that issues tokens with this `iss`, and its keys. The configuration refuses a second one with the same `iss`.
async fn issuer_keys(app: &App, in_force: &InForce, issuer: &str, kid: Option<&str>) -> Facts {
    let [entry] = in_force.policy.issuers.entries(issuer) else {
        return Facts::Nothing;
    };
    let keys = authority_keys(app, in_force, entry, kid).await;
    Facts::Issuer(entry.clone(), Box::new(keys))
}

/// The only entry whose issuer has a certificate with one of these names, and its certificate authorities.
async fn certificate_issuer(app: &App, in_force: &InForce, names: &[ExpectedName]) -> Facts {
    match in_force.certificate_issuers.named(names) {
        Found::None => Facts::Nothing,
        Found::One(entry) => {
            let keys = authority_keys(app, in_force, entry, None).await;
            Facts::Issuer(entry.clone(), Box::new(keys))
        }
        Found::Several(entries) => Facts::SeveralIssuers(entries.map(Authority::clone)),
    }
}

/// The clusters with this issuer that have the key. If none has it, some of them are fetched early, as for every unknown
/// `kid`.
async fn clusters(app: &App, in_force: &InForce, issuer: &str, kid: &str) -> Facts {
    let Some(group) = in_force.clusters.get(issuer) else {
        return Facts::Nothing;
    };
    let is_enabled = |authority: &Authority| app.switches.load().is_enabled(authority);
    let mut found = group.having(kid);
    if found.is_empty() {
        group.refresh_early(app.moment(), is_enabled).await;
        found = group.having(kid);
    }
    let now = app.moment();
    let known = found.iter().filter_map(|anchor| {
        Some(Cluster {
            authority: anchor.source().authority.clone(),
            keys: anchor.of_any_age()?,
            is_current: anchor.current(now).is_some(),
        })
    });
    let mut clusters: Vec<Cluster> = known.collect();
    // The number of keys that are tried is bounded: first those that may be used.
    clusters.sort_by_key(|cluster| !cluster.is_current);
    if clusters.iter().any(|cluster| cluster.is_current) {
        return Facts::Clusters(clusters);
    }
    // The token may be one of a cluster whose keys are not known at present.
    let mut without_keys = group.anchors().filter(|anchor| anchor.current(now).is_none());
    match without_keys.find(|anchor| is_enabled(&anchor.source().authority)) {
        Some(anchor) => Facts::NoKeysOf(anchor.source().authority.clone()),
        None => Facts::Clusters(Vec::new()),
    }
}

/// The keys of the client that must have signed this request. Those of configured clients are in the policy.
pub(crate) async fn keys_of_signed(
    app: &App,
    in_force: &InForce,
    signed: &SignedRequest,
) -> Result<Facts, Fault> {
    let policy = &in_force.policy;
    let is_worth = || signed.is_worth_a_fetch(policy, app.now());
    registered_keys(app, policy, signed.client_id(), signed.unverified_kid(), is_worth).await
}

/// The keys of a registered client. The client id of one without evidence contains a MAC of this server, so an invented
/// id is recognised without reading the store. That of a client with a verifiable credential is its identity: the store is
/// read for it only if the claims of the assertion are valid.
async fn registered_keys(
    app: &App,
    policy: &Policy,
    client_id: &str,
    kid: Option<&str>,
    is_worth: impl Fn() -> bool,
) -> Result<Facts, Fault> {
    let found = match registration_key(app, policy, client_id) {
        Some(key) => registered(app, key).await?,
        None => match policy.issuer_of_client(client_id).filter(|_| is_worth()) {
            Some(issuer) => registered(app, client_key(issuer.key(), client_id)).await?,
            None => None,
        },
    };
    let Some(known) = found else {
        return Ok(Facts::Nothing);
    };
    let client = &known.stored.record;
    let place = match known.key_set_url() {
        None => return Ok(known.keys().map_or(Facts::Nothing, Facts::Client)),
        Some(Err(why)) => return Ok(Facts::KeysElsewhere { why: why.clone() }),
        Some(Ok(place)) => place,
    };
    // A frozen or expired client is refused in any case, so nothing is fetched for it.
    if client.state == ClientState::Frozen || client.is_expired(app.now()) {
        return Ok(Facts::Nothing);
    }
    let found = app.memory.remote_keys.get(&app.clock, place, kid, is_worth);
    Ok(match found.await {
        Ok(keys) => {
            ClientKeys::found(client, keys).map_or(Facts::Nothing, |keys| Facts::Client(Arc::new(keys)))
        }
        Err(why) => Facts::KeysElsewhere { why },
    })
}

/// The keys of the client with this record, which registered with a verifiable credential.
pub(crate) async fn keys_of_client(app: &App, key: Vec<u8>) -> Result<Option<Arc<ClientKeys>>, Fault> {
    let known = registered(app, key).await?;
    Ok(known.and_then(|known| known.keys()))
}

/// The certificates of a registered client, also of one with a verifiable credential. [RFC8705 §2.2] They are in its
/// record; a client that registered as a public one has none there. [RFC8705 §4]
async fn registered_certificates(app: &App, policy: &Policy, client_id: &str) -> Result<Facts, Fault> {
    let of_credential = || {
        let issuer = policy.issuer_of_client(client_id)?;
        Some(client_key(issuer.key(), client_id))
    };
    let known = match registration_key(app, policy, client_id).or_else(of_credential) {
        Some(key) => registered(app, key).await?,
        None => None,
    };
    let Some(known) = known else {
        return Ok(Facts::Nothing);
    };
    let of_keys = || known.keys().map(Facts::Client);
    Ok(known
        .public()
        .map(Facts::Public)
        .or_else(of_keys)
        .unwrap_or(Facts::Nothing))
}

/// The sponsor of a registered client, if the client registered as a public one.
async fn public_client(app: &App, policy: &Policy, client_id: &str) -> Result<Facts, Fault> {
    let Some(key) = registration_key(app, policy, client_id) else {
        return Ok(Facts::Nothing);
    };
    let known = registered(app, key).await?;
    let public = known.and_then(|known| known.public()).map(Facts::Public);
    Ok(public.unwrap_or(Facts::Nothing))
}

/// The key of the record of a client that registered without evidence, if this server assigned the id.
fn registration_key(app: &App, policy: &Policy, client_id: &str) -> Option<Vec<u8>> {
    let is_configured = policy.clients.contains_key(client_id);
    let is_ours = || app.keys.load().opaque_key.has_named(client_id);
    (!is_configured && is_ours()).then(|| client_key(Authority::registration().key(), client_id))
}

/// The record of a registered client, from memory or from the store. Nothing of the request is verified yet, so the reads
/// are limited: an attacker can name any number of clients.
async fn registered(app: &App, key: Vec<u8>) -> Result<Option<Arc<CachedClient>>, Fault> {
    if let Some(remembered) = remembered(app, &key) {
        return Ok(remembered);
    }
    let turn = look_up_turn(app).await?;
    // Another request may have read the record meanwhile.
    let found = match remembered(app, &key) {
        Some(remembered) => remembered,
        None => load(app, key).await.map_err(Fault::Store)?,
    };
    drop(turn);
    Ok(found)
}

/// Waits until this request may read the record of the client that it names, although it is not verified yet.
pub(crate) async fn look_up_turn(app: &App) -> Result<Turn<'_>, Fault> {
    let turn = app.client_look_ups.turn().await;
    turn.ok_or_else(|| {
        app.metrics.client_look_ups_shed.inc();
        Fault::LookUpsWaiting
    })
}

/// A record that a request names, although nothing of it is verified yet: an attacker can name any number of records.
pub(crate) async fn read_limited<R: Record>(app: &App, key: &[u8]) -> Result<Option<R>, Fault> {
    let turn = look_up_turn(app).await?;
    let found = app.store.read::<R>(key).await;
    drop(turn);
    Ok(found.map_err(Fault::Store)?.map(|found| found.record))
}

/// What is in memory of a client: its record, or that it does not exist.
fn remembered(app: &App, key: &[u8]) -> Option<Option<Arc<CachedClient>>> {
    let clients = &app.memory.clients;
    match clients.get(key) {
        Some(known) => Some(Some(known)),
        None => clients.is_absent(key, app.moment()).then_some(None),
    }
}

async fn load(app: &App, key: Vec<u8>) -> Result<Option<Arc<CachedClient>>, StoreFault> {
    let clients = &app.memory.clients;
    let ticket = clients.ticket();
    let Some(stored) = app.store.read::<Client>(&key).await? else {
        clients.note_absent(&key, ticket, app.moment());
        return Ok(None);
    };
    Ok(Some(clients.file(key, stored, ticket)))
}

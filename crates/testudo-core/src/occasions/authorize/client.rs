//! The client that a browser names. Nothing is proven about the browser, so the client is found by what its name says
//! ([`AskingClient::find`]) or by its pushed request, and only redirect URIs that are certainly its own are used.
//!
//! | client | direct requests | its rule |
//! |---|---|---|
//! | of `[[clients]]` | if the entry allows it | its own |
//! | registered without evidence, `c_…` | if the rule of its sponsor or of `registration.open` allows it | that rule |
//! | an identity that a rule governs by its name alone, known or not | if the rule allows it; to redirect URIs that the rule derives | that rule |
//! | any other | none: it pushes its requests | – |
//!
//! An identity that is not registered is *provisional*: it registers when it redeems the code with its credential. Until
//! then nothing is written for it, and it is treated as a registered one is, so that a visitor does not learn which
//! clients exist.

use super::asked::Asked;
use crate::admission::governed::{CurrentRules, is_named_on};
use crate::admission::governing::governing_match;
use crate::identity::{Authority, CredentialKind, OccasionKind};
use crate::policy::Policy;
use crate::records::{Client, GrantedClient, Loaded, PushedRequest, client_key};
use crate::rejection::{AdmissionReason, AuthorizationReason, Rejection};
use crate::rules::client_id::ClientIdTemplate;
use crate::rules::{GrainOfClient, INSTANCE, Match, Rule};

/// The client that a browser names.
#[derive(Debug, Clone)]
pub struct AskingClient<'p> {
    pub(super) client_id: String,
    pub(super) authority: Authority,
    pub(super) subject: String,
    /// The key of its record.
    pub(super) key: Vec<u8>,
    pub(super) found: FoundBy<'p>,
}

/// How the client was found, which decides which of its redirect URIs can be used.
#[derive(Debug, Clone)]
pub(super) enum FoundBy<'p> {
    /// A `[[clients]]` entry.
    Entry(&'p Rule),
    /// A client that registered without evidence. Its rule follows from its record.
    Id,
    /// The name of an identity, which a rule governs.
    Name(Match<'p>),
    /// Its pushed request, with this generation of the client. Its rule follows from its record.
    Push(Option<u32>),
}

impl<'p> AskingClient<'p> {
    /// Finds the client, and checks what needs no record of it: its authority is enabled, and it is not blocked. `loaded`
    /// has the records of [`Asked::needs`]. The error is shown on a page.
    pub fn find(
        asked: &Asked,
        loaded: &Loaded<'_>,
        rules: CurrentRules<'p, '_>,
    ) -> Result<AskingClient<'p>, Rejection> {
        let client = match asked {
            Asked::Pushed(named) => {
                let pushed = loaded.find::<PushedRequest>(named.digest.key());
                let pushed = pushed.ok_or(AuthorizationReason::PushedRequestUnknown)?;
                of_push(&pushed.record.client, &named.client_id)?
            }
            Asked::Direct(_) | Asked::Wrong(_) => of_name(asked.client_id(), rules)?,
        };
        // A client that instances share, or that is one of them, is blocked by its identity.
        let subject = client.subject.split(['{', '*']).next().unwrap_or_default();
        is_named_on(&client.authority, subject, rules.switches)?;
        Ok(client)
    }

    /// The rule that governs the client today.
    pub(super) fn governed(
        &self,
        record: Option<&Client>,
        policy: &'p Policy,
    ) -> Result<Match<'p>, Rejection> {
        let found = match &self.found {
            FoundBy::Entry(rule) => Match::plain(rule),
            FoundBy::Name(found) => found.clone(),
            FoundBy::Id | FoundBy::Push(_) => {
                let record = record.ok_or(AuthorizationReason::AskingClientUnknown)?;
                governing_match(record, policy).ok_or(AdmissionReason::NoRule)?
            }
        };
        match found.rule.enabled {
            true => Ok(found),
            false => Err(AdmissionReason::RuleDisabled {
                rule: found.rule.name.clone(),
            }
            .into()),
        }
    }

    /// The client, for the records of a person. `record` is that of the client, if it has one.
    pub(super) fn granted(&self, record: Option<&Client>) -> GrantedClient {
        GrantedClient {
            authority: self.authority.key().to_owned(),
            subject: self.subject.clone(),
            client_id: record.map_or(&self.client_id, |record| &record.client_id).clone(),
            generation: record.map(|record| record.generation),
        }
    }
}

/// [RFC9126 §2.2] The request can be used by the client that pushed it only.
fn of_push<'p>(client: &GrantedClient, client_id: &str) -> Result<AskingClient<'p>, Rejection> {
    if client.client_id != client_id {
        return Err(AuthorizationReason::PushedRequestOfOther.into());
    }
    let authority = Authority::of_key(&client.authority).ok_or(AuthorizationReason::PushedRequestUnknown)?;
    Ok(AskingClient {
        client_id: client_id.to_owned(),
        authority,
        subject: client.subject.clone(),
        key: client.key(),
        found: FoundBy::Push(client.generation),
    })
}

fn of_name<'p>(client_id: &str, rules: CurrentRules<'p, '_>) -> Result<AskingClient<'p>, Rejection> {
    let policy = rules.policy;
    let named = |authority: Authority, found: FoundBy<'p>| AskingClient {
        client_id: client_id.to_owned(),
        subject: client_id.to_owned(),
        key: client_key(authority.key(), client_id),
        authority,
        found,
    };
    if let Some(entry) = policy.clients.get(client_id) {
        return Ok(named(Authority::configuration(), FoundBy::Entry(&entry.rule)));
    }
    // An id that this server did not make is refused without a read of the store.
    if rules.opaque_key.has_named(client_id) {
        return Ok(named(Authority::registration(), FoundBy::Id));
    }
    let found = Authority::at_the_beginning(client_id)
        .filter(|authority| authority.kind().attests())
        .and_then(|authority| Some((by_name(&authority, client_id, policy)?, authority)));
    match found {
        Some((found, authority)) => Ok(named(authority, FoundBy::Name(found))),
        None => Err(AuthorizationReason::AskingClientUnknown.into()),
    }
}

/// The rule that governs an identity whatever its credential is. Nothing is known of the credential, so there is none
/// where the first rule that matches requires claims, or makes another client of the identity than the name says.
fn by_name<'p>(authority: &Authority, name: &str, policy: &'p Policy) -> Option<Match<'p>> {
    // An attester names a client by a part of the identity.
    let credentials = &policy.authority(authority)?.credentials;
    let names_clients = credentials.contains(&CredentialKind::Attestation);
    let found = policy.rules.first_match(authority, name, |_| true)?;
    let rule = found.rule;
    let is_of_instances =
        rule.client == GrainOfClient::Instance || found.captures.segment(INSTANCE).is_some();
    let takes_browsers = |occasions: &Vec<OccasionKind>| occasions.contains(&OccasionKind::Authorization);
    let is_plain = !names_clients
        && !is_of_instances
        && rule.claims.is_empty()
        && rule.client_id == ClientIdTemplate::Identity
        && rule.occasions.as_ref().is_none_or(takes_browsers);
    is_plain.then_some(found)
}

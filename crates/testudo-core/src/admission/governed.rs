//! Steps 1 to 4 of admission. They need no record, so nothing is loaded for an identity that they refuse.
//!
//! | # | step | refusal |
//! |---|---|---|
//! | 1 | [`authority_is_enabled`] | `AuthorityDisabled` |
//! | 2 | [`identity_is_not_blocked`] | `IdentityBlocked` |
//! | 3 | a rule governs ([`governing_rule`]) | `NoRule`, `ClaimDiffers`, `ClaimsUnknown`, `RuleDisabled` |
//! | 4 | [`credential_is_accepted`], [`client_id_is_free`], [`client_id_is_no_other_clients`] | `CredentialNotAccepted`, `ClientIdReserved`, `ClientIdClash` |
//!
//! Every kind of request begins with these steps; then the server loads the client, and the request continues with step
//! 5 (the whole table is in `occasions/mod.rs`).

use super::client_name::{ClientName, OpaqueKey, name_client};
use crate::identity::{AttestedIdentity, Authority, AuthorityKind, OccasionKind};
use crate::policy::{Policy, Switches};
use crate::records::client_key;
use crate::rejection::{AdmissionReason, NotAcceptedBy, Rejection};
use crate::rules::client_id::ClientIdTemplate;
use crate::rules::{INSTANCE, Match, Shown};
use crate::trace::Trace;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;

/// An identity with the rule that governs it and the name of its client.
#[derive(Debug, Clone)]
pub struct GovernedIdentity<'a> {
    /// The identity.
    pub identity: &'a AttestedIdentity,
    /// Its rule.
    pub found: Match<'a>,
    /// The name of its client, which may not exist yet.
    pub name: ClientName,
    /// Key of the client's record and of its history.
    pub client_key: Vec<u8>,
}

impl GovernedIdentity<'_> {
    /// The running copy of the workload that made the request, whether or not it is a client of its own.
    pub fn instance(&self) -> Option<&str> {
        let folded = self.name.folded_instance.as_deref();
        folded.or_else(|| self.found.captures.segment(INSTANCE))
    }
}

/// The configuration and the switches that apply to identities at this moment.
#[derive(Clone, Copy)]
pub struct CurrentRules<'p, 'a> {
    /// The configuration.
    pub policy: &'p Policy,
    /// Authorities that administrators disabled, and identities that they blocked.
    pub switches: &'a Switches,
    /// The key of opaque client ids.
    pub opaque_key: &'a OpaqueKey,
}

/// Runs steps 1 to 4.
pub fn govern<'a>(
    identity: &'a AttestedIdentity,
    occasion: OccasionKind,
    rules: CurrentRules<'a, '_>,
    trace: &mut Trace,
) -> Result<GovernedIdentity<'a>, Rejection> {
    let CurrentRules {
        policy,
        switches,
        opaque_key,
    } = rules;
    authority_is_enabled(&identity.authority, switches)?;
    if let Some(sponsor) = &identity.sponsor {
        authority_is_enabled(&sponsor.authority, switches)?;
    }
    trace.passed("authority enabled", || identity.authority.to_string());
    identity_is_not_blocked(identity, switches)?;
    trace.passed("identity not blocked", || identity.subject.to_string());
    let found = governing_rule(identity, occasion, policy)?;
    trace.passed("a rule governs", || {
        let captures: Vec<String> = found
            .captures
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("rule `{}` {}", found.rule.name, captures.join(" "))
            .trim_end()
            .to_owned()
    });
    credential_is_accepted(identity, policy)?;
    trace.passed("credential accepted", || identity.kind.to_string());
    let name = name_client(identity, &found, opaque_key);
    client_id_is_free(identity, &found, &name, policy)?;
    client_id_is_no_other_clients(identity, &name, policy)?;
    Ok(GovernedIdentity {
        client_key: client_key(identity.authority.key(), &name.subject),
        identity,
        found,
        name,
    })
}

/// Steps 1 and 2, for an attestation beside the client's own authentication.
pub fn is_switched_on(identity: &AttestedIdentity, switches: &Switches) -> Result<(), Rejection> {
    authority_is_enabled(&identity.authority, switches)?;
    identity_is_not_blocked(identity, switches)
}

/// Steps 1 and 2, for the name of an identity that nothing proves.
pub(crate) fn is_named_on(authority: &Authority, name: &str, switches: &Switches) -> Result<(), Rejection> {
    authority_is_enabled(authority, switches)?;
    match switches.blocks.matching(authority, name) {
        None => Ok(()),
        Some(by) => Err(AdmissionReason::IdentityBlocked { by: by.to_owned() }.into()),
    }
}

/// Step 1.
fn authority_is_enabled(authority: &Authority, switches: &Switches) -> Result<(), Rejection> {
    if switches.is_enabled(authority) {
        return Ok(());
    }
    Err(Rejection::Admission(AdmissionReason::AuthorityDisabled {
        authority: authority.clone(),
    }))
}

/// Step 2.
fn identity_is_not_blocked(identity: &AttestedIdentity, switches: &Switches) -> Result<(), Rejection> {
    match switches.blocks.blocking(identity) {
        None => Ok(()),
        Some(by) => Err(AdmissionReason::IdentityBlocked { by: by.to_owned() }.into()),
    }
}

/// Step 3. A configured client has its own rule. A client that registered without evidence has the rule of its sponsor
/// or of `registration.open`. For all others the rule is found by pattern.
fn governing_rule<'a>(
    identity: &AttestedIdentity,
    occasion: OccasionKind,
    policy: &'a Policy,
) -> Result<Match<'a>, Rejection> {
    let (authority, subject, kind) = identity.governed_as();
    match authority.kind() {
        AuthorityKind::Spiffe | AuthorityKind::Issuer => {
            let claims = identity.governing_claims();
            let shown = Shown {
                authority,
                subject,
                kind,
                claims,
            };
            policy.rules.governing(shown, occasion)
        }
        AuthorityKind::Configuration => {
            let client = policy.clients.get(subject).ok_or(AdmissionReason::NoRule)?;
            Ok(Match::plain(&client.rule))
        }
        AuthorityKind::Registration => {
            let open = policy.registration.open.as_ref().ok_or(AdmissionReason::NoRule)?;
            Ok(Match::plain(&open.rule))
        }
    }
}

/// Step 4, for the authority. A rule that requires another kind of credential does not match in step 3.
fn credential_is_accepted(identity: &AttestedIdentity, policy: &Policy) -> Result<(), Rejection> {
    let is_accepted = match identity.authority.kind() {
        AuthorityKind::Spiffe | AuthorityKind::Issuer => policy
            .authority(&identity.authority)
            .is_some_and(|trusted| trusted.accepts(identity.kind)),
        AuthorityKind::Configuration => {
            let client = policy.clients.get(&*identity.subject);
            client.is_some_and(|client| client.method.kind() == identity.kind)
        }
        AuthorityKind::Registration => identity.kind.issued_by().is_none(),
    };
    if is_accepted {
        return Ok(());
    }
    Err(Rejection::Admission(AdmissionReason::CredentialNotAccepted {
        kind: identity.kind,
        by: NotAcceptedBy::Authority(identity.authority.clone()),
    }))
}

/// Step 4 as well: neither the template of a rule nor an attester must make an id in a form that is reserved for this
/// server, for persons or for another namespace.
fn client_id_is_free(
    identity: &AttestedIdentity,
    found: &Match<'_>,
    name: &ClientName,
    policy: &Policy,
) -> Result<(), Rejection> {
    let is_reserved = match &found.rule.client_id {
        ClientIdTemplate::Template(_) => policy.reserved_ids.hold(&name.client_id),
        ClientIdTemplate::Identity if identity.is_named_by_attester() => {
            policy.reserved_ids.hold_from_attester(name.public_id(), || {
                found
                    .rule
                    .patterns
                    .iter()
                    .any(|pattern| pattern.as_str() == &*identity.subject)
            })
        }
        ClientIdTemplate::Identity | ClientIdTemplate::Opaque => return Ok(()),
    };
    if is_reserved || name.client_id.len() > IDENTIFIER_BYTES_MAX {
        return Err(AdmissionReason::ClientIdReserved {
            rule: found.rule.name.clone(),
        }
        .into());
    }
    Ok(())
}

/// Step 4 as well: the template of a rule must not make the id of a configured client. For clients in the store, the
/// alias record prevents a second client with the same id.
fn client_id_is_no_other_clients(
    identity: &AttestedIdentity,
    name: &ClientName,
    policy: &Policy,
) -> Result<(), Rejection> {
    if identity.authority.kind().attests() && policy.clients.contains_key(name.public_id()) {
        return Err(AdmissionReason::ClientIdClash {
            client_id: name.client_id.to_string(),
        }
        .into());
    }
    Ok(())
}

//! The second occasion: registration by evidence. [RFC7591 §3]
//!
//! The same identity, the same steps and the same record as by first use; what differs is that the client says
//! what it wants to be held to. A bearer statement may only narrow: keys and redirect URIs of its own are
//! refused, and the next registration replaces what this one said. There is no secret and no registration
//! access token: a client that can prove itself changes its registration by registering again.

use super::admit::{
    Creation, Known, Placed, client_id_agrees, create, event_about, is_not_frozen, limits, single_use,
};
use super::metadata::{self, attested_list, attested_text};
use super::requested::Requested;
use super::velocity::Limit;
use crate::Entropy;
use crate::identity::{CredentialKind, Occasion};
use crate::policy::Policy;
use crate::records::{Batch, Client, ClientMetadata, EventKind, Registration};
use crate::rejection::Rejection;
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::ScopeSet;

const CODE_GRANT: &str = "authorization_code";

/// What comes of a registration.
#[derive(Debug)]
pub struct Registered {
    /// The client as it will be.
    pub client: Client,
    /// What the answer says it registered.
    pub answer: Answer,
    /// What to write; nothing where nothing changes.
    pub batch: Batch,
    /// What was taken from the velocity buckets.
    pub limits: Vec<Limit>,
    /// True where the client is new.
    pub is_new: bool,
}

/// The effective values, which the answer must show. [RFC7591 §3.2.1]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7591")]
pub struct Answer {
    pub grant_types: Vec<String>,
    pub response_types: Vec<String>,
    pub scope: ScopeSet,
    pub token_endpoint_auth_method: &'static str,
    pub must_bind_tokens: bool,
}

/// Steps 5 to 11 at this occasion. `room` takes one registration from every limit it is shown, or refuses.
pub fn register(
    placed: &Placed<'_>,
    known: Known<'_>,
    (requested, request_id): (&Requested, &str),
    policy: &Policy,
    room: impl FnOnce(&[Limit]) -> Result<(), Rejection>,
    (entropy, now): (&Entropy, Timestamp),
) -> Result<Registered, Rejection> {
    let alive = known.client.filter(|client| !client.record.is_expired(now));
    let client_id = alive.map_or(&*placed.name.client_id, |client| &client.record.client_id);
    client_id_agrees(requested.client_id.as_deref(), client_id)?;
    if let Some(client) = alive {
        is_not_frozen(&client.record)?;
    }
    // Names that the evidence speaks of without being trusted to: nobody else speaks of them either.
    let requested = requested.clone().without(&placed.identity.unlisted_claims);
    let (metadata, registration, answer) = resolve(placed, &requested, now)?;
    let Some(client) = alive else {
        let limits = limits(placed, policy);
        room(&limits)?;
        let scope = Some(answer.scope.to_string());
        let creation = Creation {
            metadata,
            registration: Some(registration),
            scope,
            resource: None,
        };
        let occasion = (Occasion::Registration, request_id);
        let (client, batch) = create(placed, known, occasion, creation, (policy, entropy, now));
        return Ok(Registered {
            client,
            answer,
            batch,
            limits,
            is_new: true,
        });
    };
    // [decision 25] Older evidence changes nothing; the answer shows what stands.
    let is_older = client
        .record
        .registration
        .as_ref()
        .is_some_and(|stands| stands.issued > registration.issued);
    if is_older {
        let answer = standing(placed, &client.record)?;
        let (client, batch) = (client.record.clone(), single_use(placed.identity));
        return Ok(Registered {
            client,
            answer,
            batch,
            limits: Vec::new(),
            is_new: false,
        });
    }
    let changed = Client {
        metadata,
        registration: Some(registration),
        last_used: now,
        last_credential: placed.identity.kind,
        ..client.record.clone()
    };
    let is_same =
        changed.metadata == client.record.metadata && narrowing(&changed) == narrowing(&client.record);
    let is_newer = changed.registration.as_ref().map(|r| r.issued)
        > client.record.registration.as_ref().map(|r| r.issued);
    let mut batch = single_use(placed.identity);
    if is_newer || !is_same {
        batch.replace(&changed, client.version);
    }
    if !is_same {
        let occasion = (Occasion::Registration, request_id);
        let mut event = event_about(placed, occasion, EventKind::ClientUpdated, entropy, now);
        event.scope = Some(answer.scope.to_string());
        event.detail = Some(format!(
            "was {:?}",
            client
                .record
                .registration
                .as_ref()
                .and_then(|old| old.scope.clone())
        ));
        batch.insert(&event);
    }
    Ok(Registered {
        client: changed,
        answer,
        batch,
        limits: Vec::new(),
        is_new: false,
    })
}

/// The registered part without its time.
fn narrowing(client: &Client) -> Option<Registration> {
    client.registration.clone().map(|registration| Registration {
        issued: Timestamp(0),
        ..registration
    })
}

/// Step 8, member by member.
fn resolve(
    placed: &Placed<'_>,
    requested: &Requested,
    now: Timestamp,
) -> Result<(ClientMetadata, Registration, Answer), Rejection> {
    let refused = |member, problem| Rejection::Metadata { member, problem };
    let (identity, rule) = (placed.identity, placed.found.rule);
    // [SPIFFE-AUTH §6] Keys of a SPIFFE client are in its trust domain's bundle and nowhere else.
    if requested.has_keys {
        return Err(refused(
            "jwks",
            "a client that its platform attests has no keys of its own",
        ));
    }
    if requested
        .spiffe_id
        .as_deref()
        .is_some_and(|id| *id != *identity.subject)
    {
        return Err(refused(
            "spiffe_id",
            "spiffe_id is not the identity that was proven",
        ));
    }
    let credential = match requested.token_endpoint_auth_method.as_deref() {
        None => None,
        Some(name) => {
            let kinds = [
                CredentialKind::JwtSvid,
                CredentialKind::X509Svid,
                CredentialKind::WitSvid,
            ];
            let kind = kinds.into_iter().find(|kind| kind.auth_method() == name);
            Some(kind.ok_or(refused(
                "token_endpoint_auth_method",
                "this client authenticates with its SVID only",
            ))?)
        }
    };
    if requested.dpop_bound_access_tokens {
        return Err(refused("dpop_bound_access_tokens", "DPoP is not supported"));
    }
    let (grant_types, narrowed_grants) = grant_types(placed, requested)?;
    let response_types = response_types(&grant_types, requested)?;
    let (scope, narrowed_scope) = scope(placed, requested)?;
    let redirect_uris = redirect_uris(placed, requested, &grant_types)?;
    let configured = metadata::resolve(identity, &placed.found)?;
    let label = |configured: Option<String>, asked: &Option<String>| configured.or_else(|| asked.clone());
    let own_label = |claim: &'static str, asked: &Option<String>| {
        attested_text(identity, claim)
            .map(|attested| attested.or_else(|| label_beside(asked, &redirect_uris)))
    };
    let metadata = ClientMetadata {
        client_name: label(configured.client_name, &requested.client_name),
        client_uri: label(
            configured.client_uri,
            &label_beside(&requested.client_uri, &redirect_uris),
        ),
        logo_uri: configured.logo_uri,
        tos_uri: own_label("tos_uri", &requested.tos_uri)?,
        policy_uri: own_label("policy_uri", &requested.policy_uri)?,
        contacts: attested_list(identity, "contacts")?
            .or(requested.contacts.clone())
            .unwrap_or_default(),
        software_id: requested.software_id.clone(),
        software_version: requested.software_version.clone(),
        redirect_uris,
        scope: configured.scope,
        grant_types: configured.grant_types,
    };
    let must_bind_tokens = requested.tls_client_certificate_bound_access_tokens;
    let registration = Registration {
        issued: identity.issued.unwrap_or(now),
        scope: narrowed_scope.map(|scope| scope.to_string()),
        grant_types: narrowed_grants,
        credential,
        must_bind_tokens,
    };
    let answer = Answer {
        grant_types,
        response_types,
        scope,
        token_endpoint_auth_method: credential.unwrap_or(identity.kind).auth_method(),
        must_bind_tokens: must_bind_tokens || rule.must_bind_tokens,
    };
    Ok((metadata, registration, answer))
}

/// What a client is registered with now, for an answer that changes nothing.
fn standing(placed: &Placed<'_>, client: &Client) -> Result<Answer, Rejection> {
    let registration = client.registration.as_ref();
    let requested = Requested {
        scope: registration
            .and_then(|stands| stands.scope.as_deref())
            .and_then(|text| ScopeSet::parse(text).ok()),
        grant_types: registration.and_then(|stands| stands.grant_types.clone()),
        token_endpoint_auth_method: registration
            .and_then(|stands| stands.credential)
            .map(|kind| kind.auth_method().to_owned()),
        tls_client_certificate_bound_access_tokens: registration
            .is_some_and(|stands| stands.must_bind_tokens),
        ..Requested::default()
    };
    resolve(placed, &requested, client.created).map(|(_, _, answer)| answer)
}

/// [RFC7591 §2] The rule's, lowered by what is attested and asked. Dead grants are refused, others cut.
fn grant_types(
    placed: &Placed<'_>,
    requested: &Requested,
) -> Result<(Vec<String>, Option<Vec<String>>), Rejection> {
    let refused = |problem| Rejection::Metadata {
        member: "grant_types",
        problem,
    };
    let attested = metadata::attested_grant_types(placed.identity)?;
    let mut effective = placed.found.rule.grant_types.clone();
    effective.retain(|grant| attested.as_ref().is_none_or(|list| list.contains(grant)));
    let Some(asked) = &requested.grant_types else {
        return Ok((effective, None));
    };
    if asked
        .iter()
        .any(|grant| grant == "implicit" || grant == "password")
    {
        return Err(refused("implicit and password are not supported"));
    }
    effective.retain(|grant| asked.contains(grant));
    if effective.is_empty() {
        return Err(refused("no grant type remains"));
    }
    Ok((effective.clone(), Some(effective)))
}

/// [RFC7591 §2.1] Consistent with the grants, or refused; derived where absent.
fn response_types(grant_types: &[String], requested: &Requested) -> Result<Vec<String>, Rejection> {
    let derived: Vec<String> = if grant_types.iter().any(|grant| grant == CODE_GRANT) {
        vec!["code".to_owned()]
    } else {
        Vec::new()
    };
    match &requested.response_types {
        Some(asked) if *asked != derived => Err(Rejection::Metadata {
            member: "response_types",
            problem: "response_types and grant_types do not fit together",
        }),
        Some(_) | None => Ok(derived),
    }
}

/// The rule's ceiling, lowered by what is attested and asked; cut, unless nothing would be left.
fn scope(placed: &Placed<'_>, requested: &Requested) -> Result<(ScopeSet, Option<ScopeSet>), Rejection> {
    let ceiling = &placed.found.rule.scopes;
    let lowered = match metadata::attested_scope(placed.identity)? {
        Some(attested) => ceiling.intersection(&attested),
        None => ceiling.clone(),
    };
    let Some(asked) = &requested.scope else {
        return Ok((lowered, None));
    };
    let narrowed = lowered.intersection(asked);
    if narrowed.is_empty() {
        return Err(Rejection::Metadata {
            member: "scope",
            problem: "no scope value remains",
        });
    }
    Ok((narrowed.clone(), Some(narrowed)))
}

/// Those of the rule or of the attester; a request may name fewer of them, and never another. Bearer evidence
/// must not bring a redirect URI of its own.
fn redirect_uris(
    placed: &Placed<'_>,
    requested: &Requested,
    grant_types: &[String],
) -> Result<Vec<String>, Rejection> {
    let may_redirect = grant_types.iter().any(|grant| grant == CODE_GRANT);
    let allowed = metadata::redirect_uris(placed.identity, &placed.found)?;
    // What the rule derives is what an attester may state; without a rule's, `allowed` is the attested list itself.
    if let Some(attested) = attested_list(placed.identity, "redirect_uris")?
        && attested.iter().any(|uri| !allowed.contains(uri))
    {
        return Err(Rejection::RedirectUri {
            problem: "an attested redirect URI is outside what the rule derives",
        });
    }
    let Some(asked) = &requested.redirect_uris else {
        return Ok(allowed);
    };
    if asked.iter().any(|uri| !allowed.contains(uri)) {
        return Err(Rejection::RedirectUri {
            problem: "a redirect URI is not one of this client's",
        });
    }
    if !may_redirect {
        return Err(Rejection::Metadata {
            member: "redirect_uris",
            problem: "no grant type of this client redirects",
        });
    }
    Ok(asked.clone())
}

/// [RFC7591 §5] A label on another host than the redirect URIs borrows somebody's name: it is dropped.
fn label_beside(label: &Option<String>, redirect_uris: &[String]) -> Option<String> {
    let host = |text: &str| {
        url::Url::parse(text)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
    };
    let wanted = host(label.as_deref()?)?;
    let is_beside = redirect_uris
        .iter()
        .any(|uri| host(uri).as_ref() == Some(&wanted));
    is_beside.then(|| label.clone()).flatten()
}

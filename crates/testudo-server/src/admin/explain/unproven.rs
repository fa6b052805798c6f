//! How a request that proved no identity would be answered now, as far as its event is enough to tell. The credential
//! itself is not kept.

use super::Verdict;
use crate::state::app::App;
use crate::state::in_force::InForce;
use testudo_core::Authority;
use testudo_core::grants::is_offered;
use testudo_core::records::Event;

/// What is known of the answer now.
pub(super) enum Today {
    /// The cause of the refusal remains, so the request would be refused for the same reason.
    Same,
    /// The cause has changed, as the text states. Another check may refuse the credential.
    Changed(String),
    /// The event does not contain enough.
    Unknown,
}

impl Today {
    pub(super) fn of(app: &App, event: &Event) -> Today {
        let in_force = app.in_force.load();
        match event.reason.as_deref() {
            Some("unknown_trust_domain") => of_authority(event, |authority, named| {
                match in_force.policy.authority(authority) {
                    Some(_) => Today::Changed(format!("the {named} is configured now")),
                    None => Today::Same,
                }
            }),
            Some("bundle_unavailable") => of_authority(event, |authority, named| {
                if in_force.policy.authority(authority).is_none() {
                    return Today::Changed(format!("the {named} is not configured any more"));
                }
                match in_force.authority_keys(authority, app.moment()) {
                    Some(_) => {
                        let document = authority.kind().document();
                        Today::Changed(format!("there is a usable {document} of the {named} now"))
                    }
                    None => Today::Same,
                }
            }),
            // Time does not go back: only another credential can be accepted.
            Some("assertion_expired") => Today::Same,
            Some("unsupported_grant_type") => of_grant(&in_force, event),
            // Such a name or secret is random, so it is never made for another request.
            Some("pushed_request_unknown" | "pushed_request_of_other_client") => Today::Same,
            // The request itself is malformed: neither the configuration nor the credential changes that.
            Some(reason) if MALFORMED.contains(&reason) => Today::Same,
            Some("audience_mismatch") => of_audience(&in_force, event),
            Some(_) | None => Today::Unknown,
        }
    }

    /// The verdict, and the note about it. `then` is the recorded verdict.
    pub(super) fn verdict(self, then: &Verdict) -> (Option<Verdict>, Vec<String>) {
        match self {
            Today::Same => (Some(then.clone()), Vec::new()),
            Today::Changed(what) => {
                let rest =
                    "whether the credential is accepted now is shown by `testudo explain --credential FILE`";
                (None, vec![format!("{what}; {rest}")])
            }
            Today::Unknown => (None, Vec::new()),
        }
    }
}

/// Reasons that depend only on the form or the JSON of the request.
const MALFORMED: &[&str] = &[
    "credentials_in_url",
    "not_a_form",
    "malformed_form",
    "not_json",
    "malformed_json",
    "missing_grant_type",
    "malformed_client_id",
    "malformed_scope",
    "malformed_resource",
    "several_resources",
    "authorization_request_malformed",
    "code_missing",
    "code_verifier_malformed",
    "refresh_token_missing",
];

fn of_grant(in_force: &InForce, event: &Event) -> Today {
    let people_sign_in = in_force.policy.login.is_some();
    let request = event.request.as_deref();
    match request.and_then(|request| request.grant_type.as_deref()) {
        // An event of an earlier version does not contain the grant.
        None => Today::Unknown,
        Some(grant_type) if is_offered(grant_type, people_sign_in) => {
            Today::Changed(format!("the grant `{grant_type}` is supported now"))
        }
        Some(_) => Today::Same,
    }
}

fn of_authority(event: &Event, decide: impl FnOnce(&Authority, String) -> Today) -> Today {
    // An event of an earlier version does not contain the authority.
    match event.authority.as_deref().and_then(Authority::of_key) {
        Some(authority) => decide(&authority, authority.described()),
        None => Today::Unknown,
    }
}

fn of_audience(in_force: &InForce, event: &Event) -> Today {
    let policy = &in_force.policy;
    let found = event.request.iter().flat_map(|request| &request.refused_audience);
    let is_accepted = |audience: &&String| {
        audience.as_str() == policy.issuer.as_str()
            || policy
                .authorities
                .values()
                .any(|known| known.accept_audiences.contains(audience))
    };
    match (found.clone().find(is_accepted), found.count()) {
        (_, 0) => Today::Unknown,
        (Some(audience), _) => Today::Changed(format!("the audience {audience:?} is accepted now")),
        (None, _) => Today::Same,
    }
}

//! How a request of a browser would be answered now: an authorization request as far as the sign-in, with the same
//! functions as at `/authorize`. What a person did there (signed in, consented) is not decided again; what is true now of
//! the account and of the grant that the event names is noted.

use super::unproven::Today;
use super::{Again, ErrorAnswer, Verdict, decided, then, today};
use crate::person_records::deadlines_of;
use crate::settle::{load, rehearse_on};
use crate::state::app::App;
use testudo_core::occasions::Occasion as _;
use testudo_core::occasions::authorize::{
    Asked, AuthorizeRequest, Authorized, ConsentAnswer, DirectRequest, PushedName, Visit,
};
use testudo_core::occasions::push::has_redirect_uri;
use testudo_core::people::{GrantId, PersonId, SecretDigest};
use testudo_core::records::{
    AuthorizationDetails, BoundTo, Client, Event, Grant, GrantedClient, Loaded, Person, PersonState,
    PushedBy, PushedRequest, Versioned, client_key,
};
use testudo_core::rejection::{Endpoint, Rejection};
use testudo_core::{Moment, OccasionKind, RequestRef, Trace};
use testudo_protocol::oauth::authorization::AuthorizationRequest;

/// Explains the event of a request that a browser brought.
pub(super) async fn explained(app: &App, event: &Event, then: &Verdict) -> Result<Again, ErrorAnswer> {
    let mut again = match Today::of(app, event) {
        Today::Same => Again::same(then),
        Today::Changed(_) | Today::Unknown => authorization(app, event).await?,
    };
    again.notes.extend(facts(app, event).await?);
    Ok(again)
}

/// The authorization request of the event, decided for a browser that has no session.
async fn authorization(app: &App, event: &Event) -> Result<Again, ErrorAnswer> {
    let details = event.request.as_deref();
    let named = details.and_then(|details| Some((details.client_id.as_deref()?, details)));
    let Some((client_id, details)) = named else {
        return Ok(Again::undecided(then::SIGN_IN_UNDECIDED.to_owned()));
    };
    let Some((kept, request)) = then::authorization(event, details) else {
        return Ok(Again::undecided(then::undecided(event)));
    };
    let in_force = app.in_force.load_full();
    if in_force.policy.login.is_none() {
        return Ok(Again {
            steps: Vec::new(),
            today: Some(then::no_sign_in()),
            notes: Vec::new(),
        });
    }
    let entropy = decided::entropy(app)?;
    let at = Moment {
        policy: &in_force.policy,
        entropy: &entropy,
        now: app.now(),
    };
    let is_sent = Sent {
        client_id,
        kept,
        request,
    };
    let Some(arrived) = sent(app, event, is_sent, &at).await? else {
        return Ok(Again::undecided(then::PUSHED_BY_REMOVED.to_owned()));
    };
    let may_push_again = arrived.may_push_again;
    let mut trace = Trace::on();
    let asking = Asking {
        asked: &arrived.asked,
        pushed: arrived.pushed,
        request: RequestRef {
            occasion: OccasionKind::Authorization,
            id: "explain",
            details,
        },
    };
    let outcome = visit(app, asking, &at, &mut trace).await?;
    Ok(match outcome {
        Ok(_) if !may_push_again => Again {
            steps: trace.into_steps(),
            ..Again::undecided(then::PUSHED_TO_OTHER.to_owned())
        },
        Ok(_) if then::depends_on_person(event) => {
            let steps = trace.into_steps();
            let note = "the checks of the client pass now; the request was refused because of the session or of an answer of the person, which are not decided again";
            Again {
                steps,
                ..Again::undecided(note.to_owned())
            }
        }
        outcome => {
            let is_allowed = outcome.is_ok();
            let (steps, today) = today::concluded(trace, outcome, Endpoint::Authorization);
            let notes = is_allowed.then(|| then::PERSON_UNDECIDED.to_owned());
            Again {
                steps,
                today: Some(today),
                notes: notes.into_iter().collect(),
            }
        }
    })
}

/// A request of an event.
struct Sent<'e> {
    client_id: &'e str,
    kept: &'e AuthorizationDetails,
    request: AuthorizationRequest,
}

/// The request as it arrives at the authorization endpoint.
struct Arrived {
    asked: Asked,
    pushed: Option<PushedRequest>,
    /// False if the redirect URI of a pushed request is not certainly one that its client may push today.
    may_push_again: bool,
}

/// The request as it arrives. A pushed one is used or has expired, so it is decided as if its client had pushed it again;
/// `None` if that client was removed meanwhile.
async fn sent(
    app: &App,
    event: &Event,
    sent: Sent<'_>,
    at: &Moment<'_>,
) -> Result<Option<Arrived>, ErrorAnswer> {
    let client_id = sent.client_id.to_owned();
    let Some(by) = &sent.kept.pushed_by else {
        let direct = DirectRequest {
            client_id,
            request: sent.request,
            is_signed: sent.kept.is_signed,
        };
        return Ok(Some(Arrived {
            asked: Asked::Direct(Box::new(direct)),
            pushed: None,
            may_push_again: true,
        }));
    };
    let PushedBy {
        authority,
        subject,
        redirect_uri,
    } = by.clone();
    let stored = app
        .store
        .read::<Client>(&client_key(&authority, &subject))
        .await?;
    let Some(client) = stored.filter(|client| !client.record.is_expired(at.now)) else {
        return Ok(None);
    };
    let may_push_again = has_redirect_uri(&client.record, &redirect_uri, at.policy);
    // No `request_uri` has this digest.
    let digest = SecretDigest::of(&event.id);
    let pushed = PushedRequest {
        digest,
        client: GrantedClient {
            authority,
            subject,
            client_id: client_id.clone(),
            generation: Some(client.record.generation),
        },
        request: sent.request,
        redirect_uri,
        bound_to: BoundTo::default(),
        expires: at.now + PushedRequest::KEPT,
    };
    Ok(Some(Arrived {
        asked: Asked::Pushed(PushedName { client_id, digest }),
        pushed: Some(pushed),
        may_push_again,
    }))
}

/// A request that is decided.
struct Asking<'a> {
    asked: &'a Asked,
    /// The pushed request, which the store does not have.
    pushed: Option<PushedRequest>,
    request: RequestRef<'a>,
}

impl Asking<'_> {
    fn suppose(&self, loaded: &mut Loaded<'_>) {
        if let Some(pushed) = &self.pushed {
            loaded.suppose(Versioned {
                record: pushed.clone(),
                version: 1,
            });
        }
    }
}

/// The visit of a browser that has no session: what happens next, or why the request is refused.
async fn visit(
    app: &App,
    asking: Asking<'_>,
    at: &Moment<'_>,
    trace: &mut Trace,
) -> Result<Result<String, Rejection>, ErrorAnswer> {
    let mut known = Loaded::nothing();
    asking.suppose(&mut known);
    let client = match app.asking_client(asking.asked, &known, at.policy) {
        Ok(client) => client,
        Err(rejection) => return Ok(Err(rejection)),
    };
    trace.passed("client found", || {
        format!("client `{}`", asking.asked.client_id())
    });
    let request = AuthorizeRequest::new(Visit {
        asked: asking.asked,
        client: &client,
        session: None,
        begun: None,
        answer: ConsentAnswer::None,
        request: asking.request,
    });
    let mut loaded = load(app, &request.needs(), None).await?;
    asking.suppose(&mut loaded);
    let decided = rehearse_on(app, &request, &loaded, at, trace).await?;
    Ok(decided.and_then(|authorized| match authorized {
        Authorized::SignIn(asked) => Ok(format!(
            "client `{}` may ask: the person signs in, and the response is sent to {}",
            asked.client.client_id, asked.client.redirect
        )),
        Authorized::Consent(_) => Ok("the person is asked for consent".to_owned()),
        Authorized::Respond(respond) => respond.outcome.map(|_| "the client gets a code".to_owned()),
    }))
}

/// What is true now of the account and of the grant that the event names.
async fn facts(app: &App, event: &Event) -> Result<Vec<String>, ErrorAnswer> {
    let mut facts = Vec::new();
    if let Some(person) = event.person.as_deref().and_then(PersonId::parse_sub) {
        let account = app.store.read::<Person>(person.key()).await?;
        let is_now = match account.map(|account| account.record.state) {
            Some(PersonState::Active) => "is active now",
            Some(PersonState::Locked) => {
                "is locked now: nothing that the person granted can be used until an administrator unlocks it"
            }
            Some(PersonState::Removed) => "was removed",
            None => "does not exist now",
        };
        facts.push(format!("the account {} {is_now}", person.sub()));
    }
    if let Some(grant) = event.grant.as_deref().and_then(GrantId::parse) {
        let found = app.store.read::<Grant>(grant.key()).await?;
        let found: Vec<Grant> = found.into_iter().map(|found| found.record).collect();
        let is_in_force = deadlines_of(app, &found)
            .await?
            .into_iter()
            .flatten()
            .next()
            .is_some();
        facts.push(match is_in_force {
            true => format!("the grant {grant} is in force now"),
            false => {
                format!("the grant {grant} is not in force now: it ended, or its code was not redeemed")
            }
        });
    }
    Ok(facts)
}

//! Audit events that no decision of core makes: what this server did by itself, and a sample of refused requests.

use crate::fault::Fault;
use crate::state::app::App;
use crate::state::event_lines::log_event;
use crate::state::metrics::RejectionLabel;
use crate::state::refusals::{REFUSAL_RETENTION, Refused, event_of_count, kind_of};
use crate::state::refused::{EVENTS_MAX, News};
use std::sync::Arc;
use testudo_core::admission::create::describe_identity;
use testudo_core::admission::lifecycle::HISTORY_RETENTION;
use testudo_core::records::{AuthorizationDetails, Batch, Event, EventKind, RequestDetails};
use testudo_core::rejection::{Answer, Endpoint, Rejection};
use testudo_core::{Actor, AttestedIdentity, OccasionKind, RequestRef};
use testudo_protocol::Seconds;
use testudo_protocol::oauth::authorization::AuthorizationRequest;
use testudo_protocol::oauth::{ErrorCode, Resource, ScopeSet};

/// The actor of a change and the reason, for the event.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// The administrator, the client or the server.
    pub actor: &'a Actor,
    /// What an administrator gave as the reason.
    pub reason: Option<&'a str>,
}

impl<'a> Note<'a> {
    /// An actor without a reason.
    pub fn by(actor: &'a Actor) -> Note<'a> {
        Note { actor, reason: None }
    }

    /// Writes actor and reason into an event.
    pub(crate) fn sign(&self, event: &mut Event) {
        event.actor = Some(self.actor.to_string());
        event.reason = self.reason.map(str::to_owned);
    }
}

/// Counts and logs a request that failed because of a fault of this server.
pub(crate) fn note_fault(app: &App, request_id: &str, what: &Fault) {
    match what {
        // Overload has counters of its own. A log line for each such request would fill the log.
        Fault::ChainsWaiting | Fault::LookUpsWaiting | Fault::Full => {
            tracing::debug!(event = "request.turned_away", request.id = request_id, fault = %what, "turned away");
        }
        Fault::Store(_)
        | Fault::Unsure
        | Fault::Busy
        | Fault::Contended
        | Fault::Signing(_)
        | Fault::Sealing(_)
        | Fault::Passkeys(_)
        | Fault::NoEntropy => {
            app.metrics.faults.inc();
            tracing::error!(event = "request.failed", request.id = request_id, fault = %what, "a request failed by our fault");
        }
    }
}

/// Writes one event. A failure to write it is logged.
pub async fn write_event(app: &App, kind: EventKind, fill: impl FnOnce(&mut Event)) {
    commit_events(app, &[new_event(app, kind, fill)]).await;
}

pub(crate) fn new_event(app: &App, kind: EventKind, fill: impl FnOnce(&mut Event)) -> Event {
    event_kept_for(app, kind, HISTORY_RETENTION, fill)
}

/// An event with the current time. If the operating system gives no random bytes, its id is empty and it is only logged.
fn event_kept_for(app: &App, kind: EventKind, kept: Seconds, fill: impl FnOnce(&mut Event)) -> Event {
    let now = app.now();
    let id = app.clock.entropy().map(|entropy| entropy.event_id(kind as u8));
    let mut event = Event::new(id.unwrap_or_default(), now, kind, now + kept);
    fill(&mut event);
    event
}

/// Logs events, and writes them in one batch.
async fn commit_events(app: &App, events: &[Event]) {
    let mut batch = Batch::default();
    for event in events {
        log_event(event);
        if !event.id.is_empty() {
            batch.insert(event);
        }
    }
    if let Err(error) = app.store.commit(batch).await {
        let kind = events.first().map(|event| event.event.name());
        tracing::warn!(event = "event.unwritten", kind, fault = %error, "an event could not be written");
    }
}

/// Writes an event and a log line for each record that cannot be used, and for what was done about it.
pub(crate) async fn tell(app: &App, news: Vec<News>) {
    let events = news.into_iter().take(EVENTS_MAX).map(|(kind, detail)| {
        let fill = |event: &mut Event| event.detail = Some(detail);
        new_event(app, kind, fill)
    });
    commit_events(app, &events.collect::<Vec<_>>()).await;
}

/// Writes the counts of refusals without an event of their own, at the end of each minute and when the server stops.
pub(crate) async fn tell_left_out(app: &App, is_stopping: bool) {
    let now = app.now();
    let left_out = app.refusals.take_left_out(now, is_stopping);
    let mut batch = Batch::default();
    for (like, what) in &left_out {
        let Some(entropy) = app.clock.entropy() else {
            continue;
        };
        let event = event_of_count(like, *what, &entropy, now);
        log_event(&event);
        batch.insert(&event);
    }
    if let Err(error) = app.store.commit(batch).await {
        tracing::warn!(
            event = "event.unwritten",
            fault = %error,
            "counts of refused requests could not be written; the next counts include them"
        );
        app.refusals.put_back(left_out);
    }
}

/// The most characters of `detail` of a refused request. Some reasons repeat what the caller sent, and an event must not
/// grow with it.
const DETAIL_CHARACTERS_MAX: usize = 800;

/// The first characters of a text, with `…` in place of the others.
pub(crate) fn shortened(text: &str, characters_max: usize) -> String {
    let mut start: String = text.chars().take(characters_max).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// In the sample of refusals, the authority of requests that prove no identity.
const UNPROVEN: &str = "unproven";

/// How many path segments of an identity form the prefix by which refusals are sampled.
const REFUSAL_PREFIX_SEGMENTS: usize = 2;

/// What is known of a request so far, for the events about it.
pub(crate) struct RequestTrail<'r> {
    pub(crate) occasion: OccasionKind,
    /// The id that the answer has in `Request-Id`.
    pub(crate) id: &'r str,
    pub(crate) identity: Option<Arc<AttestedIdentity>>,
    pub(crate) scope: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) has_statement: bool,
    /// Other values of the request on which the decision depends.
    pub(crate) details: RequestDetails,
}

impl<'r> RequestTrail<'r> {
    /// A request about which nothing else is known yet.
    pub(crate) fn of(occasion: OccasionKind, id: &'r str) -> RequestTrail<'r> {
        RequestTrail {
            occasion,
            id,
            identity: None,
            scope: None,
            resource: None,
            has_statement: false,
            details: RequestDetails::default(),
        }
    }

    /// Notes what the event keeps of an authorization request.
    pub(crate) fn note_authorization(
        &mut self,
        asked: &AuthorizationRequest,
        kept: Option<Box<AuthorizationDetails>>,
    ) {
        self.scope = asked.scope.as_ref().map(ScopeSet::to_string);
        self.resource = asked.resources.first().map(Resource::to_string);
        self.details.authorization = kept;
    }

    /// The request, for an event.
    pub(crate) fn request(&self) -> RequestRef<'_> {
        RequestRef {
            occasion: self.occasion,
            id: self.id,
            details: &self.details,
        }
    }
}

/// A request to the admin API that is refused for its access token.
pub(crate) struct AdminRefusal {
    /// The id that the answer has in `Request-Id`.
    pub(crate) id: String,
    /// Name of the reason.
    pub(crate) reason: &'static str,
    /// The client of the token, if the token is valid.
    pub(crate) client_id: Option<String>,
    /// Path of the operation.
    pub(crate) path: String,
    /// The error code of the answer.
    pub(crate) error: &'static str,
    /// What is wrong.
    pub(crate) detail: String,
    /// What can be done.
    pub(crate) hint: String,
}

/// Writes the event of a refused request to the admin API, for a sample as of other refusals.
pub(crate) async fn note_admin_refusal(app: &App, refusal: AdminRefusal) {
    let kind = EventKind::AdminRefused;
    let refused = Refused {
        kind,
        reason: refusal.reason,
        authority: UNPROVEN,
        prefix: "",
    };
    if !app.refusals.note(refused, app.now()) {
        return;
    }
    let event = event_kept_for(app, kind, REFUSAL_RETENTION, |event| {
        event.request_id = Some(refusal.id);
        event.client_id = refusal.client_id;
        event.reason = Some(refusal.reason.to_owned());
        event.error = Some(refusal.error.to_owned());
        event.detail = Some(shortened(
            &format!("{}: {}", refusal.path, refusal.detail),
            DETAIL_CHARACTERS_MAX,
        ));
        event.hint = Some(refusal.hint);
    });
    commit_events(app, &[event]).await;
}

/// Makes the answer to a refused request and counts the refusal. A sample of refusals has an event and a log line.
/// `would` is the event of the registration that `first_use = "observe"` prevented.
pub(crate) async fn refuse(
    app: &App,
    trail: &RequestTrail<'_>,
    rejection: &Rejection,
    at: Endpoint,
    would: Option<Box<Event>>,
) -> Answer {
    let answer = rejection.answer(at);
    note_refusal(app, trail, rejection, answer.code, would).await;
    answer
}

/// Names the client of a proven identity, and the rule that governs it now, where a rule does.
fn name_client_and_rule(app: &App, occasion: OccasionKind, event: &mut Event, identity: &AttestedIdentity) {
    let in_force = app.in_force.load();
    if let Ok(governed) = app.govern(identity, occasion, &in_force.policy) {
        event.instance = governed.instance().map(str::to_owned);
        event.client_id = Some(governed.name.client_id.to_string());
        event.rule = Some(governed.found.rule.name.to_string());
        event.rule_revision = Some(governed.found.rule.revision.to_string());
    }
}

async fn note_refusal(
    app: &App,
    trail: &RequestTrail<'_>,
    rejection: &Rejection,
    answered: ErrorCode,
    would: Option<Box<Event>>,
) {
    let reason = rejection.name();
    app.metrics
        .refused
        .get_or_create(&RejectionLabel { rejection: reason })
        .inc();
    let identity = trail.identity.as_deref();
    let authority = identity.map_or_else(
        || UNPROVEN.to_owned(),
        |identity| identity.authority.key().to_owned(),
    );
    let prefix = identity.map_or_else(String::new, |identity| {
        identity
            .authority
            .prefix(&identity.subject, REFUSAL_PREFIX_SEGMENTS)
    });
    let now = app.now();
    let kind = kind_of(rejection);
    let refused = Refused {
        kind,
        reason,
        authority: &authority,
        prefix: &prefix,
    };
    if !app.refusals.note(refused, now) {
        return;
    }
    let event = event_kept_for(app, kind, REFUSAL_RETENTION, |event| {
        match identity {
            Some(identity) => {
                describe_identity(event, identity);
                name_client_and_rule(app, trail.occasion, event, identity);
            }
            None => event.authority = rejection.authority().map(|named| named.key().to_owned()),
        }
        event.request_id = Some(trail.id.to_owned());
        event.occasion = Some(trail.occasion.name().to_owned());
        event.request = trail.details.proven(identity);
        if !rejection.audiences().is_empty() {
            let details = event.request.get_or_insert_default();
            details.note_refused_audience(rejection.audiences());
        }
        if let Some(grant_type) = rejection.unsupported_grant_type() {
            event.request.get_or_insert_default().grant_type = Some(grant_type.into());
        }
        event.error = Some(answered.name().to_owned());
        event.scope = trail.scope.clone();
        event.resource = trail.resource.clone();
        event.reason = Some(reason.to_owned());
        event.detail = Some(shortened(&rejection.to_string(), DETAIL_CHARACTERS_MAX));
        event.hint = Some(rejection.hint());
    });
    // If the event of a refusal cannot be written, the refusal is answered nevertheless.
    let events: Vec<Event> = std::iter::once(event).chain(would.map(|would| *would)).collect();
    commit_events(app, &events).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_only_if_it_is_too_long() {
        for (text, expected) in [("", ""), ("äöü", "äöü"), ("äöüß", "äöü…")] {
            assert_eq!(shortened(text, 3), expected);
        }
    }
}

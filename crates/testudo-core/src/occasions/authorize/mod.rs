//! An authorization request: a browser brings it, a person signs in and is asked, and the client gets a code.
//! [RFC6749 §4.1.1] [OAUTH-2.1 §4.1]
//!
//! The checks, in order. All of them run at each visit: of the first one, after the sign-in, and when the person answers
//! the consent page. Until it is proven that the redirect URI is the client's, the answer to a refused request is a page;
//! after that, the client gets the error by a redirect. [RFC9700 §4.11.2]
//!
//! | # | check | refusal | answer |
//! |---|---|---|---|
//! | 1 | no parameter twice, one `client_id`, the form of the request ([`Arriving::parse`]); a signed one is signed by the client ([`SignedRequest::verify`]) | `invalid_request`, `invalid_request_uri`, `invalid_request_object` | page |
//! | 2 | the pushed request exists and is of this client; the client can be found by its name ([`AskingClient::find`]) | `invalid_request_uri`, `unauthorized_client` | page |
//! | 3 | the authority is enabled, the client is not blocked | `unauthorized_client` | page |
//! | 4 | the pushed request has not expired, and its client is the same as then; the client is not frozen | `invalid_request_uri`, `unauthorized_client` | page |
//! | 5 | a rule governs, and is enabled | `unauthorized_client` | page |
//! | 6 | a client that is known by its name only need not push | `invalid_request` | page |
//! | 7 | the redirect URI is one of the client | `invalid_request` | page |
//! | 8 | every parameter is right by itself, PKCE with S256 included | `invalid_request`, `unsupported_response_type`, `invalid_scope`, `invalid_target` | redirect |
//! | 9 | the client may use codes | `unauthorized_client` | redirect |
//! | 10 | the client need not push, or did; need not sign, or did | `invalid_request` | redirect |
//! | 11 | scope and resources are allowed | `invalid_scope`, `invalid_target` | redirect |
//! | 12 | the person is signed in as `prompt`, `max_age` and `acr_values` ask | `login_required`, `unmet_authentication_requirements` | sign-in, or redirect |
//! | 13 | the person may use the client (`groups`) | `access_denied` | redirect |
//! | 14 | the person consents, did so before, or need not be asked | `consent_required`, `access_denied` | consent page, or redirect |
//!
//! Then the code, the use of the pushed request and the consent are written together.

mod asked;
mod client;
mod consent;
mod demands;
mod shown;
mod signed;
mod terms;
#[cfg(test)]
mod tests;

pub use asked::{Arriving, Asked, DirectRequest, PushedName, WrongRequest};
pub use client::AskingClient;
pub use consent::{ConsentAnswer, Shown};
pub(super) use demands::must_be_signed;
pub use shown::{ClientShown, ConsentContent, ScopeShown};
pub use signed::SignedRequest;

use super::occasion::Occasion;
use crate::admission::known::{StoredClient, is_not_frozen};
use crate::decision::{Decision, Moment, Resolution};
use crate::people::SessionName;
use crate::records::{
    Batch, BoundTo, Client, Conflict, Consent, Loaded, Needs, Person, PushedRequest, RequestRef, Session,
    Versioned,
};
use crate::rejection::{AuthorizationReason, Endpoint, Rejection};
use crate::rules::Match;
use crate::trace::Trace;
use client::FoundBy;
use consent::Asking;
use demands::SignedIn;
use terms::Terms;
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::authorization::{
    AuthorizationOutcome, AuthorizationRequest, AuthorizationResponse, Delivery, ResponseMode,
};
use testudo_protocol::oauth::{IssuerUrl, RedirectUri};

/// A visit of the authorization endpoint.
#[derive(Debug)]
pub struct AuthorizeRequest<'a> {
    visit: Visit<'a>,
    session_key: Option<[u8; 48]>,
    consent_key: Option<Vec<u8>>,
}

/// What a browser brings.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The request.
    pub asked: &'a Asked,
    /// Its client.
    pub client: &'a AskingClient<'a>,
    /// The session that the cookie of the browser names.
    pub session: Option<&'a SessionName>,
    /// When the browser came with the request first; `None` at this visit. A sign-in since then is a new one.
    pub begun: Option<Timestamp>,
    /// What the person answered on the consent page.
    pub answer: ConsentAnswer,
    /// For events.
    pub request: RequestRef<'a>,
}

/// The outcome of a visit.
#[derive(Debug)]
pub enum Authorized {
    /// The person must sign in, and the browser comes back then.
    SignIn(Box<SignInAsked>),
    /// The person must be asked, and the browser comes back with the answer.
    Consent(Box<ConsentAsked>),
    /// The client gets a response.
    Respond(Box<Respond>),
}

/// What the sign-in page needs to know.
#[derive(Debug)]
pub struct SignInAsked {
    /// Who asks.
    pub client: ClientShown,
    /// `login_hint`.
    pub login_hint: Option<String>,
}

/// What the consent page needs to know.
#[derive(Debug)]
pub struct ConsentAsked {
    /// What the page shows.
    pub content: ConsentContent,
    /// What the answer must repeat.
    pub shown: Shown,
    /// The person, as pages call it.
    pub person: String,
}

/// A response to the client. It has no `Debug` of the code.
pub struct Respond {
    /// Where it is sent.
    pub redirect_uri: RedirectUri,
    /// How.
    pub mode: ResponseMode,
    /// `state` of the request.
    pub state: Option<String>,
    /// The code, or the reason why there is none.
    pub outcome: Result<String, Rejection>,
}

impl std::fmt::Debug for Respond {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = self.outcome.as_ref().map(|_| "a code");
        let mut shown = f.debug_struct("Respond");
        shown
            .field("redirect_uri", &self.redirect_uri)
            .field("outcome", &outcome);
        shown.finish_non_exhaustive()
    }
}

impl Respond {
    /// How the browser brings it to the client.
    pub fn deliver(&self, issuer: &IssuerUrl) -> Delivery {
        let respond = |outcome| {
            let state = self.state.as_deref();
            let response = AuthorizationResponse {
                outcome,
                state,
                issuer,
            };
            response.deliver(&self.redirect_uri, self.mode)
        };
        match &self.outcome {
            Ok(code) => respond(AuthorizationOutcome::Code(code)),
            Err(rejection) => {
                let answer = rejection.answer(Endpoint::Authorization);
                respond(AuthorizationOutcome::Error {
                    code: answer.code,
                    description: &answer.sentence,
                })
            }
        }
    }
}

impl<'a> AuthorizeRequest<'a> {
    /// The visit, with the keys of the records that it needs.
    pub fn new(visit: Visit<'a>) -> AuthorizeRequest<'a> {
        AuthorizeRequest {
            session_key: visit.session.map(SessionName::key),
            consent_key: visit
                .session
                .map(|session| Consent::key_of(session.person, &visit.client.key)),
            visit,
        }
    }
}

impl Occasion for AuthorizeRequest<'_> {
    type Outcome = Authorized;

    fn needs(&self) -> Needs<'_> {
        // Not from memory: a visitor could measure that a client which this node remembers needs no read of the store.
        let mut needs = StoredClient::needed(&self.visit.client.key);
        if let Some(digest) = self.visit.asked.pushed() {
            needs = needs.and::<PushedRequest>(digest.key());
        }
        if let (Some(session), Some(session_key)) = (self.visit.session, &self.session_key) {
            needs = needs
                .and::<Session>(session_key)
                .and::<Person>(session.person.key());
        }
        match &self.consent_key {
            Some(key) => needs.and::<Consent>(key),
            None => needs,
        }
    }

    fn waits_for_others(&self) -> bool {
        // All people of an application need its client.
        false
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<Authorized>, Rejection> {
        let sent = self.sent(loaded, at)?; // 4
        let record = self.record(loaded, at)?; // 4
        let found = self.visit.client.governed(record, at.policy)?; // 5
        trace.passed("a rule governs", || format!("rule `{}`", found.rule.name));
        demands::name_need_not_push(self.visit.client, &found)?; // 6
        let redirect_uri = sent.redirect_uri(self.visit.client, record, &found)?; // 7
        trace.passed("redirect URI of the client", || redirect_uri.as_str().to_owned());
        let checking = Checking {
            visit: &self.visit,
            record,
            found: &found,
            redirect_uri: &redirect_uri,
            at,
        };
        let (outcome, batch) = match sent.request() {
            Err(rejection) => (Next::Refuse(rejection), Batch::default()), // 8
            Ok(request) => match checking.next(request, &sent, loaded, trace) {
                Ok(next) => next,
                // The consent page is not that of this request: the client gets no response.
                Err(Stopped::OnPage(rejection)) => return Err(rejection),
                Err(Stopped::ByRedirect(rejection)) => (Next::Refuse(rejection), Batch::default()),
            },
        };
        let outcome = match outcome {
            Next::SignIn(page) => Authorized::SignIn(page),
            Next::Ask(page) => Authorized::Consent(page),
            Next::Code(code) => Authorized::Respond(Box::new(sent.respond(redirect_uri, Ok(code)))),
            Next::Refuse(why) => Authorized::Respond(Box::new(sent.respond(redirect_uri, Err(why)))),
        };
        Ok(Decision {
            batch,
            ..Decision::of(outcome)
        })
    }

    /// Another visit used the request, or changed a record of the person, at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

impl AuthorizeRequest<'_> {
    /// Step 4 for the request: a pushed one must still be there.
    fn sent<'l>(&'l self, loaded: &'l Loaded<'_>, at: &Moment<'_>) -> Result<Sent<'l>, Rejection> {
        match self.visit.asked {
            Asked::Direct(direct) => Ok(Sent::Direct(direct)),
            Asked::Wrong(wrong) => Ok(Sent::Wrong(wrong)),
            Asked::Pushed(named) => loaded
                .find::<PushedRequest>(named.digest.key())
                .filter(|pushed| pushed.record.is_alive(self.visit.begun.unwrap_or(at.now), at.now))
                .map(Sent::Pushed)
                .ok_or_else(|| AuthorizationReason::PushedRequestUnknown.into()),
        }
    }

    /// Step 4 for the client. A client that was removed after it pushed the request cannot use it.
    fn record<'l>(&self, loaded: &'l Loaded<'_>, at: &Moment<'_>) -> Result<Option<&'l Client>, Rejection> {
        let stored = StoredClient {
            client: loaded.find(&self.visit.client.key),
            removed: None,
        };
        let record = stored.alive(at.now).map(|client| &client.record);
        if let FoundBy::Push(generation) = self.visit.client.found
            && record.map(|record| record.generation) != generation
        {
            return Err(AuthorizationReason::PushedRequestUnknown.into());
        }
        record.map_or(Ok(()), is_not_frozen)?;
        Ok(record)
    }
}

/// The request, in the form in which it arrived.
enum Sent<'l> {
    Direct(&'l DirectRequest),
    Pushed(&'l Versioned<PushedRequest>),
    Wrong(&'l WrongRequest),
}

impl Sent<'_> {
    /// Step 7.
    fn redirect_uri(
        &self,
        client: &AskingClient<'_>,
        record: Option<&Client>,
        found: &Match<'_>,
    ) -> Result<RedirectUri, Rejection> {
        let requested = match self {
            // The client proved its identity when it named it.
            Sent::Pushed(pushed) => return Ok(pushed.record.redirect_uri.clone()),
            Sent::Direct(direct) => direct.request.redirect_uri.as_deref(),
            Sent::Wrong(wrong) => wrong.redirect_uri.as_deref(),
        };
        demands::redirect_uri(requested, client, record, found)
    }

    /// Step 8.
    fn request(&self) -> Result<&AuthorizationRequest, Rejection> {
        match self {
            Sent::Direct(direct) => Ok(&direct.request),
            Sent::Pushed(pushed) => Ok(&pushed.record.request),
            Sent::Wrong(wrong) => Err(AuthorizationReason::ParametersWrong(wrong.error).into()),
        }
    }

    /// True if a key of the client signed it.
    fn is_signed(&self) -> bool {
        match self {
            Sent::Direct(direct) => direct.is_signed,
            Sent::Pushed(_) | Sent::Wrong(_) => false,
        }
    }

    /// What the code is bound to.
    fn bound_to(&self) -> BoundTo {
        match self {
            Sent::Pushed(pushed) => pushed.record.bound_to,
            // [RFC9449 §10]
            Sent::Direct(direct) => BoundTo {
                dpop_key: direct.request.dpop_jkt,
                ..BoundTo::default()
            },
            Sent::Wrong(_) => BoundTo::default(),
        }
    }

    fn respond(&self, redirect_uri: RedirectUri, outcome: Result<String, Rejection>) -> Respond {
        let (mode, state) = match self {
            Sent::Direct(direct) => (direct.request.response_mode, &direct.request.state),
            Sent::Pushed(pushed) => (pushed.record.request.response_mode, &pushed.record.request.state),
            Sent::Wrong(wrong) => (wrong.mode, &wrong.state),
        };
        Respond {
            redirect_uri,
            mode,
            state: state.clone(),
            outcome,
        }
    }
}

/// What follows from the steps after the redirect URI.
enum Next {
    SignIn(Box<SignInAsked>),
    Ask(Box<ConsentAsked>),
    Code(String),
    Refuse(Rejection),
}

/// Why the steps after the redirect URI stop.
enum Stopped {
    ByRedirect(Rejection),
    OnPage(Rejection),
}

impl<R: Into<Rejection>> From<R> for Stopped {
    fn from(rejection: R) -> Stopped {
        Stopped::ByRedirect(rejection.into())
    }
}

/// A request whose redirect URI is the client's.
struct Checking<'c, 'a> {
    visit: &'c Visit<'a>,
    record: Option<&'c Client>,
    found: &'c Match<'c>,
    redirect_uri: &'c RedirectUri,
    at: &'c Moment<'c>,
}

impl Checking<'_, '_> {
    fn next(
        &self,
        request: &AuthorizationRequest,
        sent: &Sent<'_>,
        loaded: &Loaded<'_>,
        trace: &mut Trace,
    ) -> Result<(Next, Batch), Stopped> {
        let (visit, rule) = (self.visit, self.found.rule);
        let registration = self.record.and_then(|record| record.registration_at(self.at.now));
        demands::may_use_codes(rule, registration)?; // 9
        if !matches!(sent, Sent::Pushed(_)) {
            let is_signed = sent.is_signed();
            demands::need_not_push_or_sign(self.found, self.record, registration, is_signed)?; // 10
        }
        let terms = Terms::of(request, rule, registration, self.at.policy)?; // 11
        trace.passed("request allowed", || format!("scope `{}`", terms.scope));
        let client = ClientShown::of(visit.client, self.record, self.found, self.redirect_uri);
        let signed_in = SignedIn::find(visit, loaded, self.at);
        let Some(person) = demands::sign_in(signed_in, request, visit.begun, self.at.now)? else {
            let login_hint = request.login_hint.clone();
            let page = SignInAsked { client, login_hint };
            return Ok((Next::SignIn(Box::new(page)), Batch::default())); // 12
        };
        demands::may_use_client(person.person, rule)?; // 13
        let asking = Asking {
            content: ConsentContent::of(client, &terms, self.at.policy),
            terms,
            request,
            person,
            checking: self,
            sent,
        };
        asking.next(loaded) // 14
    }
}

//! Who may use the admin API over HTTP: holders of an access token of ours, for ourselves, with a scope value of its
//! own, whose client is an administrator or an auditor. No password, no key, no default.
//!
//! The token proves that the client was admitted when the token was issued. Whether the client is still admitted is
//! decided at every request, by the steps of any request: an administrator who was frozen, blocked, disabled or deleted
//! must not be able to undo that with an earlier token.

use super::operations;
use super::reply::Failure;
use super::rules::assumed;
use crate::own_tokens::{holder, verify_own};
use crate::state::app::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use testudo_core::administration::{Access, NotAllowed};
use testudo_core::records::{Client, Record as _};
use testudo_core::{Actor, Authority, AuthorityKind, OccasionKind};
use testudo_protocol::oauth::access_token::VerifiedToken;
use testudo_store::StoreFault;

pub(super) async fn require_administrator(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let wanted = operations::access(request.method(), path);
    let Some(token) = bearer(request.headers()) else {
        return Denied::NoToken.into_response();
    };
    match judge(&app, token, wanted).await {
        Ok(administrator) => {
            request.extensions_mut().insert(administrator);
            next.run(request).await
        }
        Err(denied) => {
            denied.log(request.uri().path());
            denied.into_response()
        }
    }
}

/// The one bearer token of a request. [RFC6750 §2.1]
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Why a request is not served.
enum Denied {
    /// It carries no token.
    NoToken,
    /// It carries something that is no good token of ours. A stranger can send that at will: it is not logged.
    BadToken,
    /// The token is good; its client is not welcome at this moment.
    NotWelcome { client_id: String, why: String },
    /// The client is welcome, and may not do this.
    NotAllowed {
        client_id: String,
        wanted: Access,
        why: NotAllowed,
    },
    /// Ours to mend.
    Store(StoreFault),
}

impl From<StoreFault> for Denied {
    fn from(fault: StoreFault) -> Denied {
        Denied::Store(fault)
    }
}

async fn judge(app: &App, token: &str, wanted: Access) -> Result<Actor, Denied> {
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    let verified = verify_own(app, policy, token, policy.issuer.as_str(), None);
    let verified = verified.map_err(|_| Denied::BadToken)?;
    let client_id = &verified.client_id;
    let not_welcome = |why: String| Denied::NotWelcome {
        client_id: client_id.clone(),
        why,
    };
    let not_allowed = |why| Denied::NotAllowed {
        client_id: client_id.clone(),
        wanted,
        why,
    };
    let client = holder(app, &verified).await?;
    let client = client.ok_or_else(|| not_welcome("the client is frozen or gone".to_owned()))?;
    let subject = identity_of(&client, &verified);
    let identity = subject.and_then(|subject| {
        let authority = Authority::of_identity(subject).ok()?;
        Some(assumed(authority, subject, client.last_credential))
    });
    let identity = identity.ok_or_else(|| not_allowed(NotAllowed::NotListed))?;
    let governed = app.govern(&identity, OccasionKind::Token, policy);
    let governed = governed.map_err(|rejection| not_welcome(rejection.to_string()))?;
    if governed.client_key != client.key() {
        let why = "by the rules of today the identity belongs to another client";
        return Err(not_welcome(why.to_owned()));
    }
    let administration = &policy.administration;
    administration
        .judge(&identity, wanted, &verified.scope, governed.found.rule)
        .map_err(not_allowed)?;
    Ok(Actor::Identity {
        authority: identity.authority,
        subject: identity.subject,
    })
}

/// The identity that a token was given to: administrators are listed by identity, and a client that the configuration
/// names or that registered is none.
fn identity_of<'a>(client: &'a Client, token: &'a VerifiedToken) -> Option<&'a str> {
    let kind = AuthorityKind::of_key(&client.authority)?;
    match kind {
        AuthorityKind::Spiffe => Some(token.spiffe_id.as_deref().unwrap_or(&token.client_id)),
        AuthorityKind::Issuer => Some(&client.subject),
        AuthorityKind::Configuration | AuthorityKind::Registration => None,
    }
}

impl Denied {
    fn log(&self, path: &str) {
        match self {
            Denied::NoToken | Denied::BadToken => {}
            Denied::NotWelcome { client_id, why } => {
                tracing::warn!(client.id = client_id, path, why, "admin.refused");
            }
            Denied::NotAllowed { client_id, why, .. } => {
                tracing::warn!(client.id = client_id, path, %why, "admin.refused");
            }
            Denied::Store(fault) => tracing::warn!(%fault, path, "an administrator could not be judged"),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let unauthorized = StatusCode::UNAUTHORIZED;
        let (status, challenge, error, hint) = match &self {
            Denied::NoToken => {
                let hint = "send `Authorization: Bearer` with an access token for the issuer".to_owned();
                (unauthorized, "Bearer", "a token is missing", hint)
            }
            // One answer for both: a caller without a valid token learns nothing about clients.
            Denied::BadToken | Denied::NotWelcome { .. } => {
                let challenge = "Bearer error=\"invalid_token\"";
                let hint = "get a new token; the server's log says more about a client that is not welcome";
                (unauthorized, challenge, "the token is not valid", hint.to_owned())
            }
            // [RFC6750 §3.1]
            Denied::NotAllowed { wanted, why, .. } => {
                let challenge = match wanted {
                    Access::Read => "Bearer error=\"insufficient_scope\", scope=\"admin.read\"",
                    Access::Write => "Bearer error=\"insufficient_scope\", scope=\"admin.write\"",
                };
                let hint = format!("{why} ({})", wanted.scope());
                let error = "the token is not good for this operation";
                (StatusCode::FORBIDDEN, challenge, error, hint)
            }
            Denied::Store(_) => {
                let failure = Failure {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    error: "the store is unavailable".into(),
                    hint: Some("try again; over the admin socket no token is needed".into()),
                };
                return failure.into_response();
            }
        };
        let failure = Failure {
            status,
            error: error.into(),
            hint: Some(hint),
        };
        let headers = [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))];
        (headers, failure).into_response()
    }
}

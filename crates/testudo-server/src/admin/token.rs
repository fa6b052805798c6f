//! Authorization of the admin API over HTTP: an access token of this server for its issuer, with the scope value
//! `admin.read` or `admin.write`, whose client is listed in `admin.administrators` or `admin.auditors`. There is no
//! password or API key.
//!
//! The token proves that the client was admitted when the token was issued. Whether the client is still admitted is
//! decided at every request: an administrator whose client was frozen, blocked, disabled or deleted must not be able to
//! undo that with an earlier token.

use super::failure::Failure;
use super::operations;
use super::reply::ErrorAnswer;
use super::rules::assumed;
use crate::http::bearer;
use crate::own_tokens::{holder, verify_own};
use crate::state::app::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
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
    match authorize(&app, &token, wanted).await {
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

/// Why a request is not served.
enum Denied {
    /// The request contains no bearer token.
    NoToken,
    /// The token is not a valid token of this server. It is not logged, because any caller can send any number of such
    /// tokens.
    BadToken,
    /// The token is valid, but its client is not admitted at this time.
    NotAdmitted { client_id: String, why: String },
    /// The client is admitted, but may not use this operation.
    NotAllowed {
        client_id: String,
        wanted: Access,
        why: NotAllowed,
    },
    /// The store failed.
    Store(StoreFault),
}

impl From<StoreFault> for Denied {
    fn from(fault: StoreFault) -> Denied {
        Denied::Store(fault)
    }
}

async fn authorize(app: &App, token: &str, wanted: Access) -> Result<Actor, Denied> {
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    let verified = verify_own(app, policy, token, policy.issuer.as_str(), None);
    let verified = verified.map_err(|_| Denied::BadToken)?;
    let client_id = &verified.client_id;
    let not_admitted = |why: String| Denied::NotAdmitted {
        client_id: client_id.clone(),
        why,
    };
    let not_allowed = |why| Denied::NotAllowed {
        client_id: client_id.clone(),
        wanted,
        why,
    };
    let client = holder(app, &verified).await?;
    let client = client.ok_or_else(|| not_admitted("the client is frozen or removed".to_owned()))?;
    let subject = identity_of(&client, &verified);
    let identity = subject.and_then(|subject| {
        let authority = Authority::of_identity(subject).ok()?;
        Some(assumed(authority, subject, client.last_credential))
    });
    let identity = identity.ok_or_else(|| not_allowed(NotAllowed::NotListed))?;
    let governed = app.govern(&identity, OccasionKind::Token, policy);
    let governed = governed.map_err(|rejection| not_admitted(rejection.to_string()))?;
    if governed.client_key != client.key() {
        let why = "by the current rules, the identity belongs to another client";
        return Err(not_admitted(why.to_owned()));
    }
    let administration = &policy.administration;
    administration
        .check(&identity, wanted, &verified.scope, governed.found.rule)
        .map_err(not_allowed)?;
    Ok(Actor::Identity {
        authority: identity.authority,
        subject: identity.subject,
    })
}

/// The identity to which a token was issued. Administrators are listed by identity, so the result is `None` for a
/// configured client and for a client that registered without evidence.
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
            Denied::NotAdmitted { client_id, why } => {
                tracing::warn!(
                    event = "admin.refused",
                    client.id = client_id,
                    path,
                    detail = why,
                    "admin.refused"
                );
            }
            Denied::NotAllowed { client_id, why, .. } => {
                tracing::warn!(event = "admin.refused", client.id = client_id, path, detail = %why, "admin.refused");
            }
            Denied::Store(fault) => {
                tracing::warn!(event = "admin.store_unavailable", %fault, path, "a request to the admin API could not be authorized")
            }
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let (failure, challenge, error, hint) = match &self {
            Denied::NoToken => {
                let hint = "send `Authorization: Bearer` with an access token for the issuer".to_owned();
                (Failure::Token, "Bearer", "the access token is missing", hint)
            }
            // The same answer for both: a caller must not learn which clients exist.
            Denied::BadToken | Denied::NotAdmitted { .. } => {
                let challenge = "Bearer error=\"invalid_token\"";
                let hint = "get a new access token; where the client is frozen, blocked or removed, the server's log has the reason";
                (
                    Failure::Token,
                    challenge,
                    "the token is not valid",
                    hint.to_owned(),
                )
            }
            // [RFC6750 §3.1]
            Denied::NotAllowed { wanted, why, .. } => {
                let challenge = match wanted {
                    Access::Read => "Bearer error=\"insufficient_scope\", scope=\"admin.read\"",
                    Access::Write => "Bearer error=\"insufficient_scope\", scope=\"admin.write\"",
                };
                let hint = format!("{why} ({})", wanted.scope());
                let error = "the access token does not permit this operation";
                (Failure::Permission, challenge, error, hint)
            }
            Denied::Store(_) => {
                let answer = ErrorAnswer {
                    failure: Failure::Unavailable,
                    error: "the store is unavailable".into(),
                    hint: Some("try again; over the admin socket no token is needed".into()),
                };
                return answer.into_response();
            }
        };
        let answer = ErrorAnswer {
            failure,
            error: error.into(),
            hint: Some(hint),
        };
        let headers = [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))];
        (headers, answer).into_response()
    }
}

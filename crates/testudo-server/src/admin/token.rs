//! Authorization of the admin API over HTTP: an access token of this server for its issuer, with the scope value
//! `admin.read` or `admin.write`, whose client is listed in `admin.administrators` or `admin.auditors`. There is no
//! password or API key.
//!
//! The token proves that the client was admitted when the token was issued. Whether the client is still admitted is
//! decided at every request: an administrator whose client was frozen, blocked, disabled or deleted must not be able to
//! undo that with an earlier token.

use super::contract::RequestId;
use super::failure::Failure;
use super::operations;
use super::reply::ErrorAnswer;
use super::rules::assumed;
use crate::audit::{AdminRefusal, note_admin_refusal};
use crate::credential_status;
use crate::http::bearer;
use crate::own_tokens::{OwnTokenError, ProvenKeys, holder, identity_of, verify_own};
use crate::state::app::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use testudo_core::administration::{Access, NotAllowed};
use testudo_core::records::Record as _;
use testudo_core::{Actor, OccasionKind};
use testudo_protocol::printable::excerpt;
use testudo_store::StoreFault;

pub(super) async fn require_administrator(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let wanted = operations::access(request.method(), path);
    let authorized = match bearer(request.headers()) {
        Some(token) => authorize(&app, &token, wanted).await,
        None => Err(Denied::NoToken),
    };
    match authorized {
        Ok(administrator) => {
            request.extensions_mut().insert(administrator);
            next.run(request).await
        }
        Err(denied) => {
            if let Some(refusal) = refusal_of(&denied, &request) {
                drop(request);
                note_admin_refusal(&app, refusal).await;
            }
            denied.into_response()
        }
    }
}

/// The event from which `testudo explain` reads the reason; `None` for a fault of this server.
fn refusal_of(denied: &Denied, request: &Request) -> Option<AdminRefusal> {
    let path = request.uri().path();
    if let Denied::Store(fault) = denied {
        tracing::warn!(
            event = "admin.store_unavailable",
            %fault,
            path,
            "a request to the admin API could not be authorized"
        );
        return None;
    }
    let (reason, client_id, detail) = denied.described();
    let id = request.extensions().get::<RequestId>();
    Some(AdminRefusal {
        id: id.map(|id| id.0.clone()).unwrap_or_default(),
        reason,
        client_id: client_id.map(str::to_owned),
        // Any caller can send a path of any length.
        path: excerpt(path),
        error: denied.failure().status_and_code().1.name(),
        detail,
        hint: denied.remedy(),
    })
}

/// Why a request is not served.
enum Denied {
    /// The request contains no bearer token.
    NoToken,
    /// The token is not a valid token of this server.
    BadToken(OwnTokenError),
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
    let verified = verify_own(app, policy, token, policy.issuer.as_str(), ProvenKeys::default());
    let verified = verified.map_err(Denied::BadToken)?;
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
    // Administrators are listed by identity, so a configured client is none.
    let named = identity_of(
        &client,
        verified.spiffe_id.as_deref(),
        verified.instance.as_deref(),
    )
    .filter(|(authority, _)| authority.kind().attests());
    let identity = named.map(|(authority, subject)| {
        let mut identity = assumed(authority, &subject, client.last_credential);
        // They are not in the token. A rule that requires some may be there to refuse them.
        identity.proof.claims_are_unknown = true;
        identity.with_instance(verified.instance.as_deref())
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
    let good = credential_status::of_holder(app, &in_force, &client).await;
    good.map_err(|rejection| not_admitted(rejection.to_string()))?;
    Ok(Actor::Identity {
        authority: identity.authority,
        subject: identity.subject,
    })
}

impl Denied {
    fn failure(&self) -> Failure {
        match self {
            Denied::NoToken | Denied::BadToken(_) | Denied::NotAdmitted { .. } => Failure::Token,
            Denied::NotAllowed { .. } => Failure::Permission,
            Denied::Store(_) => Failure::Unavailable,
        }
    }

    /// The name of the reason, the client of the token, and what is wrong.
    fn described(&self) -> (&'static str, Option<&str>, String) {
        match self {
            Denied::NoToken => (
                "admin_token_missing",
                None,
                "the request has no bearer token".to_owned(),
            ),
            Denied::BadToken(error) => ("admin_token_refused", None, error.to_string()),
            Denied::NotAdmitted { client_id, why } => {
                ("admin_client_not_admitted", Some(client_id), why.clone())
            }
            Denied::NotAllowed {
                client_id,
                why,
                wanted,
            } => {
                let detail = format!("{why} ({})", wanted.scope());
                ("admin_operation_not_permitted", Some(client_id), detail)
            }
            Denied::Store(fault) => ("store_unavailable", None, fault.to_string()),
        }
    }

    /// What the caller or an administrator can do.
    fn remedy(&self) -> String {
        match self {
            Denied::NoToken => "send `Authorization: Bearer` with an access token for the issuer".to_owned(),
            Denied::BadToken(_) => "get a new access token from this server, for its issuer".to_owned(),
            Denied::NotAdmitted { .. } => {
                "`testudo client show` and `testudo rule test` with the identity show whether it is admitted".to_owned()
            }
            Denied::NotAllowed { .. } => {
                "list the identity in admin.administrators or admin.auditors, and request a token with the scope".to_owned()
            }
            Denied::Store(_) => "try again; over the admin socket no token is needed".to_owned(),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let (challenge, error, hint) = match &self {
            Denied::NoToken => (Some("Bearer"), "the access token is missing", self.remedy()),
            // The same answer for both: a caller must not learn which clients exist.
            Denied::BadToken(_) | Denied::NotAdmitted { .. } => {
                let challenge = Some("Bearer error=\"invalid_token\"");
                let hint = "get a new access token; `testudo explain` with the Request-Id of this answer, at the admin socket, shows the reason";
                (challenge, "the token is not valid", hint.to_owned())
            }
            // [RFC6750 §3.1]
            Denied::NotAllowed { wanted, why, .. } => {
                let challenge = match wanted {
                    Access::Read => "Bearer error=\"insufficient_scope\", scope=\"admin.read\"",
                    Access::Write => "Bearer error=\"insufficient_scope\", scope=\"admin.write\"",
                };
                let hint = format!("{why} ({})", wanted.scope());
                let error = "the access token does not permit this operation";
                (Some(challenge), error, hint)
            }
            Denied::Store(_) => (None, "the store is unavailable", self.remedy()),
        };
        let answer = ErrorAnswer {
            failure: self.failure(),
            error: error.into(),
            hint: Some(hint),
        };
        let challenge =
            challenge.map(|challenge| [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]);
        (challenge, answer).into_response()
    }
}

//! Reasons to refuse the request itself: its body, its form, its parameters. The answer names what is wrong, since the
//! caller sent it.

use super::row::Row;
use crate::members::{base, member};
use std::fmt;
use testudo_protocol::json::JsonError;
use testudo_protocol::limits::{JSON_DEPTH_MAX, JSON_MEMBERS_MAX};
use testudo_protocol::oauth::{ErrorCode, FormError};

/// A client certificate among the mechanisms of a request: of the TLS handshake, or forwarded by a trusted proxy.
pub const CLIENT_CERTIFICATE: &str = "a client certificate";

/// Of a `grant_type` that is not supported, as many characters as an event keeps: the longest one that is registered
/// has 50.
const GRANT_TYPE_SHOWN_MAX: usize = 80;

/// What is wrong with a request, independent of the client that sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestReason {
    /// The body is not a form in UTF-8. [RFC6749 §3.2]
    NotAForm,
    /// The form cannot be read.
    MalformedForm(FormError),
    /// The body is not `application/json`. [RFC7591 §3.1]
    NotJson,
    /// The body is not one JSON object, or has a duplicate member.
    MalformedJson(JsonError),
    /// The body has more than 64 KiB.
    BodyTooLarge,
    /// The body did not arrive before the deadline.
    BodyLate,
    /// The body has a content coding.
    BodyEncoded,
    /// The request has no `Host` field, or more than one. [RFC9112 §3.2]
    HostNotOne,
    /// `Host` is not a valid host, or differs from `:authority`.
    HostInvalid,
    /// A page for people was requested at a host that is not that of the issuer. [RFC9110 §15.5.20]
    HostNotOurs,
    /// A form was not sent by a page of this server.
    OriginNotOurs,
    /// The state of a sign-in was not sealed by this server for this form, or is of another browser.
    FlowNotOurs,
    /// The state of a sign-in is too old.
    FlowExpired,
    /// No endpoint has this path.
    NoSuchEndpoint,
    /// The endpoint does not allow this method.
    MethodNotAllowed,
    /// Parameters are in the URL, where logs would keep them.
    CredentialsInUrl,
    /// `grant_type` is missing.
    MissingGrantType,
    /// `grant_type` names a grant that is not supported.
    UnsupportedGrantType {
        /// The value.
        found: String,
    },
    /// `client_id` is too long, or has characters that are not allowed in one.
    MalformedClientId,
    /// More than one client authentication mechanism is used. [RFC6749 §2.3]
    TwoMechanisms {
        /// What the request has of each.
        found: Vec<&'static str>,
    },
    /// The attestation headers are not one field line each with one JWT. [ABCA §7.1 (1)] [ABCA §7.2 (1)]
    AttestationNotOne,
    /// A request with a client certificate has no `client_id`. [RFC8705 §2]
    ClientIdMissing,
    /// `scope` is not a list of scope values separated by single spaces; with the reason.
    MalformedScope(&'static str),
    /// `resource` or `audience` is not an absolute URI; with the reason.
    MalformedResource(&'static str),
    /// The request names more than one resource.
    SeveralResources,
    /// `token` is missing, of a request to revoke or to introspect a token. [RFC7009 §2.1] [RFC7662 §2.1]
    TokenMissing,
}

impl RequestReason {
    pub(super) fn row(&self) -> Row {
        let invalid = |name, sentence| Row::new(name, ErrorCode::InvalidRequest, sentence);
        match self {
            RequestReason::NotAForm => invalid(
                "not_a_form",
                "the body must be application/x-www-form-urlencoded in UTF-8",
            ),
            RequestReason::MalformedForm(fault) => {
                Row::new("malformed_form", ErrorCode::InvalidRequest, fault.to_string())
            }
            // [RFC9110 §15.5.16]
            RequestReason::NotJson => invalid("not_json", "the body must be application/json").status(415),
            RequestReason::MalformedJson(error) => Row::new(
                "malformed_json",
                ErrorCode::InvalidClientMetadata,
                json_sentence(error),
            ),
            // [RFC9110 §15.5.14]
            RequestReason::BodyTooLarge => {
                invalid("body_too_large", "the body is larger than 64 KiB").status(413)
            }
            // [RFC9110 §15.5.9]
            RequestReason::BodyLate => invalid("body_late", "the body did not arrive in time").status(408),
            // [RFC9110 §15.5.16]
            RequestReason::BodyEncoded => invalid(
                "body_encoded",
                "Content-Encoding is not supported: send the body uncompressed",
            )
            .status(415),
            RequestReason::HostNotOne => invalid(
                "host_not_one",
                "a request must have exactly one Host field, or an :authority with HTTP/2",
            ),
            RequestReason::HostInvalid => invalid(
                "host_invalid",
                "Host must be a host with an optional port, and equal to :authority",
            ),
            // [RFC9110 §15.5.20]
            RequestReason::HostNotOurs => {
                invalid("host_not_ours", "this page is not served at this host").status(421)
            }
            RequestReason::OriginNotOurs => invalid(
                "origin_not_ours",
                "this form was not sent by a page of this server",
            )
            .status(403),
            RequestReason::FlowNotOurs => invalid(
                "flow_not_ours",
                "this sign-in was begun in another browser, or was changed: begin again at the application",
            ),
            RequestReason::FlowExpired => invalid(
                "flow_expired",
                "this sign-in took too long: begin again at the application",
            ),
            // [RFC9110 §15.5.5]
            RequestReason::NoSuchEndpoint => invalid(
                "no_such_endpoint",
                "no endpoint has this path: the metadata of the issuer lists the endpoints",
            )
            .status(404),
            // [RFC9110 §15.5.6]
            RequestReason::MethodNotAllowed => invalid(
                "method_not_allowed",
                "this endpoint does not allow this method: the Allow header lists the allowed methods",
            )
            .status(405),
            RequestReason::CredentialsInUrl => invalid(
                "credentials_in_url",
                "parameters must be sent in the body, not in the URL",
            ),
            RequestReason::MissingGrantType => invalid("missing_grant_type", "grant_type is missing"),
            RequestReason::UnsupportedGrantType { .. } => Row::new(
                "unsupported_grant_type",
                ErrorCode::UnsupportedGrantType,
                "this grant_type is not supported",
            ),
            RequestReason::MalformedClientId => invalid(
                "malformed_client_id",
                "client_id is not 1 to 2048 printable ASCII characters",
            ),
            RequestReason::TwoMechanisms { .. } => invalid(
                "two_mechanisms",
                "more than one client authentication mechanism was used",
            ),
            RequestReason::AttestationNotOne => invalid(
                "attestation_not_one",
                "OAuth-Client-Attestation and OAuth-Client-Attestation-PoP must each be sent once, with one JWT",
            ),
            RequestReason::ClientIdMissing => invalid(
                "client_id_missing",
                "client_id is required with a client certificate",
            ),
            RequestReason::MalformedScope(why) => {
                Row::new("malformed_scope", ErrorCode::InvalidScope, format!("scope {why}"))
            }
            RequestReason::MalformedResource(_) => Row::new(
                "malformed_resource",
                ErrorCode::InvalidTarget,
                "resource must be an absolute URI without fragment",
            ),
            RequestReason::TokenMissing => invalid("token_missing", "token is missing"),
            RequestReason::SeveralResources => Row::new(
                "several_resources",
                ErrorCode::InvalidTarget,
                "resource must name one resource: request a separate token for each",
            ),
        }
    }
}

impl RequestReason {
    /// The start of a `grant_type` that is not supported, for events.
    pub(super) fn unsupported_grant_type(&self) -> Option<String> {
        let RequestReason::UnsupportedGrantType { found } = self else {
            return None;
        };
        Some(found.chars().take(GRANT_TYPE_SHOWN_MAX).collect())
    }
}

/// The sentence names a member only if it is in the table of members: another name is text of the caller.
fn json_sentence(error: &JsonError) -> String {
    let member = error.member.as_deref().and_then(|name| member(base(name)));
    let expected = format!("at most {JSON_MEMBERS_MAX} members in an object and {JSON_DEPTH_MAX} levels");
    match (member, error.is_duplicate()) {
        (Some(member), true) => format!("{} is present twice, or has a member twice", member.name),
        (None, true) => "a member of the body is present twice".into(),
        (Some(member), false) => {
            format!("{} or what follows it is not JSON with {expected}", member.name)
        }
        (None, false) => format!("the body must be one JSON object, with {expected}"),
    }
}

impl fmt::Display for RequestReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.row().public_sentence.sentence())?;
        if let RequestReason::MalformedJson(error) = self {
            write!(f, ": {error}")?;
        }
        if let RequestReason::MalformedResource(why) = self {
            write!(f, ": it {why}")?;
        }
        if let Some(start) = self.unsupported_grant_type() {
            write!(f, ": {start:?}")?;
        }
        if let RequestReason::TwoMechanisms { found } = self {
            write!(f, ": {}", found.join(" and "))?;
        }
        Ok(())
    }
}

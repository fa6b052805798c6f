//! The members of a registration request. [RFC7591 §2]
//!
//! Unknown members are ignored and not returned; the known ones are in `crate::members`.

use super::given::{Given, present};
use super::texts::read_tagged;
use crate::identity::SponsorLimits;
use crate::members::{Field, Kind, LabelName, Labels, Member, around_tags, base, member, shadowed};
use crate::records::ApplicationType;
use crate::rejection::{MetadataReason, Rejection, RequestReason};
use serde_json::{Map, Value};
use std::fmt;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::json;
use testudo_protocol::oauth::ScopeSet;

/// The members of [RFC8705 §2.1.2], which only an administrator may set.
const SUBJECTS_OF_CERTIFICATES: [&str; 5] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

/// True if the value means that the member is absent. [RFC7592 §2.2] `null` and an empty text are such values: some
/// clients send every member that they know, for example `"scope": ""`, and an empty parameter at the token endpoint is
/// absent too. [RFC6749 §3.2] If the member cannot be a text, an empty text is of the wrong type. An empty software
/// statement is evidence that fails: a client that sends it must not be registered without evidence.
fn is_absent(name: &str, value: &Value) -> bool {
    let is_empty_text = value.as_str() == Some("");
    value.is_null() || is_empty_text && member(base(name)).is_none_or(Member::may_be_empty)
}

/// A registration request, by its members. All values are claims of the client and not verified. [RFC7591 §5]
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7591")]
pub struct RequestedMetadata {
    pub software_statement: Option<String>,
    pub client_id: Option<String>,
    pub spiffe_id: Option<String>,
    pub spiffe_bundle_endpoint: Option<String>,
    pub application_type: Option<ApplicationType>,
    pub redirect_uris: Option<Vec<String>>,
    pub token_endpoint_auth_method: Option<String>,
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub scope: Option<ScopeSet>,
    /// Labels, including those with a language tag.
    pub labels: Labels,
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
    pub dpop_bound_access_tokens: bool,
    pub tls_client_certificate_bound_access_tokens: bool,
    pub require_pushed_authorization_requests: bool,
    pub require_signed_request_object: bool,
}

/// Prints the names of the members that are present, and no values: a software statement is a credential.
impl fmt::Debug for RequestedMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestedMetadata {
            software_statement,
            client_id,
            spiffe_id,
            spiffe_bundle_endpoint,
            application_type,
            redirect_uris,
            token_endpoint_auth_method,
            token_endpoint_auth_signing_alg,
            grant_types,
            response_types,
            scope,
            labels,
            jwks,
            jwks_uri,
            dpop_bound_access_tokens,
            tls_client_certificate_bound_access_tokens,
            require_pushed_authorization_requests,
            require_signed_request_object,
        } = self;
        let members = [
            ("software_statement", software_statement.is_some()),
            ("client_id", client_id.is_some()),
            ("spiffe_id", spiffe_id.is_some()),
            ("spiffe_bundle_endpoint", spiffe_bundle_endpoint.is_some()),
            ("application_type", application_type.is_some()),
            ("redirect_uris", redirect_uris.is_some()),
            ("token_endpoint_auth_method", token_endpoint_auth_method.is_some()),
            (
                "token_endpoint_auth_signing_alg",
                token_endpoint_auth_signing_alg.is_some(),
            ),
            ("grant_types", grant_types.is_some()),
            ("response_types", response_types.is_some()),
            ("scope", scope.is_some()),
            ("labels", *labels != Labels::default()),
            ("jwks", jwks.is_some()),
            ("jwks_uri", jwks_uri.is_some()),
            ("dpop_bound_access_tokens", *dpop_bound_access_tokens),
            (
                "tls_client_certificate_bound_access_tokens",
                *tls_client_certificate_bound_access_tokens,
            ),
            (
                "require_pushed_authorization_requests",
                *require_pushed_authorization_requests,
            ),
            ("require_signed_request_object", *require_signed_request_object),
        ];
        let present = members.iter().filter(|(_, is_present)| *is_present);
        f.debug_list().entries(present.map(|(name, _)| name)).finish()
    }
}

impl RequestedMetadata {
    /// Reads the body of a request. [RFC7591 §3.1]
    pub fn parse(body: &[u8]) -> Result<RequestedMetadata, Rejection> {
        Ok(RequestedMetadata::of(&RequestedMetadata::members(body)?)?)
    }

    /// The members of the request body that have a value. A duplicate member is refused. [RFC7591 §3.1]
    pub fn members(body: &[u8]) -> Result<Map<String, Value>, Rejection> {
        let mut members: Map<String, Value> = json::from_slice(body)
            .map_err(|error| Rejection::Request(RequestReason::MalformedJson(error)))?;
        members.retain(|name, value| !is_absent(name, value));
        Ok(members)
    }

    /// Reads the body of a request that replaces the registration of `client_id`. [RFC7592 §2.2]
    pub fn parse_replacement(body: &[u8], client_id: &str) -> Result<RequestedMetadata, Rejection> {
        let mut members = RequestedMetadata::members(body)?;
        if members.remove("client_id").as_ref().and_then(Value::as_str) != Some(client_id) {
            return Err(MetadataReason::ReplacementOfAnother.into());
        }
        let ours = [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
            // [RFC7592 §2.2] `client_secret`, if sent, must match the client's secret. Clients of this server have no
            // secret, so it is refused.
            "client_secret",
        ];
        if let Some(member) = ours.into_iter().find(|name| members.contains_key(*name)) {
            return Err(MetadataReason::ReplacementMalformed { member }.into());
        }
        Ok(RequestedMetadata::of(&members)?)
    }

    /// Reads the members of a request.
    pub fn of(members: &Map<String, Value>) -> Result<RequestedMetadata, MetadataReason> {
        if let Some(member) = SUBJECTS_OF_CERTIFICATES
            .into_iter()
            .find(|member| present(members, member).is_some())
        {
            return Err(MetadataReason::CertificateSubjectNamed { member });
        }
        let mut requested = RequestedMetadata::default();
        let (before, after) = around_tags();
        for member in before {
            requested.read(member, Given::of(member, members))?;
        }
        read_tagged(members, &mut requested.labels)?;
        for member in after {
            requested.read(member, Given::of(member, members))?;
        }
        // [RFC7591 §2] `jwks` and `jwks_uri` must not both be present.
        if requested.jwks.is_some() && requested.jwks_uri.is_some() {
            return Err(MetadataReason::JwksTwice);
        }
        if requested.dpop_bound_access_tokens && requested.tls_client_certificate_bound_access_tokens {
            return Err(MetadataReason::BoundTwice);
        }
        Ok(requested)
    }

    /// Sets a member to the given value, or to its value in a request without the member.
    fn read(&mut self, member: &'static Member, given: Given<'_>) -> Result<(), MetadataReason> {
        match member.kind {
            Kind::Field(field) => self.read_field(field, given),
            Kind::Label(kind) => {
                if let Some(label) = given.label(kind)? {
                    self.labels.insert(LabelName::of(member), label);
                }
                Ok(())
            }
        }
    }

    fn read_field(&mut self, field: Field, given: Given<'_>) -> Result<(), MetadataReason> {
        match field {
            Field::SoftwareStatement => self.software_statement = given.text()?,
            Field::ClientId => self.client_id = given.text()?,
            Field::SpiffeId => self.spiffe_id = given.text()?,
            Field::SpiffeBundleEndpoint => self.spiffe_bundle_endpoint = given.url()?,
            Field::ApplicationType => self.application_type = given.application_type()?,
            Field::RedirectUris => self.redirect_uris = given.redirect_uris()?,
            Field::TokenEndpointAuthMethod => self.token_endpoint_auth_method = given.text()?,
            Field::TokenEndpointAuthSigningAlg => {
                self.token_endpoint_auth_signing_alg = given.signing_algorithm()?;
            }
            Field::GrantTypes => self.grant_types = given.list()?,
            Field::ResponseTypes => self.response_types = given.list()?,
            Field::Scope => self.scope = given.scope()?,
            Field::Jwks => self.jwks = given.keys()?,
            Field::JwksUri => self.jwks_uri = given.text()?,
            Field::DpopBoundAccessTokens => self.dpop_bound_access_tokens = given.flag()?,
            Field::TlsClientCertificateBoundAccessTokens => {
                self.tls_client_certificate_bound_access_tokens = given.flag()?;
            }
            Field::RequirePushedAuthorizationRequests => {
                self.require_pushed_authorization_requests = given.flag()?;
            }
            Field::RequireSignedRequestObject => self.require_signed_request_object = given.flag()?,
        }
        Ok(())
    }

    /// True if the request has `jwks` or `jwks_uri`.
    pub fn has_keys(&self) -> bool {
        self.jwks.is_some() || self.jwks_uri.is_some()
    }

    /// The request, reduced to the scopes and grant types that the sponsor may give.
    pub fn within(mut self, scopes: &ScopeSet, grant_types: &[String]) -> RequestedMetadata {
        self.scope = Some(match &self.scope {
            Some(asked) => asked.intersection(scopes),
            None => scopes.clone(),
        });
        self.grant_types = Some(match &self.grant_types {
            Some(asked) => asked
                .iter()
                .filter(|grant| grant_types.contains(grant))
                .cloned()
                .collect(),
            None => grant_types.to_vec(),
        });
        self
    }

    /// The request, with the demands on the sponsor: those that its authority attests, and those that it registered.
    pub fn demanding(mut self, limits: &SponsorLimits) -> RequestedMetadata {
        self.dpop_bound_access_tokens |= limits.dpop_bound_access_tokens;
        self.tls_client_certificate_bound_access_tokens |= limits.tls_client_certificate_bound_access_tokens;
        self.require_pushed_authorization_requests |= limits.require_pushed_authorization_requests;
        self.require_signed_request_object |= limits.require_signed_request_object;
        self
    }

    /// The request without the members that would reduce the client's limits.
    pub fn without_limits(mut self) -> RequestedMetadata {
        self.scope = None;
        self.grant_types = None;
        self.response_types = None;
        self.redirect_uris = None;
        self.token_endpoint_auth_method = None;
        self.tls_client_certificate_bound_access_tokens = false;
        self.require_pushed_authorization_requests = false;
        self.require_signed_request_object = false;
        self
    }

    /// Removes members for which the credential has a claim that `attested_metadata` does not list. Otherwise the
    /// client could set a value that contradicts its attester.
    pub fn without(mut self, unlisted: &[String]) -> RequestedMetadata {
        for member in unlisted.iter().filter_map(|claim| shadowed(claim)) {
            match member.kind {
                Kind::Label(_) => self.labels.retain(|name| name.member.name != member.name),
                Kind::Field(field) => {
                    let absent = self.read_field(field, Given::absent(member));
                    debug_assert!(absent.is_ok(), "an absent value is always valid");
                }
            }
        }
        self
    }
}

//! What a registration request asks for. [RFC7591 §2]
//!
//! What is unknown is ignored and not echoed; how each known member is read is in `members.rs`.

use super::members::Members;
use super::names::base;
use crate::records::ApplicationType;
use crate::rejection::{MetadataReason, Rejection, RequestReason};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::json;
use testudo_protocol::oauth::ScopeSet;

/// Of [RFC8705 §2.1.2]: an administrator's to say, never a client's.
const SUBJECTS_OF_CERTIFICATES: [&str; 5] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

/// A registration request, by its members. Self-asserted, all of it. [RFC7591 §5]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7591")]
pub struct Requested {
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
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub logo_uri: Option<String>,
    pub tos_uri: Option<String>,
    pub policy_uri: Option<String>,
    /// Labels with a language tag: `client_name#de`.
    pub tagged: BTreeMap<String, String>,
    pub contacts: Option<Vec<String>>,
    pub software_id: Option<String>,
    pub software_version: Option<String>,
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
    pub dpop_bound_access_tokens: bool,
    pub tls_client_certificate_bound_access_tokens: bool,
    pub require_pushed_authorization_requests: bool,
    pub require_signed_request_object: bool,
}

impl Requested {
    /// Reads the body of a request. [RFC7591 §3.1]
    pub fn parse(body: &[u8]) -> Result<Requested, Rejection> {
        let members: Map<String, Value> =
            json::from_slice(body).map_err(|_| Rejection::Request(RequestReason::MalformedJson))?;
        Ok(Requested::of(members)?)
    }

    /// Reads the body of a request that replaces the registration of `client_id`. [RFC7592 §2.2]
    pub fn parse_replacement(body: &[u8], client_id: &str) -> Result<Requested, Rejection> {
        let mut members: Map<String, Value> =
            json::from_slice(body).map_err(|_| Rejection::Request(RequestReason::MalformedJson))?;
        if members.remove("client_id").as_ref().and_then(Value::as_str) != Some(client_id) {
            return Err(MetadataReason::ReplacementOfAnother.into());
        }
        let ours = [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
            // [RFC7592 §2.2] If sent, it is the client's secret; there is none that it could be.
            "client_secret",
        ];
        if let Some(member) = ours.into_iter().find(|name| members.contains_key(*name)) {
            return Err(MetadataReason::ReplacementMalformed { member }.into());
        }
        Ok(Requested::of(members)?)
    }

    /// Reads the members of a request.
    pub fn of(members: Map<String, Value>) -> Result<Requested, MetadataReason> {
        let members = Members(members);
        if let Some(member) = SUBJECTS_OF_CERTIFICATES
            .into_iter()
            .find(|member| members.present(member).is_some())
        {
            return Err(MetadataReason::CertificateSubjectNamed { member });
        }
        let requested = Requested {
            software_statement: members.text("software_statement")?,
            client_id: members.text("client_id")?,
            spiffe_id: members.text("spiffe_id")?,
            spiffe_bundle_endpoint: members.url("spiffe_bundle_endpoint")?,
            application_type: members.application_type()?,
            redirect_uris: members.redirect_uris()?,
            token_endpoint_auth_method: members.text("token_endpoint_auth_method")?,
            token_endpoint_auth_signing_alg: members.signing_algorithm()?,
            grant_types: members.list("grant_types")?,
            response_types: members.list("response_types")?,
            scope: members.scope()?,
            client_name: members.name("client_name")?,
            client_uri: members.url("client_uri")?,
            logo_uri: members.url("logo_uri")?,
            tos_uri: members.url("tos_uri")?,
            policy_uri: members.url("policy_uri")?,
            tagged: members.tagged()?,
            contacts: members.contacts()?,
            software_id: members.short("software_id")?,
            software_version: members.short("software_version")?,
            jwks: members.keys()?,
            jwks_uri: members.text("jwks_uri")?,
            dpop_bound_access_tokens: members.flag("dpop_bound_access_tokens")?,
            tls_client_certificate_bound_access_tokens: members
                .flag("tls_client_certificate_bound_access_tokens")?,
            require_pushed_authorization_requests: members.flag("require_pushed_authorization_requests")?,
            require_signed_request_object: members.flag("require_signed_request_object")?,
        };
        // [RFC7591 §2] One of the two, never both.
        if requested.jwks.is_some() && requested.jwks_uri.is_some() {
            return Err(MetadataReason::JwksTwice);
        }
        if requested.dpop_bound_access_tokens && requested.tls_client_certificate_bound_access_tokens {
            return Err(MetadataReason::BoundTwice);
        }
        Ok(requested)
    }

    /// True where the request brings keys, or says where they are.
    pub fn has_keys(&self) -> bool {
        self.jwks.is_some() || self.jwks_uri.is_some()
    }

    /// The same request, cut to the scopes and grant types that the sponsor may give.
    pub fn within(mut self, scopes: &ScopeSet, grant_types: &[String]) -> Requested {
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

    /// The same request without what would narrow the client's limits.
    pub fn without_limits(mut self) -> Requested {
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

    /// Takes out what the evidence speaks of without being trusted to: else a claim that is not listed would let
    /// the client win over its attester.
    pub fn without(mut self, unlisted: &[String]) -> Requested {
        for name in unlisted {
            let base = base(name);
            self.tagged.retain(|tagged, _| self::base(tagged) != base);
            match base {
                "redirect_uris" => self.redirect_uris = None,
                "token_endpoint_auth_method" => self.token_endpoint_auth_method = None,
                "grant_types" => self.grant_types = None,
                "response_types" => self.response_types = None,
                "scope" => self.scope = None,
                "client_name" => self.client_name = None,
                "client_uri" => self.client_uri = None,
                "logo_uri" => self.logo_uri = None,
                "tos_uri" => self.tos_uri = None,
                "policy_uri" => self.policy_uri = None,
                "contacts" => self.contacts = None,
                "software_id" => self.software_id = None,
                "software_version" => self.software_version = None,
                _ => {}
            }
        }
        self
    }
}

//! What a registration request asks for: RFC 7591 members, by name and by type. [RFC7591 §2]
//!
//! A known member of the wrong type is refused, never coerced; `null` is absent; what is unknown is ignored and
//! not echoed.

mod keys;
mod texts;

use keys::known_members;
pub use keys::{key_set, place_of_keys};
pub use texts::{TAGGABLE, is_label_url};

use crate::records::ApplicationType;
use crate::rejection::Rejection;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::json;
use testudo_protocol::oauth::ScopeSet;

/// Members that a request may set and that a credential's claim of the same name would shadow.
const MEMBERS: [&str; 13] = [
    "redirect_uris",
    "token_endpoint_auth_method",
    "grant_types",
    "response_types",
    "scope",
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "contacts",
    "software_id",
    "software_version",
];

/// Of [RFC8705 §2.1.2]: an administrator's to say, never a client's.
const SUBJECTS_OF_CERTIFICATES: [&str; 5] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

const REDIRECT_URIS_MAX: usize = 20;
const SOFTWARE_BYTES_MAX: usize = 255;

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
        let members: Map<String, Value> = json::from_slice(body).map_err(|_| Rejection::MalformedJson)?;
        Requested::of(members)
    }

    /// Reads the body of a request that replaces the registration of `client_id`. [RFC7592 §2.2]
    pub fn parse_replacement(body: &[u8], client_id: &str) -> Result<Requested, Rejection> {
        let refused = |problem| Rejection::ReplacementMalformed { problem };
        let mut members: Map<String, Value> = json::from_slice(body).map_err(|_| Rejection::MalformedJson)?;
        if members.remove("client_id").as_ref().and_then(Value::as_str) != Some(client_id) {
            return Err(refused("client_id must be there, and be the client's own"));
        }
        let ours = [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
            // [RFC7592 §2.2] If sent, it is the client's secret; there is none that it could be.
            "client_secret",
        ];
        if ours.iter().any(|name| members.contains_key(*name)) {
            return Err(refused("a member was sent that only an answer may have"));
        }
        Requested::of(members)
    }

    /// Reads the members of a request.
    pub fn of(members: Map<String, Value>) -> Result<Requested, Rejection> {
        let members = Members(members);
        if let Some(member) = SUBJECTS_OF_CERTIFICATES
            .into_iter()
            .find(|member| members.present(member).is_some())
        {
            return Err(refused(member, "certificates are named by an administrator only"));
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
            return Err(refused("jwks", "jwks and jwks_uri exclude one another"));
        }
        if requested.dpop_bound_access_tokens && requested.tls_client_certificate_bound_access_tokens {
            let problem = "tokens are bound to a key or to a certificate, not to both";
            return Err(refused("dpop_bound_access_tokens", problem));
        }
        Ok(requested)
    }

    /// True where the request brings keys, or says where they are.
    pub fn has_keys(&self) -> bool {
        self.jwks.is_some() || self.jwks_uri.is_some()
    }

    /// The same request, narrowed to what somebody who vouches for it may give.
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

/// True where a claim of this name speaks of client metadata.
pub fn is_member(claim: &str) -> bool {
    MEMBERS.contains(&base(claim))
}

/// The member that a name means, without its language tag.
pub fn base(name: &str) -> &str {
    match name.split_once('#') {
        Some((member, _)) if TAGGABLE.contains(&member) => member,
        _ => name,
    }
}

struct Members(Map<String, Value>);

fn refused(member: &'static str, problem: &'static str) -> Rejection {
    Rejection::Metadata { member, problem }
}

impl Members {
    fn present(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, Rejection> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(refused(name, "a member that must be a string is none")),
        }
    }

    fn flag(&self, name: &'static str) -> Result<bool, Rejection> {
        match self.present(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(refused(name, "a member that must be true or false is neither")),
        }
    }

    fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, Rejection> {
        let problem = "a member that must be an array of strings is none";
        let Some(value) = self.present(name) else {
            return Ok(None);
        };
        let items = value
            .as_array()
            .filter(|items| items.len() <= 64)
            .ok_or(refused(name, problem))?;
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect();
        texts.map(Some).ok_or(refused(name, problem))
    }

    fn application_type(&self) -> Result<Option<ApplicationType>, Rejection> {
        match self.text("application_type")?.as_deref() {
            None => Ok(None),
            Some("web") => Ok(Some(ApplicationType::Web)),
            Some("native") => Ok(Some(ApplicationType::Native)),
            Some(_) => Err(refused("application_type", "application_type is web or native")),
        }
    }

    /// [OIDCR §2] Asymmetric; `none` must not be used.
    fn signing_algorithm(&self) -> Result<Option<Algorithm>, Rejection> {
        let member = "token_endpoint_auth_signing_alg";
        let Some(name) = self.text(member)? else {
            return Ok(None);
        };
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name);
        algorithm
            .map(Some)
            .ok_or(refused(member, "this signature algorithm is not supported"))
    }

    fn keys(&self) -> Result<Option<Value>, Rejection> {
        let Some(jwks) = self.present("jwks") else {
            return Ok(None);
        };
        key_set(jwks)?;
        Ok(Some(known_members(jwks)))
    }

    fn redirect_uris(&self) -> Result<Option<Vec<String>>, Rejection> {
        let problem = "redirect_uris must be an array of 1 to 20 different URIs";
        let uris = self
            .list("redirect_uris")
            .map_err(|_| Rejection::RedirectUri { problem })?;
        let Some(uris) = uris else { return Ok(None) };
        let is_set = uris
            .iter()
            .enumerate()
            .all(|(at, uri)| !uris.iter().take(at).any(|earlier| earlier == uri));
        let is_good = !uris.is_empty() && uris.len() <= REDIRECT_URIS_MAX && is_set;
        if is_good {
            Ok(Some(uris))
        } else {
            Err(Rejection::RedirectUri { problem })
        }
    }

    /// [RFC6749 §3.3] Values and single spaces; an empty scope is not one.
    fn scope(&self) -> Result<Option<ScopeSet>, Rejection> {
        let problem = "scope must be scope values separated by single spaces";
        let Some(text) = self.text("scope")? else {
            return Ok(None);
        };
        let is_single_spaced = !text.is_empty() && text.split(' ').all(|value| !value.is_empty());
        match ScopeSet::parse(&text) {
            Ok(scope) if is_single_spaced => Ok(Some(scope)),
            _ => Err(refused("scope", problem)),
        }
    }

    fn short(&self, member: &'static str) -> Result<Option<String>, Rejection> {
        match self.text(member)? {
            Some(text) if text.len() > SOFTWARE_BYTES_MAX || !texts::is_visible(&text) => Err(refused(
                member,
                "software_id and software_version must be 1 to 255 bytes of visible text on one line",
            )),
            other => Ok(other),
        }
    }
}

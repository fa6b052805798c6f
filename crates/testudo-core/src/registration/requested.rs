//! What a registration request asks for: RFC 7591 members, by name and by type. [RFC7591 §2]
//!
//! A known member of the wrong type is refused, never coerced; `null` is absent; what is unknown is ignored and
//! not echoed.

use crate::rejection::Rejection;
use serde_json::{Map, Value};
use testudo_protocol::json;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::ScopeSet;

/// Members that a request may set and that a credential's claim of the same name would shadow.
pub const MEMBERS: [&str; 13] = [
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

const REDIRECT_URIS_MAX: usize = 20;
const CONTACTS_MAX: usize = 10;
const CONTACT_BYTES_MAX: usize = 254;
const NAME_CHARACTERS_MAX: usize = 120;
const SOFTWARE_BYTES_MAX: usize = 255;

/// A registration request, by its members. Self-asserted, all of it. [RFC7591 §5]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7591")]
pub struct Requested {
    pub software_statement: Option<String>,
    pub client_id: Option<String>,
    pub spiffe_id: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub token_endpoint_auth_method: Option<String>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub scope: Option<ScopeSet>,
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub logo_uri: Option<String>,
    pub tos_uri: Option<String>,
    pub policy_uri: Option<String>,
    pub contacts: Option<Vec<String>>,
    pub software_id: Option<String>,
    pub software_version: Option<String>,
    pub has_keys: bool,
    pub dpop_bound_access_tokens: bool,
    pub tls_client_certificate_bound_access_tokens: bool,
}

impl Requested {
    /// Reads the body of a request. [RFC7591 §3.1]
    pub fn parse(body: &[u8]) -> Result<Requested, Rejection> {
        let members: Map<String, Value> = json::from_slice(body).map_err(|_| Rejection::MalformedJson)?;
        let members = Members(members);
        Ok(Requested {
            software_statement: members.text("software_statement")?,
            client_id: members.text("client_id")?,
            spiffe_id: members.text("spiffe_id")?,
            redirect_uris: members.redirect_uris()?,
            token_endpoint_auth_method: members.text("token_endpoint_auth_method")?,
            grant_types: members.list("grant_types")?,
            response_types: members.list("response_types")?,
            scope: members.scope()?,
            client_name: members.name("client_name")?,
            client_uri: members.url("client_uri")?,
            logo_uri: members.url("logo_uri")?,
            tos_uri: members.url("tos_uri")?,
            policy_uri: members.url("policy_uri")?,
            contacts: members.contacts()?,
            software_id: members.short("software_id")?,
            software_version: members.short("software_version")?,
            has_keys: members.present("jwks").is_some() || members.present("jwks_uri").is_some(),
            dpop_bound_access_tokens: members.flag("dpop_bound_access_tokens")?,
            tls_client_certificate_bound_access_tokens: members
                .flag("tls_client_certificate_bound_access_tokens")?,
        })
    }

    /// Takes out what the evidence speaks of without being trusted to: else a claim that is not listed would let
    /// the client win over its attester.
    pub fn without(mut self, unlisted: &[String]) -> Requested {
        for name in unlisted {
            match name.as_str() {
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

    /// Text that a person will read: no controls, no line breaks, nothing that turns the direction of writing.
    fn name(&self, member: &'static str) -> Result<Option<String>, Rejection> {
        let Some(text) = self.text(member)? else {
            return Ok(None);
        };
        let is_hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let trimmed = text.trim();
        let is_good = !trimmed.is_empty()
            && trimmed.chars().count() <= NAME_CHARACTERS_MAX
            && !trimmed.chars().any(is_hidden);
        if is_good {
            return Ok(Some(trimmed.to_owned()));
        }
        Err(refused(
            member,
            "client_name must be 1 to 120 visible characters on one line",
        ))
    }

    fn url(&self, member: &'static str) -> Result<Option<String>, Rejection> {
        let Some(text) = self.text(member)? else {
            return Ok(None);
        };
        let url = url::Url::parse(&text).ok().filter(|url| {
            url.scheme() == "https"
                && url.username().is_empty()
                && url.password().is_none()
                && text.len() <= IDENTIFIER_BYTES_MAX
        });
        let is_plain = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if url.is_some() && is_plain {
            return Ok(Some(text));
        }
        Err(refused(
            member,
            "a label URL must be https, absolute and without user information",
        ))
    }

    fn contacts(&self) -> Result<Option<Vec<String>>, Rejection> {
        let contacts = self.list("contacts")?;
        let is_good = |list: &Vec<String>| {
            list.len() <= CONTACTS_MAX
                && list.iter().all(|text| {
                    !text.is_empty() && text.len() <= CONTACT_BYTES_MAX && !text.chars().any(char::is_control)
                })
        };
        match contacts {
            Some(list) if !is_good(&list) => {
                Err(refused("contacts", "contacts must be at most 10 short texts"))
            }
            other => Ok(other),
        }
    }

    fn short(&self, member: &'static str) -> Result<Option<String>, Rejection> {
        match self.text(member)? {
            Some(text)
                if text.is_empty()
                    || text.len() > SOFTWARE_BYTES_MAX
                    || text.chars().any(char::is_control) =>
            {
                Err(refused(
                    member,
                    "software_id and software_version are 1 to 255 bytes",
                ))
            }
            other => Ok(other),
        }
    }
}

//! `[[clients]]`: clients that the configuration names: with keys of their own, or public ones.

use super::checker::Checker;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use testudo_core::Authority;
use testudo_core::identity::SenderConstraint;
use testudo_core::metadata::keys::key_set;
use testudo_core::policy::{AuthorityPolicy, ConfiguredClient};
use testudo_core::rules::reserved_ids::built_in;
use testudo_core::rules::{ConsentForm, PushedAuthorization, Rule, RuleSpec};
use testudo_protocol::jose::KeySet;
use testudo_protocol::json;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::is_vschar;

/// `[[clients]]`: a client that the configuration names, with keys of its own, or without a credential.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientSection {
    /// Its identifier. Neither a SPIFFE ID nor an https URL. Required.
    pub client_id: String,
    /// The public keys of the client, in one of `file` and `keys`. For `private_key_jwt`: keys that verify its assertions.
    /// For `self_signed_tls_client_auth`: keys whose `x5c` begins with a certificate.
    pub jwks: Option<JwksSection>,
    /// How the client authenticates. `"none"` is for programs that cannot keep a key, such as those on the devices of
    /// people: they get only what people grant. Default: `"private_key_jwt"`.
    pub token_endpoint_auth_method: Option<String>,
    /// For `tls_client_auth`: PEM file with the certificate authorities of this client. No others are used.
    pub tls_client_ca: Option<String>,
    /// For `tls_client_auth`: the subject of the certificate (RFC 4514). Exactly one `tls_client_auth_…` is required.
    pub tls_client_auth_subject_dn: Option<String>,
    /// For `tls_client_auth`: a DNS name of the certificate.
    pub tls_client_auth_san_dns: Option<String>,
    /// For `tls_client_auth`: a URI of the certificate, but no SPIFFE ID.
    pub tls_client_auth_san_uri: Option<String>,
    /// For `tls_client_auth`: an IP address of the certificate.
    pub tls_client_auth_san_ip: Option<String>,
    /// For `tls_client_auth`: an email address of the certificate.
    pub tls_client_auth_san_email: Option<String>,
    /// The name of the client that people see.
    pub client_name: Option<String>,
    /// Scope values that may be asked for.
    pub scopes: Vec<String>,
    /// Scope values given when none is asked for.
    pub default_scopes: Vec<String>,
    /// Resources that tokens may be for; the first is the default.
    pub resources: Vec<String>,
    /// Grant types that the client may use. Default: `["client_credentials"]`, and `["authorization_code"]` for a client
    /// without a credential.
    pub grant_types: Option<Vec<String>>,
    /// Redirect URIs to which codes may be sent: https, or http on loopback for a program of the person's own device.
    /// Default: none.
    pub redirect_uris: Vec<String>,
    /// Whether authorization requests of the client must be pushed. Default: `"optional"`: its redirect URIs are written
    /// here, so a browser may bring its requests.
    pub pushed_authorization: Option<PushedAuthorization>,
    /// Whether a person is asked before the client gets access: `"trusted"` asks never, and is for applications of your
    /// own with https redirect URIs. Default: `"explicit"`.
    pub consent: ConsentForm,
    /// Lifetime of a code, at most `"10m"`. Default: `"60s"`.
    pub code_lifetime: Option<String>,
    /// For how long a person grants access, or `"none"` for no end. Default: `"90d"`.
    pub authorization_lifetime: Option<String>,
    /// A refresh token that was not used for this time ends. Default: `"14d"`.
    pub refresh_token_idle_lifetime: Option<String>,
    /// For how long a refresh token may be sent again after its first use, until its successor is used; `"0s"` for never.
    /// Default: `"30s"`.
    pub refresh_token_grace: Option<String>,
    /// Groups of people who may use the client: `PROVIDER/GROUP`, or a group of this server. Default: none; then every
    /// person may.
    pub groups: Vec<String>,
    /// Audiences whose tokens the client may introspect, besides tokens of its own. Default: none.
    pub introspects: Vec<String>,
    /// Names of attesters. Besides its own authentication the client must show an attestation of one of them for its
    /// client id. Default: none.
    pub attested_by: Vec<String>,
    /// What a token must be bound to. Default: `"none"`.
    pub sender_constraint: Option<SenderConstraint>,
    /// A shorter lifetime of access tokens. Default: that of `tokens.access_token_lifetime`.
    pub access_token_lifetime: Option<String>,
}

/// Public keys: in a file, or written here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JwksSection {
    /// Path of a file with a JWK Set.
    pub file: Option<String>,
    /// The keys, as members of a JWK Set.
    pub keys: Option<Vec<serde_json::Map<String, serde_json::Value>>>,
}

impl Checker<'_> {
    pub(super) fn clients(
        &mut self,
        sections: &[ClientSection],
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) -> HashMap<Box<str>, ConfiguredClient> {
        let mut clients = HashMap::new();
        for (position, section) in sections.iter().enumerate() {
            let key = format!("clients[{position}]");
            let id = section.client_id.as_str();
            let is_legal = !id.is_empty()
                && id.len() <= IDENTIFIER_BYTES_MAX
                && is_vschar(id)
                && !matches!(
                    built_in(id),
                    Some("c_" | "u_" | "spiffe:" | "http:" | "https:" | "vc:")
                );
            if !is_legal && !self.report.is_unread(&format!("{key}.client_id")) {
                self.report.error(
                    format!("{key}.client_id"),
                    format!("{id:?} cannot be a configured client's id"),
                    None,
                );
            }
            let first = sections.iter().position(|known| known.client_id == id);
            if let Some(first) = first.filter(|first| *first < position && !id.is_empty()) {
                let first = format!("clients[{first}].client_id");
                self.report.twice(&format!("{key}.client_id"), id, &first);
            }
            let method = self.client_method(&key, section);
            self.attesters_are_configured(&format!("{key}.attested_by"), &section.attested_by, authorities);
            let spec = RuleSpec {
                name: format!("client {id}"),
                attested_by: section.attested_by.clone(),
                scopes: section.scopes.clone(),
                default_scopes: section.default_scopes.clone(),
                resources: section.resources.clone(),
                grant_types: section.grant_types(),
                client_name: section.client_name.clone(),
                access_token_lifetime: section.access_token_lifetime.clone(),
                sender_constraint: section.sender_constraint,
                redirect_uris: section.redirect_uris.clone(),
                pushed_authorization: section.pushed_authorization,
                consent: section.consent,
                code_lifetime: section.code_lifetime.clone(),
                authorization_lifetime: section.authorization_lifetime.clone(),
                refresh_token_idle_lifetime: section.refresh_token_idle_lifetime.clone(),
                refresh_token_grace: section.refresh_token_grace.clone(),
                groups: section.groups.clone(),
                introspects: section.introspects.clone(),
                ..RuleSpec::default()
            };
            match (Rule::compile_for_client(&spec), method) {
                (Ok(rule), Some(method)) => {
                    clients.insert(id.into(), ConfiguredClient { method, rule });
                }
                (Ok(_), None) => {}
                (Err(errors), _) => self.rule_errors(&key, errors),
            }
        }
        clients
    }

    /// The keys of a client, and its key set as a document.
    pub(super) fn client_keys(
        &mut self,
        key: &str,
        section: Option<&JwksSection>,
    ) -> Option<(KeySet, Value)> {
        let key = format!("{key}.jwks");
        let bytes = match section {
            Some(JwksSection {
                file: Some(file),
                keys: None,
            }) => {
                let path = self.path(file);
                match std::fs::read(&path) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        let problem = format!("{} cannot be read: {error}", path.display());
                        self.report.error(format!("{key}.file"), problem, None);
                        return None;
                    }
                }
            }
            Some(JwksSection {
                file: None,
                keys: Some(keys),
            }) => json!({ "keys": keys }).to_string().into_bytes(),
            _ if self.report.is_unread(&key) => return None,
            _ => {
                self.report
                    .error(&key, "must have exactly one of file, keys", None);
                return None;
            }
        };
        let keys = match json::from_slice::<Value>(&bytes) {
            Ok(jwks) => key_set(&jwks)
                .map(|keys| (keys, jwks))
                .map_err(|reason| reason.to_string()),
            Err(fault) => Err(format!("it is not JSON: {fault}")),
        };
        let keys = keys.map_err(|problem| {
            self.report.error(
                &key,
                format!("is not a JWK Set of usable public keys: {problem}"),
                Some("at least one of the keys must verify signatures; keys for encryption are ignored"),
            );
        });
        keys.ok()
    }
}

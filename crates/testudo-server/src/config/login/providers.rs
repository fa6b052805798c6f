//! `[[login.providers]]`: the OpenID Connect providers at which people sign in.

use super::super::checker::Checker;
use super::super::sent_secret::{SecretForm, SentSecret};
use super::super::store::SecretText;
use super::is_text_for_people;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use testudo_core::identity::{ClaimSource, ClaimValue};
use testudo_protocol::oauth::{IssuerMetadataUrls, IssuerUrl, Scope};

/// `[[login.providers]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSection {
    /// Name of the provider: lower-case letters, digits and `-`. The redirect URI to register there is
    /// `ISSUER/login/callback/NAME`, and the groups of its people are named `NAME/GROUP`. Required.
    pub name: String,
    /// The text of its button. Default: its name.
    pub label: Option<String>,
    /// The issuer identifier of the provider, exactly as its ID tokens have it; its metadata is found by it. Required.
    pub issuer: String,
    /// The client id that the provider gave to this server. Required.
    pub client_id: String,
    /// The client secret that the provider gave to this server. Default: none; then this server signs assertions
    /// (`private_key_jwt`) with a key that it publishes at `ISSUER/login/jwks`.
    pub client_secret: Option<SecretText>,
    /// What is asked of the provider; `openid` must be there. Default: `["openid", "profile", "email"]`.
    pub scopes: Option<Vec<String>>,
    /// What is taken from ID tokens besides `sub`, `name` and `email`.
    pub claims: ProviderClaims,
    /// Values that claims of the ID token must have: equal, and of the same type. A person without them is refused. The
    /// entry needs this or `allow_everyone`.
    pub allow: BTreeMap<String, ClaimValue>,
    /// Every person with an account at the provider may sign in. The entry needs this or `allow`. Default: `false`.
    pub allow_everyone: bool,
    /// Values of `acr` of the provider that tokens of this server repeat. Default: none.
    pub acr: Vec<String>,
}

/// `login.providers.claims`: what is taken from ID tokens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderClaims {
    /// The claim with the groups of the person: a list of texts.
    pub groups: Option<String>,
}

/// A checked provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Its name, as in the redirect URI and in groups.
    pub name: String,
    /// The text of its button.
    pub label: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// Where its metadata is.
    pub metadata: url::Url,
    /// The client id of this server there.
    pub client_id: String,
    /// The client secret; `None`: `private_key_jwt`.
    pub client_secret: Option<SentSecret>,
    /// What is asked of it.
    pub scopes: Vec<String>,
    /// The claim with groups.
    pub groups: Option<ClaimSource>,
    /// Who may sign in.
    pub allowed: Allowed,
    /// Values of `acr` that are repeated.
    pub acr: Vec<String>,
}

/// Who of the people of a provider may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// All people of the provider.
    Everyone,
    /// Those whose ID token has these claims.
    Claims(Vec<(ClaimSource, ClaimValue)>),
}

/// Characters of the text of a button.
const LABEL_CHARACTERS_MAX: usize = 60;

/// [RFC6749 §A.2] The form of a client secret. Base64 of it, with the client id, is the content of a header field.
const CLIENT_SECRET: SecretForm = SecretForm {
    is_met: |text| {
        !text.is_empty() && text.len() <= 4096 && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
    },
    problem: "is not a client secret: printable ASCII on one line",
    hint: "write the secret as the provider shows it, alone in the file",
};

/// True for lower-case letters, digits and `-`, a letter first: the name is a part of a URL and of the names of groups.
fn is_name(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.len() <= 64
        && text.bytes().all(is_legal)
}

impl Checker<'_> {
    pub(super) fn providers(
        &mut self,
        sections: &[ProviderSection],
        ours: Option<&IssuerUrl>,
    ) -> Vec<ProviderSettings> {
        let (mut names, mut issuers) = (HashMap::new(), HashMap::new());
        let mut providers = Vec::new();
        for (entry, section) in sections.iter().enumerate() {
            let key = format!("login.providers[{entry}]");
            self.is_first(&format!("{key}.name"), &section.name, &mut names);
            // A person is (issuer, `sub`): one provider under two names would be two ways into one account, with the
            // weaker of both `allow`.
            self.is_first(&format!("{key}.issuer"), &section.issuer, &mut issuers);
            if ours.is_some_and(|ours| ours.as_str() == section.issuer) {
                let problem = "is this server itself, which is no OpenID provider";
                self.report.refuse(format!("{key}.issuer"), problem, None);
            }
            providers.extend(self.provider(&key, section));
        }
        providers
    }

    fn is_first<'t>(&mut self, key: &str, text: &'t str, earlier: &mut HashMap<&'t str, String>) {
        match earlier.get(text) {
            // A missing value is an error of its own.
            Some(first) if !text.is_empty() => self.report.twice(key, text, first),
            _ => drop(earlier.insert(text, key.to_owned())),
        }
    }

    fn provider(&mut self, key: &str, section: &ProviderSection) -> Option<ProviderSettings> {
        let name = self.provider_name(key, &section.name);
        let label = section.label.as_ref().unwrap_or(&section.name);
        if section.label.is_some() && !is_text_for_people(label, LABEL_CHARACTERS_MAX) {
            let problem = format!("is not a text of 1 to {LABEL_CHARACTERS_MAX} characters on one line");
            self.report.error(format!("{key}.label"), problem, None);
        }
        let metadata = self.provider_issuer(key, &section.issuer);
        let client_id_key = format!("{key}.client_id");
        let is_printable = section
            .client_id
            .bytes()
            .all(|byte| (0x20..=0x7e).contains(&byte));
        if !self.is_there(&client_id_key, &section.client_id) {
            // Reported.
        } else if !is_printable {
            // [RFC6749 §A.1]
            self.report.error(client_id_key, "is not printable ASCII", None);
        }
        let client_secret = match &section.client_secret {
            None => Some(None),
            Some(secret) => self
                .sent_secret(&format!("{key}.client_secret"), secret, &CLIENT_SECRET)
                .map(Some),
        };
        let scopes = self.provider_scopes(key, section.scopes.as_deref());
        let groups = section.claims.groups.as_deref();
        let groups = groups.and_then(|source| self.claim(&format!("{key}.claims.groups"), source));
        for (entry, acr) in section.acr.iter().enumerate() {
            if acr.is_empty() || acr.contains(char::is_whitespace) {
                let problem = format!("{acr:?} is not a value of acr");
                self.report.error(format!("{key}.acr[{entry}]"), problem, None);
            }
        }
        let allowed = self.allowed(key, section);
        Some(ProviderSettings {
            name: name?,
            label: label.clone(),
            issuer: section.issuer.clone(),
            metadata: metadata?,
            client_id: section.client_id.clone(),
            client_secret: client_secret?,
            scopes: scopes?,
            groups,
            allowed: allowed?,
            acr: section.acr.clone(),
        })
    }

    fn provider_name(&mut self, key: &str, name: &str) -> Option<String> {
        let key = format!("{key}.name");
        if !self.is_there(&key, name) {
            return None;
        }
        if !is_name(name) {
            self.report
                .error(key, format!("{name:?} is not the name of a provider"), None);
            return None;
        }
        Some(name.to_owned())
    }

    /// False for a value that is missing, which is reported unless it could not be read.
    fn is_there(&mut self, key: &str, text: &str) -> bool {
        if text.is_empty() && !self.report.is_unread(key) {
            self.report.error(key, "is missing", None);
        }
        !text.is_empty()
    }

    /// The URL of the metadata of the provider. [OIDCD §4]
    fn provider_issuer(&mut self, key: &str, issuer: &str) -> Option<url::Url> {
        let key = format!("{key}.issuer");
        if !self.is_there(&key, issuer) {
            return None;
        }
        match IssuerMetadataUrls::of(issuer) {
            Ok(urls) => {
                if urls.openid.scheme() == "http" {
                    self.uses_http(key);
                }
                Some(urls.openid)
            }
            Err(problem) => {
                let hint = "write the `issuer` of its metadata, exactly as it is there";
                self.report
                    .error(key, format!("{issuer:?} {problem}"), Some(hint));
                None
            }
        }
    }

    /// [OIDCC §3.1.2.1] Without `openid`, the provider issues no ID token.
    fn provider_scopes(&mut self, key: &str, scopes: Option<&[String]>) -> Option<Vec<String>> {
        let Some(scopes) = scopes else {
            return Some(["openid", "profile", "email"].map(str::to_owned).into());
        };
        let key = format!("{key}.scopes");
        let mut are_good = true;
        for (entry, scope) in scopes.iter().enumerate() {
            if let Err(problem) = Scope::parse(scope) {
                let problem = format!("{scope:?} {problem}");
                self.report.error(format!("{key}[{entry}]"), problem, None);
                are_good = false;
            }
        }
        if !scopes.iter().any(|scope| scope == "openid") {
            let hint = "add \"openid\": without it, a provider issues no ID token";
            self.report.refuse(key, "does not contain \"openid\"", Some(hint));
            are_good = false;
        }
        are_good.then(|| scopes.to_vec())
    }

    fn claim(&mut self, key: &str, source: &str) -> Option<ClaimSource> {
        match ClaimSource::parse(source) {
            Ok(source) => Some(source),
            Err(problem) => {
                self.report.error(key, format!("{source:?} {problem}"), None);
                None
            }
        }
    }

    /// `allow` or `allow_everyone`: a public provider has accounts for every person, so an administrator must choose.
    fn allowed(&mut self, key: &str, section: &ProviderSection) -> Option<Allowed> {
        let names_some = !section.allow.is_empty();
        match (names_some, section.allow_everyone) {
            (true, false) => {
                let claims = section.allow.iter().filter_map(|(source, value)| {
                    let source = self.claim(&format!("{key}.allow.{source}"), source)?;
                    Some((source, value.clone()))
                });
                let claims: Vec<_> = claims.collect();
                // A claim that cannot be read must not make the provider open to more people.
                (claims.len() == section.allow.len()).then_some(Allowed::Claims(claims))
            }
            (false, true) => Some(Allowed::Everyone),
            (false, false) => {
                if !self.report.is_unread(key) {
                    let problem = "does not state who may sign in";
                    let hint = "write allow = { CLAIM = \"VALUE\" } with claims that the people of your organisation have, or allow_everyone = true";
                    self.report.refuse(key, problem, Some(hint));
                }
                None
            }
            (true, true) => {
                let problem = "is true although `allow` names claims";
                let hint = "remove one of both";
                self.report
                    .refuse(format!("{key}.allow_everyone"), problem, Some(hint));
                None
            }
        }
    }
}

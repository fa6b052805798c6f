//! `issuers.jwks`: where the keys of an issuer are, and what the server there requires.

use super::checker::Checker;
use super::keys_token::KeysToken;
use super::store::SecretText;
use super::trust::{BundleOrigin, BundleSource, MAX_STALENESS};
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_core::Authority;
use testudo_protocol::oauth::IssuerMetadataUrls;
use zeroize::Zeroizing;

/// `issuers.jwks`: exactly one of `file`, `url` and `discovery`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IssuerKeysSection {
    /// Path of a file with the JWK Set; read again when it changes.
    pub file: Option<String>,
    /// https URL of the JWK Set.
    pub url: Option<String>,
    /// PEM file with the only roots that verify the server of `url`, or of the issuer, in place of those of the system and
    /// of `outbound.ca`. It is read with the configuration. Default: the roots of the system and of `outbound.ca`.
    pub ca: Option<String>,
    /// A bearer token that the server of `url`, or of the issuer, requires. It is sent to that scheme, host and port only.
    /// A file is read at each fetch, since such tokens expire.
    pub token: Option<SecretText>,
    /// True: the metadata of the issuer (OpenID Connect Discovery, else RFC 8414) names the URL of the JWK Set in
    /// `jwks_uri`. The metadata must name exactly `issuer`. If the URL is on another server, it must be https at port 443
    /// of a public address, and gets neither `token` nor the roots of `ca`. Default: `false`.
    pub discovery: Option<bool>,
}

impl Checker<'_> {
    /// The source of the keys of an issuer.
    pub(super) fn issuer_keys(
        &mut self,
        key: &str,
        authority: &Authority,
        issuer: Option<&str>,
        section: Option<&IssuerKeysSection>,
    ) -> Option<BundleSource> {
        let key = format!("{key}.jwks");
        let nothing = IssuerKeysSection::default();
        let keys = section.unwrap_or(&nothing);
        let origin = match (&keys.file, &keys.url, keys.discovery.unwrap_or_default()) {
            (Some(file), None, false) => BundleOrigin::File(self.path(file)),
            (None, Some(url), false) => self.keys_url(&key, url)?,
            (None, None, true) => self.keys_by_discovery(&key, issuer)?,
            _ if self.report.is_unread(&key) => return None,
            _ => {
                let problem = "must have exactly one of file, url, discovery = true";
                self.report.error(key, problem, None);
                return None;
            }
        };
        let origin = match &keys.token {
            None => origin,
            Some(token) => self.with_token(&format!("{key}.token"), token, origin)?,
        };
        Some(BundleSource {
            authority: authority.clone(),
            origin: self.with_roots(&key, keys.ca.as_deref(), origin)?,
            max_staleness: MAX_STALENESS,
        })
    }

    fn keys_by_discovery(&mut self, key: &str, issuer: Option<&str>) -> Option<BundleOrigin> {
        let key = format!("{key}.discovery");
        let Some(issuer) = issuer else {
            let hint = Some("set `issuer` of the entry to the `iss` of its credentials");
            self.report
                .error(key, "needs the `issuer` whose metadata is read", hint);
            return None;
        };
        match IssuerMetadataUrls::of(issuer) {
            Ok(urls) => {
                if urls.openid.scheme() == "http" {
                    self.report
                        .warn(key, "uses http: fit for trials on this machine only", None);
                }
                Some(BundleOrigin::Discovery {
                    issuer: issuer.into(),
                    urls,
                    roots: None,
                    token: None,
                })
            }
            Err(why) => {
                let problem = format!("finds no metadata of {issuer:?}: the issuer {why}");
                self.report
                    .error(key, problem, Some("set url or file in the place of discovery"));
                None
            }
        }
    }

    /// The origin with a token, which only a URL has a use for.
    pub(super) fn with_token(
        &mut self,
        key: &str,
        secret: &SecretText,
        mut origin: BundleOrigin,
    ) -> Option<BundleOrigin> {
        let (BundleOrigin::HttpsWeb { token, .. } | BundleOrigin::Discovery { token, .. }) = &mut origin
        else {
            let problem = "is for the server of a URL, and the keys come from a file";
            self.report.error(key, problem, Some("remove it"));
            return None;
        };
        let bytes = self.secret(key, secret)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        // [RFC6750 §2.1] The syntax of a bearer token; anything else could not be sent in a header field.
        if !testudo_protocol::oauth::is_token68(text) {
            let hint = "write the token alone, without `Bearer`";
            self.report.refuse(key, "is not a bearer token", Some(hint));
            return None;
        }
        *token = Some(match secret {
            SecretText::File { file } => {
                let path = self.path(file);
                self.warn_if_exposed(key, &path);
                KeysToken::File(path)
            }
            SecretText::Env { .. } | SecretText::Text(_) => KeysToken::Text(Zeroizing::new(text.to_owned())),
        });
        Some(origin)
    }
}

//! `issuers.jwks`: where the keys of an issuer are, and what the server there requires.

use super::bundle_origin::{BundleOrigin, BundleSource, KeyChanges};
use super::checker::Checker;
use super::issuer_documents::{CertificatesSection, KeyChange};
use super::sent_secret::SecretForm;
use super::store::SecretText;
use super::trust::MAX_STALENESS;
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_core::Authority;
use testudo_protocol::base64url;
use testudo_protocol::oauth::IssuerMetadataUrls;

/// `issuers.jwks`: exactly one of `file`, `url` and `discovery`; for `verifiable_credential` also `did`, `jwt_vc_issuer` and
/// `x5c`.
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
    /// For `verifiable_credential`: true if `issuer` is a DID. The document of a `did:web` has the keys in
    /// `assertionMethod`; a `did:key` or `did:jwk` contains its key. Default: `false`.
    pub did: Option<bool>,
    /// For `verifiable_credential`: true if the issuer publishes its keys, or their URL, in the document
    /// `/.well-known/jwt-vc-issuer`. Default: `false`.
    pub jwt_vc_issuer: Option<bool>,
    /// For `verifiable_credential`: the certificate authorities of the issuer. Each credential then has the certificate of
    /// the issuer in the header parameter `x5c`.
    pub x5c: Option<CertificatesSection>,
    /// JWK thumbprints (RFC 7638, SHA-256 in base64url) of the only keys that are used. Default: all keys of the document.
    pub pin: Option<Vec<String>>,
    /// What happens when the document has a key that the one before did not have: a new key, or one that was withdrawn.
    /// With `hold`, the keys before are used until an administrator runs `testudo trust accept`, at most for an hour.
    /// Default: `"alarm"`.
    pub key_change: Option<KeyChange>,
}

const EXACTLY_ONE: &str = "must have exactly one of file, url, discovery = true; or, if `kind` allows it, did = true, jwt_vc_issuer = true, x5c";

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
        let origin = self.keys_origin(&key, keys, issuer)?;
        let origin = match &keys.token {
            None => origin,
            Some(token) => self.with_token(&format!("{key}.token"), token, origin)?,
        };
        let key_changes = self.key_changes(&key, keys, &origin);
        Some(BundleSource {
            authority: authority.clone(),
            origin: self.with_roots(&key, keys.ca.as_deref(), origin)?,
            max_staleness: MAX_STALENESS,
            key_changes,
        })
    }

    /// The only source that is written.
    fn keys_origin(
        &mut self,
        key: &str,
        keys: &IssuerKeysSection,
        issuer: Option<&str>,
    ) -> Option<BundleOrigin> {
        let is_on = |switch: Option<bool>| switch.unwrap_or_default().then_some(());
        let (discovery, did) = (is_on(keys.discovery), is_on(keys.did));
        match (
            &keys.file,
            &keys.url,
            discovery,
            did,
            is_on(keys.jwt_vc_issuer),
            &keys.x5c,
        ) {
            (Some(file), None, None, None, None, None) => Some(BundleOrigin::File(self.path(file))),
            (None, Some(url), None, None, None, None) => self.keys_url(key, url),
            (None, None, Some(()), None, None, None) => self.keys_by_discovery(key, issuer),
            (None, None, None, Some(()), None, None) => self.keys_of_did(key, issuer),
            (None, None, None, None, Some(()), None) => self.keys_of_metadata(key, issuer),
            (None, None, None, None, None, Some(section)) => self.keys_of_certificate(key, section),
            _ => {
                if !self.report.is_unread(key) {
                    self.report.error(key, EXACTLY_ONE, None);
                }
                None
            }
        }
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
                    self.uses_http(key);
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
        let (BundleOrigin::HttpsWeb { token, .. }
        | BundleOrigin::Discovery { token, .. }
        | BundleOrigin::JwtVcIssuer { token, .. }) = &mut origin
        else {
            let problem = "is for the server of a URL, and the keys come from a file or a DID";
            self.report.error(key, problem, Some("remove it"));
            return None;
        };
        // [RFC6750 §2.1] The syntax of a bearer token; anything else could not be sent in a header field.
        let form = SecretForm {
            is_met: testudo_protocol::oauth::is_token68,
            problem: "is not a bearer token",
            hint: "write the token alone, without `Bearer`",
        };
        *token = Some(self.sent_secret(key, secret, &form)?);
        Some(origin)
    }

    /// `pin` and `key_change`: which keys of the document are used.
    fn key_changes(&mut self, key: &str, section: &IssuerKeysSection, origin: &BundleOrigin) -> KeyChanges {
        let mut pins = Vec::new();
        for (entry, text) in section.pin.iter().flatten().enumerate() {
            match base64url::parse(text) {
                Some(thumbprint) => pins.push(thumbprint),
                None => {
                    let hint = Some("`testudo trust show` prints the thumbprints of the keys of an issuer");
                    let problem =
                        format!("{text:?} is not the SHA-256 thumbprint of a JWK (RFC 7638) in base64url");
                    self.report.error(format!("{key}.pin[{entry}]"), problem, hint);
                }
            }
        }
        if section.pin.as_ref().is_some_and(Vec::is_empty) {
            let problem = "is empty: no key of the issuer would be used";
            self.report.error(
                format!("{key}.pin"),
                problem,
                Some("remove it, or list thumbprints"),
            );
        }
        let are_held = section.key_change == Some(KeyChange::Hold);
        let has_keys = !matches!(origin, BundleOrigin::Did(_) | BundleOrigin::Certificates { .. });
        for (name, is_written) in [
            ("pin", section.pin.is_some()),
            ("key_change", section.key_change.is_some()),
        ] {
            if is_written && !has_keys {
                let problem = "has no effect: it is for keys that their publisher can replace";
                self.report
                    .warn(format!("{key}.{name}"), problem, Some("remove it"));
            }
        }
        KeyChanges { pins, are_held }
    }
}

//! Where the keys of issuers of verifiable credentials are: in a DID or its document, in the metadata of the issuer, or in a
//! certificate.

use super::bundle_origin::BundleOrigin;
use super::checker::Checker;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testudo_protocol::client_certificate::ExpectedName;
use testudo_protocol::credentials::did::Did;
use testudo_protocol::credentials::issuer_metadata;

/// `issuers.jwks.x5c`: the certificates of an issuer of credentials.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CertificatesSection {
    /// PEM file with the certificates of the authorities that issue the certificate of the issuer; read again when it
    /// changes. The section needs it.
    pub anchors: Option<String>,
    /// The URI that the certificate of the issuer has in subjectAltName, exactly. The section needs this or `dns_san`.
    pub uri_san: Option<String>,
    /// The host name that the certificate of the issuer has in subjectAltName. The section needs this or `uri_san`. A
    /// certificate for TLS only (extended key usage serverAuth, clientAuth or both, and nothing else) is refused.
    pub dns_san: Option<String>,
}

/// What happens when an issuer publishes a key that it never published before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// It is used, and an event states that the keys changed.
    #[default]
    Alarm,
    /// The document is held back until an administrator accepts it.
    Hold,
}

impl Checker<'_> {
    /// `did = true`: the issuer is a DID.
    pub(super) fn keys_of_did(&mut self, key: &str, issuer: Option<&str>) -> Option<BundleOrigin> {
        let key = format!("{key}.did");
        let issuer = self.issuer_of_keys(&key, issuer)?;
        if !issuer.starts_with("did:") {
            let hint = Some("set `issuer` of the entry to a DID of the method web, key or jwk");
            let problem = format!("needs a DID, and the issuer is {issuer:?}");
            self.report.error(key, problem, hint);
            return None;
        }
        // A DID that cannot be parsed is a problem of `issuer`.
        let did = Did::parse(issuer).ok()?;
        let Some(url) = did.document_url() else {
            let key_of_did = did.own_key().and_then(|key| key.public_key());
            let thumbprint = key_of_did.map(|key| URL_SAFE_NO_PAD.encode(key.thumbprint()));
            let problem = format!(
                "trusts the key {} for ever: the key of this DID cannot be replaced, and its holder cannot withdraw it",
                thumbprint.unwrap_or_default()
            );
            let hint = Some("prefer did:web or another source, and set a short lifetime_max");
            self.report.warn(key, problem, hint);
            return Some(BundleOrigin::Did(did));
        };
        match url::Url::parse(&url) {
            Ok(url) => Some(BundleOrigin::DidWeb {
                did,
                url,
                roots: None,
            }),
            Err(error) => {
                self.report.error(key, format!("{url} is no URL: {error}"), None);
                None
            }
        }
    }

    /// `jwt_vc_issuer = true`: the issuer publishes metadata.
    pub(super) fn keys_of_metadata(&mut self, key: &str, issuer: Option<&str>) -> Option<BundleOrigin> {
        let key = format!("{key}.jwt_vc_issuer");
        let issuer = self.issuer_of_keys(&key, issuer)?;
        let url = issuer_metadata::url(issuer).and_then(|url| url::Url::parse(&url).ok());
        let Some(url) = url else {
            let problem = format!(
                "finds no metadata of {issuer:?}: the issuer is not an https URL without query and fragment"
            );
            self.report.error(
                key,
                problem,
                Some("set url or file in the place of jwt_vc_issuer"),
            );
            return None;
        };
        Some(BundleOrigin::JwtVcIssuer {
            issuer: issuer.into(),
            url,
            roots: None,
            token: None,
        })
    }

    fn issuer_of_keys<'i>(&mut self, key: &str, issuer: Option<&'i str>) -> Option<&'i str> {
        if issuer.is_none() {
            let hint = Some("set `issuer` of the entry to the issuer in its credentials");
            self.report
                .error(key, "needs the `issuer` whose keys are read", hint);
        }
        issuer
    }

    /// `x5c`: each credential has the certificate of the issuer in its header.
    pub(super) fn keys_of_certificate(
        &mut self,
        key: &str,
        section: &CertificatesSection,
    ) -> Option<BundleOrigin> {
        let key = format!("{key}.x5c");
        let Some(anchors) = &section.anchors else {
            if !self.report.is_unread(&key) {
                self.report.error(format!("{key}.anchors"), "is required", None);
            }
            return None;
        };
        let name = match (&section.uri_san, &section.dns_san) {
            (Some(uri), None) if !uri.is_empty() => ExpectedName::Uri(uri.clone()),
            (None, Some(name)) if !name.is_empty() => ExpectedName::Dns(name.clone()),
            _ => {
                let problem = "must have exactly one of uri_san and dns_san: a valid path to an authority names no issuer";
                let hint =
                    Some("`openssl x509 -noout -ext subjectAltName` prints the names of a certificate");
                self.report.error(key, problem, hint);
                return None;
            }
        };
        Some(BundleOrigin::Certificates {
            file: self.path(anchors),
            name,
        })
    }
}

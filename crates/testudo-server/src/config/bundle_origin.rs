//! Where the keys of an authority come from.

use super::sent_secret::SentSecret;
use super::spiffe_endpoint::{EndpointKeys, SpiffeEndpoint};
use std::path::PathBuf;
use testudo_core::Authority;
use testudo_core::doors::{AuthorityKeys, KeysForm};
use testudo_protocol::Seconds;
use testudo_protocol::client_certificate::ExpectedName;
use testudo_protocol::credentials::did::Did;
use testudo_protocol::jose::sha256;
use testudo_protocol::oauth::IssuerMetadataUrls;

/// Where an authority's keys come from, as a bundle document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleSource {
    /// The authority whose keys the bundle contains.
    pub authority: Authority,
    /// The file, endpoint or socket that it is read from.
    pub origin: BundleOrigin,
    /// How long the last good bundle is used while fetching fails.
    pub max_staleness: Seconds,
    /// Which keys of the document are used.
    pub key_changes: KeyChanges,
}

/// Which keys of a key set or DID document are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyChanges {
    /// The JWK thumbprints (RFC 7638) of the keys that are used; none for all.
    pub pins: Vec<[u8; 32]>,
    /// True if a document with a key that the document before did not have is held back until an administrator accepts it.
    pub are_held: bool,
}

impl BundleSource {
    /// Reads a document of this source.
    pub fn read(&self, document: &[u8]) -> Result<AuthorityKeys, String> {
        let form = match &self.origin {
            BundleOrigin::DidWeb { did, .. } => KeysForm::DidDocument(did),
            BundleOrigin::Did(did) => KeysForm::Did(did),
            BundleOrigin::Certificates { name, .. } => KeysForm::Certificates(name),
            BundleOrigin::File(_)
            | BundleOrigin::HttpsWeb { .. }
            | BundleOrigin::Discovery { .. }
            | BundleOrigin::JwtVcIssuer { .. }
            | BundleOrigin::HttpsSpiffe(_)
            | BundleOrigin::WorkloadApi(_) => KeysForm::of(self.authority.kind()),
        };
        form.read(document, &self.key_changes.pins)
    }

    /// True if the keys that were read from the other source can be those of this one. The server of both is then verified
    /// in the same way: keys that came from a server which other roots or another first bundle verified are not used.
    pub fn gives_the_same(&self, other: &BundleSource) -> bool {
        self.origin.without_token() == other.origin.without_token()
            && self.key_changes.pins == other.key_changes.pins
    }
}

/// The kinds of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleOrigin {
    /// A document on disk.
    File(PathBuf),
    /// A bundle endpoint with a web certificate. [SPIFFE-FED §5.2.1]
    HttpsWeb {
        /// The URL of the document.
        url: url::Url,
        /// PEM: the only roots with which the server of the URL is verified, if `ca` names some.
        roots: Option<Vec<u8>>,
        /// The token that the server of the URL requires.
        token: Option<SentSecret>,
    },
    /// The `jwks_uri` of the metadata of an issuer. [OIDCD §4] [RFC8414 §3]
    Discovery {
        /// The issuer, which the metadata must name.
        issuer: Box<str>,
        /// Where its metadata is.
        urls: IssuerMetadataUrls,
        /// PEM: the only roots with which the server of the issuer is verified, if `ca` names some.
        roots: Option<Vec<u8>>,
        /// The token that the server of the issuer requires.
        token: Option<SentSecret>,
    },
    /// A bundle endpoint whose server has an X.509-SVID. [SPIFFE-FED §5.2.2]
    HttpsSpiffe(SpiffeEndpoint),
    /// A Workload API socket.
    WorkloadApi(String),
    /// A DID that contains its key. [DID-KEY] [DID-JWK]
    Did(Did),
    /// The document of a DID. [DID-WEB]
    DidWeb {
        /// The DID, which the document must name.
        did: Did,
        /// Where the document is.
        url: url::Url,
        /// PEM: the only roots with which the server of the URL is verified, if `ca` names some.
        roots: Option<Vec<u8>>,
    },
    /// The metadata of an issuer of credentials, with its keys or the URL of its key set. [SD-JWT-VC §4]
    JwtVcIssuer {
        /// The issuer, which the metadata must name.
        issuer: Box<str>,
        /// Where its metadata is.
        url: url::Url,
        /// PEM: the only roots with which the server of the issuer is verified, if `ca` names some.
        roots: Option<Vec<u8>>,
        /// The token that the server of the issuer requires.
        token: Option<SentSecret>,
    },
    /// The certificate authorities of an issuer of credentials, in PEM. [RFC7515 §4.1.6]
    Certificates {
        /// The file with their certificates.
        file: PathBuf,
        /// The name that the certificate of the issuer has.
        name: ExpectedName,
    },
}

impl BundleOrigin {
    /// True if reading the source costs almost nothing: it is read every few seconds, whatever the bundle hints.
    pub fn is_on_this_machine(&self) -> bool {
        match self {
            BundleOrigin::File(_)
            | BundleOrigin::WorkloadApi(_)
            | BundleOrigin::Did(_)
            | BundleOrigin::Certificates { .. } => true,
            BundleOrigin::HttpsWeb { .. }
            | BundleOrigin::Discovery { .. }
            | BundleOrigin::DidWeb { .. }
            | BundleOrigin::JwtVcIssuer { .. }
            | BundleOrigin::HttpsSpiffe(_) => false,
        }
    }

    /// The other trust domain whose bundle verifies the server of the document, if one does.
    pub fn verified_with(&self) -> Option<&Authority> {
        match self.endpoint_keys()? {
            EndpointKeys::Of(other) => Some(other),
            EndpointKeys::Own { .. } => None,
        }
    }

    /// SHA-256 of the document that verifies the server of a bundle endpoint for the first time, in hexadecimal, if one
    /// does.
    pub fn bootstrap_digest(&self) -> Option<String> {
        match self.endpoint_keys()? {
            EndpointKeys::Own { bootstrap } => Some(hex::encode(sha256(bootstrap))),
            EndpointKeys::Of(_) => None,
        }
    }

    fn endpoint_keys(&self) -> Option<&EndpointKeys> {
        let BundleOrigin::HttpsSpiffe(endpoint) = self else {
            return None;
        };
        Some(&endpoint.verified_with)
    }

    /// SHA-256 of the file with the only roots that verify the server of the document, in hexadecimal, if `ca` names one.
    pub fn roots_digest(&self) -> Option<String> {
        match self {
            BundleOrigin::HttpsWeb { roots, .. }
            | BundleOrigin::Discovery { roots, .. }
            | BundleOrigin::DidWeb { roots, .. }
            | BundleOrigin::JwtVcIssuer { roots, .. } => {
                roots.as_ref().map(|roots| hex::encode(sha256(roots)))
            }
            BundleOrigin::File(_)
            | BundleOrigin::WorkloadApi(_)
            | BundleOrigin::Did(_)
            | BundleOrigin::Certificates { .. }
            | BundleOrigin::HttpsSpiffe(_) => None,
        }
    }

    /// The same without the token, which is sent to the server and does not verify it.
    fn without_token(&self) -> BundleOrigin {
        let mut origin = self.clone();
        match &mut origin {
            BundleOrigin::HttpsWeb { token, .. }
            | BundleOrigin::Discovery { token, .. }
            | BundleOrigin::JwtVcIssuer { token, .. } => *token = None,
            BundleOrigin::File(_)
            | BundleOrigin::WorkloadApi(_)
            | BundleOrigin::Did(_)
            | BundleOrigin::DidWeb { .. }
            | BundleOrigin::Certificates { .. }
            | BundleOrigin::HttpsSpiffe(_) => {}
        }
        origin
    }
}

impl std::fmt::Display for BundleOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BundleOrigin::File(path) => path.display().fmt(f),
            BundleOrigin::HttpsWeb { url, .. } => url.fmt(f),
            BundleOrigin::Discovery { urls, .. } => urls.openid.fmt(f),
            BundleOrigin::HttpsSpiffe(endpoint) => endpoint.fmt(f),
            BundleOrigin::WorkloadApi(socket) => f.write_str(socket),
            BundleOrigin::Did(did) => did.fmt(f),
            BundleOrigin::DidWeb { url, .. } | BundleOrigin::JwtVcIssuer { url, .. } => url.fmt(f),
            BundleOrigin::Certificates { file, .. } => file.display().fmt(f),
        }
    }
}

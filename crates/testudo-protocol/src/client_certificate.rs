//! Client certificates that are no SVIDs. [RFC8705 §2]
//!
//! `tls_client_auth` validates the chain up to the certificate authorities of one client, and compares one name of the
//! leaf with the expected one. `self_signed_tls_client_auth` compares the leaf itself, and validates no chain.

use crate::certificate::Validity;
use crate::der;
use crate::distinguished_name::DistinguishedName;
use crate::jose::{Algorithm, Jwk, KeyError, KeyOwner, PublicKey, length_prefixed, sha256};
use crate::limits::{CHAIN_CERTIFICATES_MAX, CREDENTIAL_AUTHORITIES_MAX};
use crate::spiffe::{X509Error, check_client_key};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde_json::Value;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use webpki::ExtendedKeyUsageValidator;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The name that the certificate of a client must have. [RFC8705 §2.1.2]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExpectedName {
    /// The subject.
    Subject(DistinguishedName),
    /// A dNSName, compared without regard to case.
    Dns(String),
    /// A uniformResourceIdentifier, compared exactly.
    Uri(String),
    /// An iPAddress.
    Ip(IpAddr),
    /// An rfc822Name, compared exactly.
    Email(String),
}

impl ExpectedName {
    /// The host names, in lower case, and the URIs in subjectAltName of a certificate that is not verified. A
    /// certificate that exceeds a limit, or is malformed, has none.
    pub fn unverified_names(der: &[u8]) -> Vec<ExpectedName> {
        if check_client_key(der).is_err() {
            return Vec::new();
        }
        let Ok(([], leaf)) = X509Certificate::from_der(der) else {
            return Vec::new();
        };
        let names = leaf.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|names| &names.value.general_names);
        let named = names.filter_map(|name| match name {
            GeneralName::DNSName(host) => Some(ExpectedName::Dns(host.to_ascii_lowercase())),
            GeneralName::URI(uri) => Some(ExpectedName::Uri((*uri).to_owned())),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => None,
        });
        named.collect()
    }

    /// SHA-256 of the kind and the value, equal for equal names.
    pub fn digest(&self) -> [u8; 32] {
        let of = |kind: &str, value: &[u8]| sha256(&length_prefixed([kind.as_bytes(), value]));
        match self {
            ExpectedName::Subject(name) => {
                let parts = name.parts();
                of(
                    "subject",
                    &length_prefixed(parts.iter().map(|part| part.as_bytes())),
                )
            }
            ExpectedName::Dns(host) => of("dns", host.to_ascii_lowercase().as_bytes()),
            ExpectedName::Uri(uri) => of("uri", uri.as_bytes()),
            ExpectedName::Ip(address) => of("ip", address.to_string().as_bytes()),
            ExpectedName::Email(address) => of("email", address.as_bytes()),
        }
    }

    /// True if the certificate has the name.
    fn is_in(&self, leaf: &X509Certificate<'_>) -> bool {
        if let ExpectedName::Subject(expected) = self {
            return DistinguishedName::of(leaf.subject()).as_ref() == Some(expected);
        }
        // A certificate with a malformed extension, or with the extension twice, has no name.
        let names = leaf.subject_alternative_name().ok().flatten();
        let mut names = names.iter().flat_map(|names| &names.value.general_names);
        names.any(|name| match self {
            ExpectedName::Subject(_) => false,
            ExpectedName::Dns(expected) => {
                matches!(name, GeneralName::DNSName(found) if expected.eq_ignore_ascii_case(found))
            }
            ExpectedName::Uri(expected) => matches!(name, GeneralName::URI(found) if expected == found),
            ExpectedName::Email(expected) => {
                matches!(name, GeneralName::RFC822Name(found) if expected == found)
            }
            ExpectedName::Ip(IpAddr::V4(expected)) => {
                matches!(name, GeneralName::IPAddress(found) if expected.octets().as_slice() == *found)
            }
            ExpectedName::Ip(IpAddr::V6(expected)) => {
                matches!(name, GeneralName::IPAddress(found) if expected.octets().as_slice() == *found)
            }
        })
    }
}

/// The certificate authorities of one client, or of one issuer of credentials.
pub struct ClientAuthorities(Vec<ClientAuthority>);

/// A certificate authority, while it is valid.
pub struct ClientAuthority {
    anchor: TrustAnchor<'static>,
    /// When it is valid.
    pub validity: Validity,
    /// SHA-256 of its certificate.
    pub thumbprint: [u8; 32],
    /// SHA-256 of its public key, which a renewed certificate of the same authority has as well.
    pub key_digest: [u8; 32],
    /// The algorithms of its key, by their names in JOSE; none for a key that JOSE does not have.
    pub algorithms: Vec<Algorithm>,
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientAuthorities({})", self.0.len())
    }
}

impl ClientAuthorities {
    /// Reads certificates in DER. The error is the position of one that cannot be an authority.
    pub fn new(certificates: &[Vec<u8>]) -> Result<ClientAuthorities, usize> {
        let mut authorities = Vec::new();
        for (position, der) in certificates.iter().enumerate() {
            let parsed = X509Certificate::from_der(der).ok();
            let parsed = parsed
                .map(|(_, certificate)| certificate)
                .filter(|certificate| certificate.is_ca());
            let certificate = CertificateDer::from(der.as_slice());
            let anchor = webpki::anchor_from_trusted_cert(&certificate).ok();
            match (anchor, Validity::of(der), parsed) {
                (Some(anchor), Some(validity), Some(parsed)) => {
                    let key = key_of(&parsed).ok();
                    authorities.push(ClientAuthority {
                        key_digest: sha256(&anchor.subject_public_key_info),
                        anchor: anchor.to_owned(),
                        validity,
                        thumbprint: sha256(der),
                        algorithms: key.iter().flat_map(PublicKey::algorithms).collect(),
                    });
                }
                _ => return Err(position),
            }
        }
        Ok(ClientAuthorities(authorities))
    }

    /// Reads certificates in PEM, of which there must be at least one. The error is a sentence.
    pub fn from_pem(pem: &[u8]) -> Result<ClientAuthorities, String> {
        let certificates: Result<Vec<Vec<u8>>, _> = CertificateDer::pem_slice_iter(pem)
            .map(|der| der.map(|der| der.to_vec()))
            .collect();
        let certificates = certificates.map_err(|error| format!("the certificates are not PEM: {error}"))?;
        if certificates.is_empty() {
            return Err("there are no PEM certificates".to_owned());
        }
        if certificates.len() > CREDENTIAL_AUTHORITIES_MAX {
            return Err(format!(
                "there are more than {CREDENTIAL_AUTHORITIES_MAX} certificates"
            ));
        }
        ClientAuthorities::new(&certificates).map_err(|position| {
            format!(
                "certificate {} is not one of a certificate authority",
                position + 1
            )
        })
    }

    /// The authorities.
    pub fn iter(&self) -> impl Iterator<Item = &ClientAuthority> {
        self.0.iter()
    }

    /// Those that are valid at this time.
    fn valid_at(&self, now: Timestamp) -> Vec<TrustAnchor<'_>> {
        let valid = self.0.iter().filter(|known| known.is_valid(now));
        valid.map(|known| known.anchor.clone()).collect()
    }
}

impl ClientAuthority {
    /// [RFC5280 §6.1.3] An authority outside its validity period is not used.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.validity.not_before <= now && now <= self.validity.not_after
    }
}

/// A leaf with a valid path to an authority, and with the expected name.
pub(crate) struct VerifiedLeaf {
    /// The last second at which it is valid.
    pub(crate) until: Timestamp,
    /// Its key.
    pub(crate) key: PublicKey,
    /// SHA-256 of the public key of the authority.
    pub(crate) authority: [u8; 32],
}

/// The certificates of a client, leaf first, each within the limits of its parts.
pub struct ClientChain(Vec<Vec<u8>>);

impl ClientChain {
    /// Checks the number of certificates and the limits of each.
    pub fn new(chain: &[Vec<u8>]) -> Result<ClientChain, X509Error> {
        if chain.is_empty() {
            return Err(X509Error::Empty);
        }
        if chain.len() > CHAIN_CERTIFICATES_MAX {
            return Err(X509Error::TooLong);
        }
        for der in chain {
            check_client_key(der)?;
        }
        Ok(ClientChain(chain.to_vec()))
    }

    fn leaf(&self) -> &[u8] {
        self.0.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// SHA-256 of the leaf: `x5t#S256`. [RFC8705 §3.1]
    pub fn thumbprint(&self) -> [u8; 32] {
        sha256(self.leaf())
    }

    /// The key of the leaf.
    pub fn key(&self) -> Result<PublicKey, ClientCertificateError> {
        let (_, leaf) =
            X509Certificate::from_der(self.leaf()).map_err(|_| ClientCertificateError::Malformed)?;
        key_of(&leaf)
    }

    /// The key of the leaf as a JWK with the leaf in `x5c`. [RFC7517 §4.7]
    pub fn jwk(&self) -> Result<Value, ClientCertificateError> {
        let mut jwk = self.key()?.jwk();
        let leaf = STANDARD.encode(self.leaf());
        jwk.insert("x5c".to_owned(), vec![leaf].into());
        Ok(Value::Object(jwk))
    }

    /// True if the chain has at most two certificates.
    pub fn is_short(&self) -> bool {
        self.0.len() <= 2
    }

    /// The validity of the leaf at this time; the result is its last second.
    pub fn valid_until(&self, now: Timestamp) -> Result<Timestamp, ClientCertificateError> {
        let validity = Validity::of(self.leaf()).ok_or(ClientCertificateError::Malformed)?;
        if now < validity.not_before {
            return Err(ClientCertificateError::NotYetValid {
                valid_from: validity.not_before,
            });
        }
        if now > validity.not_after {
            return Err(ClientCertificateError::Expired {
                expired: validity.not_after,
            });
        }
        Ok(validity.not_after)
    }

    /// Validates the path to one of `authorities`, and that the leaf has the expected name; returns the last second at
    /// which the leaf is valid. [RFC8705 §2.1] [RFC5280 §6]
    pub fn verify(
        &self,
        authorities: &ClientAuthorities,
        expected: &ExpectedName,
        now: Timestamp,
    ) -> Result<Timestamp, ClientCertificateError> {
        let usage = webpki::KeyUsage::client_auth();
        self.verify_for(authorities, expected, usage, now)
            .map(|verified| verified.until)
    }

    /// The same for certificates with this usage.
    pub(crate) fn verify_for(
        &self,
        authorities: &ClientAuthorities,
        expected: &ExpectedName,
        usage: impl ExtendedKeyUsageValidator,
        now: Timestamp,
    ) -> Result<VerifiedLeaf, ClientCertificateError> {
        let until = self.valid_until(now)?;
        let valid = authorities.valid_at(now);
        let ders: Vec<CertificateDer<'_>> = self
            .0
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let (leaf, intermediates) = ders.split_first().ok_or(ClientCertificateError::Malformed)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or(0)));
        let end_entity = webpki::EndEntityCert::try_from(leaf).map_err(ClientCertificateError::path)?;
        let path = end_entity
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &valid,
                intermediates,
                time,
                usage,
                None,
                None,
            )
            .map_err(ClientCertificateError::path)?;
        let (_, leaf) =
            X509Certificate::from_der(self.leaf()).map_err(|_| ClientCertificateError::Malformed)?;
        let key = key_of(&leaf)?;
        match expected.is_in(&leaf) {
            true => Ok(VerifiedLeaf {
                until,
                key,
                authority: sha256(&path.anchor().subject_public_key_info),
            }),
            false => Err(ClientCertificateError::OtherName),
        }
    }
}

fn key_of(certificate: &X509Certificate<'_>) -> Result<PublicKey, ClientCertificateError> {
    let content =
        der::only(certificate.public_key().raw, der::SEQUENCE).ok_or(ClientCertificateError::Malformed)?;
    PublicKey::from_spki(content, KeyOwner::Client).map_err(ClientCertificateError::Key)
}

/// SHA-256 of the first certificate in `x5c` of a JWK of a client, if it is a certificate of this key. [RFC7517 §4.7]
pub fn certificate_of(jwk: &Jwk) -> Option<[u8; 32]> {
    let first = jwk.x5c.as_ref()?.first()?;
    let der = STANDARD.decode(first).ok()?;
    check_client_key(&der).ok()?;
    let Ok(([], certificate)) = X509Certificate::from_der(&der) else {
        return None;
    };
    let (named, own) = (PublicKey::from_client_jwk(jwk).ok()?, key_of(&certificate).ok()?);
    (named.thumbprint() == own.thumbprint()).then(|| sha256(&der))
}

/// Why the certificate of a client is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificateError {
    /// The leaf is not a certificate.
    Malformed,
    /// The validity of the leaf begins later.
    NotYetValid {
        /// Its first second.
        valid_from: Timestamp,
    },
    /// The leaf expired.
    Expired {
        /// Its last second.
        expired: Timestamp,
    },
    /// There is no valid path to an authority of the client.
    Path(String),
    /// The key of the leaf is not one that a client may have.
    Key(KeyError),
    /// The leaf does not have the name that is configured for the client.
    OtherName,
    /// The leaf is not one of the certificates of the client. [RFC8705 §2.2]
    OtherCertificate,
}

impl ClientCertificateError {
    fn path(error: webpki::Error) -> ClientCertificateError {
        ClientCertificateError::Path(error.to_string())
    }
}

impl fmt::Display for ClientCertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientCertificateError::Malformed => f.write_str("the certificate is malformed"),
            ClientCertificateError::NotYetValid { valid_from } => {
                write!(f, "the certificate is not valid before {valid_from}")
            }
            ClientCertificateError::Expired { expired } => write!(f, "the certificate expired at {expired}"),
            ClientCertificateError::Path(why) => {
                write!(
                    f,
                    "no valid path leads to an authority in tls_client_ca of the client (webpki: {why})"
                )
            }
            ClientCertificateError::Key(error) => write!(f, "the key of the certificate is refused: {error}"),
            ClientCertificateError::OtherName => {
                f.write_str("the certificate does not have the name in tls_client_auth_… of the client")
            }
            ClientCertificateError::OtherCertificate => {
                f.write_str("the certificate is not an x5c[0] in the jwks of the client")
            }
        }
    }
}

//! Why a certificate or a chain is refused.

use super::super::id::SpiffeIdError;
use crate::jose::KeyError;
use crate::limits::{
    CERTIFICATE_BYTES_MAX, CERTIFICATE_EXTENSION_BYTES_MAX, CERTIFICATE_EXTENSIONS_MAX,
    CERTIFICATE_NAME_BYTES_MAX, CHAIN_CERTIFICATES_MAX,
};
use crate::time::Timestamp;
use std::fmt;

/// Why a certificate or a chain is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum X509Error {
    Empty,
    TooLong,
    TooManyExtensions,
    ExtensionTooLarge,
    NameTooLong,
    Malformed,
    NoUriName,
    SeveralUriNames,
    NotSpiffeId(SpiffeIdError),
    NoPath,
    LeafIsAuthority,
    KeyUsageMissing,
    KeyUsageNotCritical,
    KeyUsageNoSignature,
    KeyUsageSigns,
    EmptySubjectNameNotCritical,
    Signing(SigningCertificateError),
    Key(KeyError),
    Path(PathError),
}

/// Why a certificate may not sign other certificates. [X509-SVID §4]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum SigningCertificateError {
    Malformed,
    NotAuthority,
    KeyUsageMissing,
    KeyUsageNoCertSign,
    KeyUsageNotCritical,
    SeveralUriNames,
    NotSpiffeId(SpiffeIdError),
    SpiffeIdHasPath,
}

/// Why the path from the leaf to an authority of its trust domain is not valid. [RFC5280 §6]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum PathError {
    OutOfOrder,
    SameSubject,
    SameKey,
    NoAuthority,
    UnknownAlgorithm,
    BadSignature,
    NotYetValid {
        certificate: ChainCertificate,
        valid_from: Timestamp,
    },
    Expired {
        certificate: ChainCertificate,
        expired: Timestamp,
    },
    NotAuthority(SigningCertificateError),
    TooDeep,
    NotForClients,
    NotForServers,
    Key(KeyError),
    Refused(String),
}

/// A certificate of a chain, by its place in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainCertificate {
    /// The certificate of the workload.
    Leaf,
    /// A certificate between the leaf and an authority.
    Intermediate {
        /// Its place in the chain: the leaf is 1, its issuer 2.
        position: usize,
    },
}

impl ChainCertificate {
    pub(super) fn at(index: usize) -> ChainCertificate {
        match index {
            0 => ChainCertificate::Leaf,
            _ => ChainCertificate::Intermediate { position: index + 1 },
        }
    }
}

impl fmt::Display for ChainCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainCertificate::Leaf => f.write_str("the leaf"),
            ChainCertificate::Intermediate { position } => {
                write!(f, "the intermediate (certificate {position} of the chain)")
            }
        }
    }
}

impl X509Error {
    /// True if the same chain may be valid a little later. Such a refusal must not be cached.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            X509Error::Path(PathError::NotYetValid { .. } | PathError::NoAuthority)
        )
    }
}

impl fmt::Display for X509Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            X509Error::Empty => f.write_str("there is no certificate"),
            X509Error::TooLong => write!(
                f,
                "the chain has more than {CHAIN_CERTIFICATES_MAX} certificates, or one larger than {CERTIFICATE_BYTES_MAX} bytes"
            ),
            X509Error::TooManyExtensions => {
                write!(
                    f,
                    "a certificate has more than {CERTIFICATE_EXTENSIONS_MAX} extensions"
                )
            }
            X509Error::ExtensionTooLarge => write!(
                f,
                "an extension of a certificate is larger than {CERTIFICATE_EXTENSION_BYTES_MAX} bytes"
            ),
            X509Error::NameTooLong => write!(
                f,
                "a certificate's subject or issuer is longer than {CERTIFICATE_NAME_BYTES_MAX} bytes"
            ),
            X509Error::Malformed => f.write_str("a certificate or one of its extensions cannot be read"),
            X509Error::NoUriName => f.write_str("the leaf has no URI subject alternative name"),
            X509Error::SeveralUriNames => {
                f.write_str("the leaf has more than one URI subject alternative name")
            }
            X509Error::NotSpiffeId(fault) => write!(
                f,
                "the leaf's URI subject alternative name is not a SPIFFE ID: it {fault}"
            ),
            X509Error::NoPath => f.write_str("the leaf's SPIFFE ID has no path"),
            X509Error::LeafIsAuthority => f.write_str("the leaf is a certificate authority"),
            X509Error::KeyUsageMissing => f.write_str("the leaf has no key usage"),
            X509Error::KeyUsageNotCritical => f.write_str("the leaf's key usage is not critical"),
            X509Error::KeyUsageNoSignature => f.write_str("the leaf's key usage has no digitalSignature"),
            X509Error::KeyUsageSigns => f.write_str("the leaf's key usage has keyCertSign or cRLSign"),
            X509Error::EmptySubjectNameNotCritical => {
                f.write_str("the leaf has no subject, and its subject alternative name is not critical")
            }
            X509Error::Signing(fault) => fault.fmt(f),
            X509Error::Key(fault) => fault.fmt(f),
            X509Error::Path(fault @ (PathError::NotYetValid { .. } | PathError::Expired { .. })) => {
                fault.fmt(f)
            }
            X509Error::Path(fault) => {
                write!(f, "no valid path to an authority of the trust domain: {fault}")
            }
        }
    }
}

impl fmt::Display for SigningCertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate may not sign other certificates: ")?;
        match self {
            SigningCertificateError::Malformed => f.write_str("one of its extensions cannot be read"),
            SigningCertificateError::NotAuthority => f.write_str("it is not a certificate authority"),
            SigningCertificateError::KeyUsageMissing => f.write_str("it has no key usage"),
            SigningCertificateError::KeyUsageNoCertSign => f.write_str("its key usage has no keyCertSign"),
            SigningCertificateError::KeyUsageNotCritical => f.write_str("its key usage is not critical"),
            SigningCertificateError::SeveralUriNames => {
                f.write_str("it has a SPIFFE ID and another URI subject alternative name")
            }
            SigningCertificateError::NotSpiffeId(fault) => {
                write!(f, "its SPIFFE ID is not valid: it {fault}")
            }
            SigningCertificateError::SpiffeIdHasPath => f.write_str("its SPIFFE ID has a path"),
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathError::OutOfOrder => {
                f.write_str("a certificate of the chain is not issued by the subject of the next one")
            }
            PathError::SameSubject => f.write_str("two certificate authorities of the chain have the same subject"),
            PathError::SameKey => f.write_str("two certificates of the chain have the same key"),
            PathError::NoAuthority => {
                f.write_str("the issuer of the chain's last certificate is not a currently valid authority of the trust domain")
            }
            PathError::UnknownAlgorithm => {
                f.write_str("a signature algorithm of the chain is unknown, or does not fit the issuer's key")
            }
            PathError::BadSignature => f.write_str("a signature of the chain does not verify"),
            PathError::NotYetValid { certificate, valid_from } => {
                write!(f, "{certificate} is not valid before {valid_from}")
            }
            PathError::Expired { certificate, expired } => write!(f, "{certificate} expired at {expired}"),
            PathError::NotAuthority(fault) => write!(f, "a certificate of the chain is not a valid intermediate: {fault}"),
            PathError::TooDeep => f.write_str("the chain is longer than the pathLenConstraint of an authority allows"),
            PathError::NotForClients => f.write_str("the extended key usage of a certificate of the chain does not contain clientAuth"),
            PathError::NotForServers => f.write_str("the extended key usage of a certificate of the chain does not contain serverAuth"),
            PathError::Key(fault) => write!(f, "a key of the chain is refused: {fault}"),
            PathError::Refused(why) => f.write_str(why),
        }
    }
}

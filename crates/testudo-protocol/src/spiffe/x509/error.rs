//! Why a certificate or a chain is refused.

use super::super::id::SpiffeIdError;
use crate::jose::KeyError;
use crate::limits::{
    CERTIFICATE_BYTES_MAX, CERTIFICATE_EXTENSION_BYTES_MAX, CERTIFICATE_EXTENSIONS_MAX,
    CERTIFICATE_NAME_BYTES_MAX, CHAIN_CERTIFICATES_MAX,
};
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

/// Why a certificate cannot be one that signs others. [X509-SVID §4]
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

/// Why no path leads from the leaf to an authority of its trust domain. [RFC5280 §6]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum PathError {
    OutOfOrder,
    SameSubject,
    SameKey,
    NoAuthority,
    UnknownAlgorithm,
    BadSignature,
    NotYetValid,
    Expired,
    NotAuthority(SigningCertificateError),
    TooDeep,
    NotForClients,
    Key(KeyError),
    Refused(String),
}

impl X509Error {
    /// True where the same chain could be good a little later: such a refusal must not be remembered.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            X509Error::Path(PathError::NotYetValid | PathError::NoAuthority)
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
            X509Error::NoUriName => f.write_str("the leaf has no URI name"),
            X509Error::SeveralUriNames => f.write_str("the leaf has more than one URI name"),
            X509Error::NotSpiffeId(fault) => write!(f, "the leaf's URI name is not a SPIFFE ID: it {fault}"),
            X509Error::NoPath => f.write_str("the leaf's SPIFFE ID names a whole trust domain"),
            X509Error::LeafIsAuthority => f.write_str("the leaf is a certificate authority"),
            X509Error::KeyUsageMissing => f.write_str("the leaf has no key usage"),
            X509Error::KeyUsageNotCritical => f.write_str("the leaf's key usage is not critical"),
            X509Error::KeyUsageNoSignature => f.write_str("the leaf's key usage has no digitalSignature"),
            X509Error::KeyUsageSigns => f.write_str("the leaf's key usage has keyCertSign or cRLSign"),
            X509Error::EmptySubjectNameNotCritical => {
                f.write_str("the leaf has no subject, and its names are not critical")
            }
            X509Error::Signing(fault) => fault.fmt(f),
            X509Error::Key(fault) => fault.fmt(f),
            X509Error::Path(fault) => {
                write!(f, "no valid path to an authority of the trust domain: {fault}")
            }
        }
    }
}

impl fmt::Display for SigningCertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate cannot sign others: ")?;
        match self {
            SigningCertificateError::Malformed => f.write_str("one of its extensions cannot be read"),
            SigningCertificateError::NotAuthority => f.write_str("it is not a certificate authority"),
            SigningCertificateError::KeyUsageMissing => f.write_str("it has no key usage"),
            SigningCertificateError::KeyUsageNoCertSign => f.write_str("its key usage has no keyCertSign"),
            SigningCertificateError::KeyUsageNotCritical => f.write_str("its key usage is not critical"),
            SigningCertificateError::SeveralUriNames => {
                f.write_str("it has a SPIFFE ID and another URI name")
            }
            SigningCertificateError::NotSpiffeId(fault) => write!(f, "its SPIFFE ID is not one: it {fault}"),
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
            PathError::SameSubject => f.write_str("two authorities of the chain have one subject"),
            PathError::SameKey => f.write_str("two certificates of the chain have one key"),
            PathError::NoAuthority => {
                f.write_str("the chain's last issuer is no authority of the trust domain that is valid now")
            }
            PathError::UnknownAlgorithm => {
                f.write_str("a signature's algorithm is unknown, or does not fit the issuer's key")
            }
            PathError::BadSignature => f.write_str("a signature does not verify"),
            PathError::NotYetValid => f.write_str("a certificate is not valid yet"),
            PathError::Expired => f.write_str("a certificate has expired"),
            PathError::NotAuthority(fault) => write!(f, "an intermediate is none: {fault}"),
            PathError::TooDeep => f.write_str("it is longer than an authority's pathLenConstraint allows"),
            PathError::NotForClients => f.write_str("an extended key usage does not have clientAuth"),
            PathError::Key(fault) => write!(f, "a key of the chain is refused: {fault}"),
            PathError::Refused(why) => f.write_str(why),
        }
    }
}

//! Why a certificate or a chain is refused.

use super::super::id::SpiffeIdFault;
use crate::jose::KeyFault;
use crate::limits::{
    CERTIFICATE_BYTES_MAX, CERTIFICATE_EXTENSION_BYTES_MAX, CERTIFICATE_EXTENSIONS_MAX,
    CERTIFICATE_NAME_BYTES_MAX, CHAIN_CERTIFICATES_MAX,
};
use std::fmt;

/// Why a certificate or a chain is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum X509Fault {
    Empty,
    TooLong,
    TooManyExtensions,
    ExtensionTooLarge,
    NameTooLong,
    Malformed,
    NoUriName,
    SeveralUriNames,
    NotSpiffeId(SpiffeIdFault),
    NoPath,
    LeafIsAuthority,
    KeyUsageMissing,
    KeyUsageNotCritical,
    KeyUsageNoSignature,
    KeyUsageSigns,
    EmptySubjectNameNotCritical,
    Signing(SigningFault),
    Key(KeyFault),
    Path(PathFault),
}

/// Why a certificate cannot be one that signs others. [X509-SVID §4]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum SigningFault {
    Malformed,
    NotAuthority,
    KeyUsageMissing,
    KeyUsageNoCertSign,
    KeyUsageNotCritical,
    SeveralUriNames,
    NotSpiffeId(SpiffeIdFault),
    SpiffeIdHasPath,
}

/// Why no path leads from the leaf to an authority of its trust domain. [RFC5280 §6]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum PathFault {
    OutOfOrder,
    SameSubject,
    SameKey,
    NoAuthority,
    UnknownAlgorithm,
    BadSignature,
    NotYetValid,
    Expired,
    NotAuthority(SigningFault),
    TooDeep,
    NotForClients,
    Key(KeyFault),
    Refused(String),
}

impl X509Fault {
    /// True where the same chain could be good a little later: such a refusal must not be remembered.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            X509Fault::Path(PathFault::NotYetValid | PathFault::NoAuthority)
        )
    }
}

impl fmt::Display for X509Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            X509Fault::Empty => f.write_str("there is no certificate"),
            X509Fault::TooLong => write!(
                f,
                "the chain has more than {CHAIN_CERTIFICATES_MAX} certificates, or one larger than {CERTIFICATE_BYTES_MAX} bytes"
            ),
            X509Fault::TooManyExtensions => {
                write!(
                    f,
                    "a certificate has more than {CERTIFICATE_EXTENSIONS_MAX} extensions"
                )
            }
            X509Fault::ExtensionTooLarge => write!(
                f,
                "an extension of a certificate is larger than {CERTIFICATE_EXTENSION_BYTES_MAX} bytes"
            ),
            X509Fault::NameTooLong => write!(
                f,
                "a certificate's subject or issuer is longer than {CERTIFICATE_NAME_BYTES_MAX} bytes"
            ),
            X509Fault::Malformed => f.write_str("a certificate or one of its extensions cannot be read"),
            X509Fault::NoUriName => f.write_str("the leaf has no URI name"),
            X509Fault::SeveralUriNames => f.write_str("the leaf has more than one URI name"),
            X509Fault::NotSpiffeId(fault) => write!(f, "the leaf's URI name is not a SPIFFE ID: it {fault}"),
            X509Fault::NoPath => f.write_str("the leaf's SPIFFE ID names a whole trust domain"),
            X509Fault::LeafIsAuthority => f.write_str("the leaf is a certificate authority"),
            X509Fault::KeyUsageMissing => f.write_str("the leaf has no key usage"),
            X509Fault::KeyUsageNotCritical => f.write_str("the leaf's key usage is not critical"),
            X509Fault::KeyUsageNoSignature => f.write_str("the leaf's key usage has no digitalSignature"),
            X509Fault::KeyUsageSigns => f.write_str("the leaf's key usage has keyCertSign or cRLSign"),
            X509Fault::EmptySubjectNameNotCritical => {
                f.write_str("the leaf has no subject, and its names are not critical")
            }
            X509Fault::Signing(fault) => fault.fmt(f),
            X509Fault::Key(fault) => fault.fmt(f),
            X509Fault::Path(fault) => {
                write!(f, "no valid path to an authority of the trust domain: {fault}")
            }
        }
    }
}

impl fmt::Display for SigningFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate cannot sign others: ")?;
        match self {
            SigningFault::Malformed => f.write_str("one of its extensions cannot be read"),
            SigningFault::NotAuthority => f.write_str("it is not a certificate authority"),
            SigningFault::KeyUsageMissing => f.write_str("it has no key usage"),
            SigningFault::KeyUsageNoCertSign => f.write_str("its key usage has no keyCertSign"),
            SigningFault::KeyUsageNotCritical => f.write_str("its key usage is not critical"),
            SigningFault::SeveralUriNames => f.write_str("it has a SPIFFE ID and another URI name"),
            SigningFault::NotSpiffeId(fault) => write!(f, "its SPIFFE ID is not one: it {fault}"),
            SigningFault::SpiffeIdHasPath => f.write_str("its SPIFFE ID has a path"),
        }
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathFault::OutOfOrder => {
                f.write_str("a certificate of the chain is not issued by the subject of the next one")
            }
            PathFault::SameSubject => f.write_str("two authorities of the chain have one subject"),
            PathFault::SameKey => f.write_str("two certificates of the chain have one key"),
            PathFault::NoAuthority => {
                f.write_str("the chain's last issuer is no authority of the trust domain that is valid now")
            }
            PathFault::UnknownAlgorithm => {
                f.write_str("a signature's algorithm is unknown, or does not fit the issuer's key")
            }
            PathFault::BadSignature => f.write_str("a signature does not verify"),
            PathFault::NotYetValid => f.write_str("a certificate is not valid yet"),
            PathFault::Expired => f.write_str("a certificate has expired"),
            PathFault::NotAuthority(fault) => write!(f, "an intermediate is none: {fault}"),
            PathFault::TooDeep => f.write_str("it is longer than an authority's pathLenConstraint allows"),
            PathFault::NotForClients => f.write_str("an extended key usage does not have clientAuth"),
            PathFault::Key(fault) => write!(f, "a key of the chain is refused: {fault}"),
            PathFault::Refused(why) => f.write_str(why),
        }
    }
}

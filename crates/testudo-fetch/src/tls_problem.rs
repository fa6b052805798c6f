//! Why a TLS handshake failed, in a sentence with the remedy: the texts of the TLS library are for programmers.

use crate::spiffe_server::SvidRefused;
use rustls::{CertificateError, Error};

/// The sentence for an error of the handshake with `host`.
pub(crate) fn describe(host: &str, error: &std::io::Error) -> String {
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    if let Some(Error::InvalidCertificate(problem)) = found {
        return certificate(host, problem);
    }
    if let Some(Error::InvalidMessage(_)) = found {
        return format!(
            "{host} does not answer with TLS at this port: correct the port, or the scheme of the URL"
        );
    }
    error.to_string()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is that of the TLS library, which adds variants"
)]
fn certificate(host: &str, problem: &CertificateError) -> String {
    if let CertificateError::Other(other) = problem
        && let Some(SvidRefused(why)) = other.0.downcast_ref()
    {
        return format!("the certificate of {host} {why}");
    }
    let (what, remedy) = match problem {
        // The TLS library has no variant for this error.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "is that of a certificate authority (CA:TRUE), as `openssl req -x509` makes it",
            "have it issued again for a server, with `-addext basicConstraints=critical,CA:FALSE`",
        ),
        CertificateError::UnknownIssuer => (
            "was issued by no authority that is trusted here",
            "give the PEM file of its root, with `--ca` of the command, or in the configuration of the server with `ca` of the source or with `outbound.ca`",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet", "compare the clocks of both machines")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "has expired",
            "have the server send a renewed one, and compare the clocks of both machines",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "is for other names",
            "write the URL with a name of the certificate, or have it issued for this name",
        ),
        CertificateError::BadSignature => (
            "has a signature that does not verify: another authority of the same name issued it",
            "give the PEM file of the root that issued it",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "is not for servers (its extended key usage has no serverAuth)",
            "have it issued for a server",
        ),
        _ => return format!("the certificate of {host} is refused: {problem}"),
    };
    format!("the certificate of {host} {what}: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_that_is_refused_is_described_with_a_remedy_and_without_names_of_code() {
        let names = CertificateError::NotValidForName;
        let other_names = CertificateError::NotValidForNameContext {
            expected: "as.example".try_into().unwrap(),
            presented: vec!["DnsName(\"UnknownIssuer.example\")".to_owned()],
        };
        for (problem, says) in [
            (CertificateError::UnknownIssuer, "--ca"),
            (CertificateError::Expired, "renewed"),
            (CertificateError::NotValidYet, "clocks"),
            (names, "issued for this name"),
            (other_names, "issued for this name"),
            (CertificateError::BadSignature, "root"),
        ] {
            let code = format!("{problem:?}");
            let error = std::io::Error::other(Error::InvalidCertificate(problem));
            let text = describe("as.example", &error);
            assert!(text.contains("as.example") && text.contains(says), "{text}");
            assert!(!text.contains(&code), "{text}");
        }
    }
}

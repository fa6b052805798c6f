//! Short names of the specifications that comments and tests cite, with the revision that is implemented.
//! `cargo xtask tidy` refuses a citation whose short name is not here, and `cargo xtask citations NAME` lists the lines
//! that cite one.

use Status::*;
use std::fmt;

/// A specification that this repository cites.
pub struct Specification {
    /// As written in `[RFC6749 §3]`.
    pub short_name: &'static str,
    /// How stable it is.
    pub status: Status,
    /// Title, and the revision if the URL does not contain it.
    pub title: &'static str,
    document: Document,
}

/// How stable a specification is: a draft may change, a published standard does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// IETF: Internet Standard.
    InternetStandard,
    /// IETF: Proposed Standard.
    ProposedStandard,
    /// IETF: Best Current Practice.
    BestCurrentPractice,
    /// IETF: Informational.
    Informational,
    /// IETF: Experimental.
    Experimental,
    /// IETF: Internet-Draft. It can change or end.
    Draft,
    /// SPIFFE: Stable.
    Stable,
    /// SPIFFE: Incubating. It can change.
    Incubating,
    /// OpenID Foundation: Final.
    Final,
    /// Kubernetes: a stable version of an API.
    StableApi,
    /// W3C: Recommendation.
    Recommendation,
    /// W3C: document of a community group. It can change.
    CommunityDraft,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InternetStandard => "Internet Standard",
            ProposedStandard => "Proposed Standard",
            BestCurrentPractice => "Best Current Practice",
            Informational => "Informational",
            Experimental => "Experimental",
            Draft => "Internet-Draft",
            Stable => "SPIFFE, stable",
            Incubating => "SPIFFE, incubating",
            Final => "OpenID, final",
            StableApi => "Kubernetes, stable",
            Recommendation => "W3C Recommendation",
            CommunityDraft => "W3C community group",
        })
    }
}

/// Where the text of the specification is.
enum Document {
    /// An RFC: its number is in its short name.
    Rfc,
    /// An Internet-Draft of this name and revision.
    Draft(&'static str),
    /// At this URL.
    At(&'static str),
}

impl Specification {
    /// Where the text of the specification is.
    pub fn url(&self) -> String {
        match self.document {
            Document::Rfc => format!(
                "https://www.rfc-editor.org/rfc/{}.html",
                self.short_name.to_ascii_lowercase()
            ),
            Document::Draft(name) => format!("https://datatracker.ietf.org/doc/html/{name}"),
            Document::At(url) => url.to_owned(),
        }
    }

    /// The specification of a short name.
    pub fn named(short_name: &str) -> Option<&'static Specification> {
        SPECIFICATIONS.iter().find(|known| known.short_name == short_name)
    }
}

const fn rfc(short_name: &'static str, status: Status, title: &'static str) -> Specification {
    Specification {
        short_name,
        status,
        title,
        document: Document::Rfc,
    }
}

const fn draft(short_name: &'static str, title: &'static str, revision: &'static str) -> Specification {
    Specification {
        short_name,
        status: Draft,
        title,
        document: Document::Draft(revision),
    }
}

const fn at(
    short_name: &'static str,
    status: Status,
    title: &'static str,
    url: &'static str,
) -> Specification {
    Specification {
        short_name,
        status,
        title,
        document: Document::At(url),
    }
}

/// All specifications that this repository cites.
pub const SPECIFICATIONS: &[Specification] = &[
    rfc(
        "RFC3339",
        ProposedStandard,
        "Date and Time on the Internet: Timestamps",
    ),
    rfc(
        "RFC3986",
        InternetStandard,
        "Uniform Resource Identifier (URI): Generic Syntax",
    ),
    rfc(
        "RFC4514",
        ProposedStandard,
        "Lightweight Directory Access Protocol (LDAP): String Representation of Distinguished Names",
    ),
    rfc(
        "RFC5280",
        ProposedStandard,
        "Internet X.509 Public Key Infrastructure Certificate and CRL Profile",
    ),
    rfc(
        "RFC5480",
        ProposedStandard,
        "Elliptic Curve Cryptography Subject Public Key Information",
    ),
    rfc("RFC5646", BestCurrentPractice, "Tags for Identifying Languages"),
    rfc(
        "RFC6749",
        ProposedStandard,
        "The OAuth 2.0 Authorization Framework",
    ),
    rfc(
        "RFC6750",
        ProposedStandard,
        "The OAuth 2.0 Authorization Framework: Bearer Token Usage",
    ),
    rfc(
        "RFC6901",
        ProposedStandard,
        "JavaScript Object Notation (JSON) Pointer",
    ),
    rfc("RFC7009", ProposedStandard, "OAuth 2.0 Token Revocation"),
    rfc("RFC7239", ProposedStandard, "Forwarded HTTP Extension"),
    rfc("RFC7515", ProposedStandard, "JSON Web Signature (JWS)"),
    rfc("RFC7517", ProposedStandard, "JSON Web Key (JWK)"),
    rfc("RFC7518", ProposedStandard, "JSON Web Algorithms (JWA)"),
    rfc("RFC7519", ProposedStandard, "JSON Web Token (JWT)"),
    rfc(
        "RFC7521",
        ProposedStandard,
        "Assertion Framework for OAuth 2.0 Client Authentication and Authorization Grants",
    ),
    rfc(
        "RFC7523",
        ProposedStandard,
        "JWT Profile for OAuth 2.0 Client Authentication, as updated by RFC 10070",
    ),
    rfc(
        "RFC7591",
        ProposedStandard,
        "OAuth 2.0 Dynamic Client Registration Protocol",
    ),
    rfc(
        "RFC7592",
        Experimental,
        "OAuth 2.0 Dynamic Client Registration Management Protocol",
    ),
    rfc(
        "RFC7636",
        ProposedStandard,
        "Proof Key for Code Exchange by OAuth Public Clients",
    ),
    rfc("RFC7638", ProposedStandard, "JSON Web Key (JWK) Thumbprint"),
    rfc("RFC7662", ProposedStandard, "OAuth 2.0 Token Introspection"),
    rfc(
        "RFC7797",
        ProposedStandard,
        "JSON Web Signature (JWS) Unencoded Payload Option",
    ),
    rfc(
        "RFC8017",
        Informational,
        "PKCS #1: RSA Cryptography Specifications",
    ),
    rfc(
        "RFC8032",
        Informational,
        "Edwards-Curve Digital Signature Algorithm (EdDSA)",
    ),
    rfc("RFC8037", ProposedStandard, "CFRG Curves in JOSE"),
    rfc(
        "RFC7800",
        ProposedStandard,
        "Proof-of-Possession Key Semantics for JSON Web Tokens (JWTs)",
    ),
    rfc("RFC8252", BestCurrentPractice, "OAuth 2.0 for Native Apps"),
    rfc(
        "RFC8305",
        ProposedStandard,
        "Happy Eyeballs Version 2: Better Connectivity Using Concurrency",
    ),
    rfc(
        "RFC8414",
        ProposedStandard,
        "OAuth 2.0 Authorization Server Metadata",
    ),
    rfc(
        "RFC8705",
        ProposedStandard,
        "OAuth 2.0 Mutual-TLS Client Authentication and Certificate-Bound Access Tokens",
    ),
    rfc("RFC8707", ProposedStandard, "Resource Indicators for OAuth 2.0"),
    rfc(
        "RFC8725",
        BestCurrentPractice,
        "JSON Web Token Best Current Practices",
    ),
    rfc(
        "RFC9068",
        ProposedStandard,
        "JWT Profile for OAuth 2.0 Access Tokens",
    ),
    rfc(
        "RFC9101",
        ProposedStandard,
        "JWT-Secured Authorization Request (JAR)",
    ),
    rfc("RFC9110", InternetStandard, "HTTP Semantics"),
    rfc("RFC9112", InternetStandard, "HTTP/1.1"),
    rfc("RFC9113", ProposedStandard, "HTTP/2"),
    rfc(
        "RFC9126",
        ProposedStandard,
        "OAuth 2.0 Pushed Authorization Requests",
    ),
    rfc(
        "RFC9207",
        ProposedStandard,
        "OAuth 2.0 Authorization Server Issuer Identification",
    ),
    rfc("RFC9440", Informational, "Client-Cert HTTP Header Field"),
    rfc(
        "RFC9449",
        ProposedStandard,
        "OAuth 2.0 Demonstrating Proof of Possession (DPoP)",
    ),
    rfc(
        "RFC9470",
        ProposedStandard,
        "OAuth 2.0 Step Up Authentication Challenge Protocol",
    ),
    rfc(
        "RFC9700",
        BestCurrentPractice,
        "Best Current Practice for OAuth 2.0 Security",
    ),
    rfc(
        "RFC9701",
        ProposedStandard,
        "JSON Web Token (JWT) Response for OAuth Token Introspection",
    ),
    rfc(
        "RFC9864",
        ProposedStandard,
        "Fully-Specified Algorithms for JOSE and COSE",
    ),
    rfc(
        "RFC9901",
        ProposedStandard,
        "Selective Disclosure for JSON Web Tokens",
    ),
    rfc(
        "RFC10070",
        ProposedStandard,
        "Updates to Audience Values for OAuth 2.0 Authorization Servers",
    ),
    at(
        "OIDCC",
        Final,
        "OpenID Connect Core 1.0, errata set 2",
        "https://openid.net/specs/openid-connect-core-1_0.html",
    ),
    at(
        "OIDCD",
        Final,
        "OpenID Connect Discovery 1.0, errata set 2",
        "https://openid.net/specs/openid-connect-discovery-1_0.html",
    ),
    at(
        "FORM-POST",
        Final,
        "OAuth 2.0 Form Post Response Mode",
        "https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html",
    ),
    at(
        "MULTIPLE-TYPES",
        Final,
        "OAuth 2.0 Multiple Response Type Encoding Practices",
        "https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html",
    ),
    at(
        "OIDCR",
        Final,
        "OpenID Connect Dynamic Client Registration 1.0, errata set 2",
        "https://openid.net/specs/openid-connect-registration-1_0.html",
    ),
    draft(
        "ABCA",
        "OAuth 2.0 Attestation-Based Client Authentication",
        "draft-ietf-oauth-attestation-based-client-auth-11",
    ),
    draft("WPT", "WIMSE Workload Proof Token", "draft-ietf-wimse-wpt-02"),
    draft(
        "SD-JWT-VC",
        "SD-JWT-based Verifiable Digital Credentials",
        "draft-ietf-oauth-sd-jwt-vc-19",
    ),
    draft("TSL", "Token Status List", "draft-ietf-oauth-status-list-21"),
    at(
        "VCDM1",
        Recommendation,
        "Verifiable Credentials Data Model v1.1",
        "https://www.w3.org/TR/vc-data-model/",
    ),
    at(
        "VCDM2",
        Recommendation,
        "Verifiable Credentials Data Model v2.0",
        "https://www.w3.org/TR/vc-data-model-2.0/",
    ),
    at(
        "WEBAUTHN",
        Recommendation,
        "Web Authentication: An API for accessing Public Key Credentials, Level 2",
        "https://www.w3.org/TR/webauthn-2/",
    ),
    at(
        "VC-JOSE-COSE",
        Recommendation,
        "Securing Verifiable Credentials using JOSE and COSE",
        "https://www.w3.org/TR/vc-jose-cose/",
    ),
    at(
        "BITSTRING",
        Recommendation,
        "Bitstring Status List v1.0",
        "https://www.w3.org/TR/vc-bitstring-status-list/",
    ),
    at(
        "DID-CORE",
        Recommendation,
        "Decentralized Identifiers (DIDs) v1.0",
        "https://www.w3.org/TR/did-core/",
    ),
    at(
        "DID-WEB",
        CommunityDraft,
        "did:web Method Specification, as of 1 August 2024",
        "https://w3c-ccg.github.io/did-method-web/",
    ),
    at(
        "DID-KEY",
        CommunityDraft,
        "The did:key Method, as of 2 November 2025",
        "https://w3c-ccg.github.io/did-key-spec/",
    ),
    at(
        "DID-JWK",
        CommunityDraft,
        "did:jwk Method Specification, as of 19 August 2023",
        "https://github.com/quartzjer/did-jwk/blob/main/spec.md",
    ),
    draft(
        "OAUTH-2.1",
        "The OAuth 2.1 Authorization Framework",
        "draft-ietf-oauth-v2-1-16",
    ),
    at(
        "SPIFFE-ID",
        Stable,
        "SPIFFE-ID, as of 1 July 2026",
        "https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md",
    ),
    at(
        "JWT-SVID",
        Stable,
        "JWT-SVID, as of 1 July 2026",
        "https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md",
    ),
    at(
        "WIT-SVID",
        Incubating,
        "WIT-SVID, as of 1 July 2026",
        "https://github.com/spiffe/spiffe/blob/main/standards/WIT-SVID.md",
    ),
    at(
        "X509-SVID",
        Stable,
        "X509-SVID, as of 1 July 2026",
        "https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md",
    ),
    at(
        "SPIFFE-BUNDLE",
        Stable,
        "SPIFFE Trust Domain and Bundle, as of 1 July 2026",
        "https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md",
    ),
    at(
        "SPIFFE-FED",
        Stable,
        "SPIFFE Federation, as of 1 July 2026",
        "https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Federation.md",
    ),
    draft(
        "SPIFFE-AUTH",
        "OAuth SPIFFE Client Authentication",
        "draft-ietf-oauth-spiffe-client-auth-02",
    ),
    at(
        "K8S-NAMES",
        StableApi,
        "Kubernetes: object names and IDs, as of 1.34",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",
    ),
    at(
        "K8S-ACCOUNTS",
        StableApi,
        "Kubernetes: managing service accounts, as of 1.34",
        "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/",
    ),
    at(
        "K8S-REVIEW",
        StableApi,
        "Kubernetes: TokenReview v1, as of 1.34",
        "https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/",
    ),
    draft(
        "RT-EXPIRATION",
        "OAuth 2.0 Refresh Token and Authorization Expiration",
        "draft-ietf-oauth-refresh-token-expiration-03",
    ),
    draft(
        "ROFU",
        "OAuth 2.0 client registration on first use with SPIFFE, as of June 2025",
        "draft-kasselman-oauth-spiffe",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_specification_is_listed_once_and_has_a_url_of_its_own() {
        let names: BTreeSet<_> = SPECIFICATIONS.iter().map(|known| known.short_name).collect();
        let urls: BTreeSet<_> = SPECIFICATIONS.iter().map(Specification::url).collect();
        assert_eq!(
            (names.len(), urls.len()),
            (SPECIFICATIONS.len(), SPECIFICATIONS.len())
        );
        let url = |name| Specification::named(name).unwrap().url();
        assert_eq!(url("RFC7591"), "https://www.rfc-editor.org/rfc/rfc7591.html");
        assert_eq!(
            url("OAUTH-2.1"),
            "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-16"
        );
        assert!(Specification::named("RFC1").is_none());
    }
}

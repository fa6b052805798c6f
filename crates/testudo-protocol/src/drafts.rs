//! Short names of the specifications that comments and tests cite, with the revision that was built.
//! `cargo xtask tidy` refuses a citation whose short name is not here.

/// A specification: the short name used in citations, its title, the revision built.
pub struct Specification {
    /// As written in `[RFC6749 §3]`.
    pub short_name: &'static str,
    /// Title and revision.
    pub revision: &'static str,
}

const fn spec(short_name: &'static str, revision: &'static str) -> Specification {
    Specification { short_name, revision }
}

/// Everything cited in this repository.
pub const SPECIFICATIONS: &[Specification] = &[
    spec("RFC3339", "Date and Time on the Internet: Timestamps"),
    spec("RFC3986", "Uniform Resource Identifier (URI): Generic Syntax"),
    spec(
        "RFC5280",
        "Internet X.509 Public Key Infrastructure Certificate and CRL Profile",
    ),
    spec(
        "RFC5480",
        "Elliptic Curve Cryptography Subject Public Key Information",
    ),
    spec("RFC5646", "Tags for Identifying Languages"),
    spec("RFC6749", "The OAuth 2.0 Authorization Framework"),
    spec(
        "RFC6750",
        "The OAuth 2.0 Authorization Framework: Bearer Token Usage",
    ),
    spec("RFC7515", "JSON Web Signature (JWS)"),
    spec("RFC7517", "JSON Web Key (JWK)"),
    spec("RFC7518", "JSON Web Algorithms (JWA)"),
    spec("RFC7519", "JSON Web Token (JWT)"),
    spec(
        "RFC7521",
        "Assertion Framework for OAuth 2.0 Client Authentication and Authorization Grants",
    ),
    spec(
        "RFC7523",
        "JWT Profile for OAuth 2.0 Client Authentication, as updated by RFC 10070",
    ),
    spec("RFC7591", "OAuth 2.0 Dynamic Client Registration Protocol"),
    spec(
        "RFC7592",
        "OAuth 2.0 Dynamic Client Registration Management Protocol",
    ),
    spec("RFC7638", "JSON Web Key (JWK) Thumbprint"),
    spec("RFC7797", "JSON Web Signature (JWS) Unencoded Payload Option"),
    spec("RFC8017", "PKCS #1: RSA Cryptography Specifications"),
    spec("RFC8032", "Edwards-Curve Digital Signature Algorithm (EdDSA)"),
    spec("RFC8037", "CFRG Curves in JOSE"),
    spec("RFC8252", "OAuth 2.0 for Native Apps"),
    spec(
        "RFC8305",
        "Happy Eyeballs Version 2: Better Connectivity Using Concurrency",
    ),
    spec("RFC8414", "OAuth 2.0 Authorization Server Metadata"),
    spec(
        "RFC8705",
        "OAuth 2.0 Mutual-TLS Client Authentication and Certificate-Bound Access Tokens",
    ),
    spec("RFC8707", "Resource Indicators for OAuth 2.0"),
    spec("RFC8725", "JSON Web Token Best Current Practices"),
    spec("RFC9068", "JWT Profile for OAuth 2.0 Access Tokens"),
    spec("RFC9101", "JWT-Secured Authorization Request (JAR)"),
    spec("RFC9110", "HTTP Semantics"),
    spec("RFC9112", "HTTP/1.1"),
    spec("RFC9113", "HTTP/2"),
    spec("RFC9126", "OAuth 2.0 Pushed Authorization Requests"),
    spec("RFC9207", "OAuth 2.0 Authorization Server Issuer Identification"),
    spec("RFC9440", "Client-Cert HTTP Header Field"),
    spec("RFC9700", "Best Current Practice for OAuth 2.0 Security"),
    spec("RFC9864", "Fully-Specified Algorithms for JOSE and COSE"),
    spec(
        "RFC10070",
        "Updates to Audience Values for OAuth 2.0 Authorization Servers",
    ),
    spec(
        "OIDCR",
        "OpenID Connect Dynamic Client Registration 1.0, errata set 2",
    ),
    spec("OAUTH-2.1", "draft-ietf-oauth-v2-1-16"),
    spec("SPIFFE-ID", "SPIFFE-ID (Stable), spiffe/spiffe of 1 July 2026"),
    spec("JWT-SVID", "JWT-SVID (Stable), spiffe/spiffe of 1 July 2026"),
    spec("WIT-SVID", "WIT-SVID (Incubating), spiffe/spiffe of 1 July 2026"),
    spec("X509-SVID", "X509-SVID (Stable), spiffe/spiffe of 1 July 2026"),
    spec(
        "SPIFFE-BUNDLE",
        "SPIFFE Trust Domain and Bundle (Stable), 1 July 2026",
    ),
    spec("SPIFFE-FED", "SPIFFE Federation (Stable), 1 July 2026"),
    spec("SPIFFE-AUTH", "draft-ietf-oauth-spiffe-client-auth-02"),
    spec(
        "ROFU",
        "draft-kasselman-oauth-spiffe (register on first use), June 2025",
    ),
];

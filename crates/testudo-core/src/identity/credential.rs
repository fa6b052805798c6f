//! The kinds of credential, and their names in configuration, records and metadata.

use super::{Authority, AuthorityKind};
use serde::{Deserialize, Serialize};
use std::fmt;
use testudo_protocol::credentials;
use testudo_protocol::jose::Jws;
use testudo_protocol::oauth::{ASSERTION_TYPE_JWT_BEARER, ASSERTION_TYPE_JWT_SPIFFE};

/// One row for each kind: its documentation, its name in configuration, records, events and logs, and its properties.
/// A row may be limited to some builds; the schemas of the documentation do not have it.
macro_rules! credential_kinds {
    ($($(#[doc = $documentation:literal])* $(#[cfg($when:meta)])? $kind:ident $name:literal $row:expr;)*) => {
        /// The kind of credential, which is also the name of its door.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum CredentialKind {
            $($(#[doc = $documentation])* $(#[cfg($when)] #[schemars(skip)])? #[serde(rename = $name)] $kind,)*
        }

        impl CredentialKind {
            /// All kinds.
            pub const ALL: [CredentialKind; [$($(#[cfg($when)])? $name),*].len()] =
                [$($(#[cfg($when)])? CredentialKind::$kind,)*];

            /// The name in configuration, records, events and logs.
            pub fn name(self) -> &'static str {
                match self {
                    $($(#[cfg($when)])? CredentialKind::$kind => $name,)*
                }
            }

            fn row(self) -> Row {
                match self {
                    $($(#[cfg($when)])? CredentialKind::$kind => $row,)*
                }
            }
        }
    };
}

/// The properties of a kind of credential.
struct Row {
    /// Name in `token_endpoint_auth_methods_supported`.
    auth_method: &'static str,
    /// `client_assertion_type` of requests that send this kind in `client_assertion`.
    assertion_type: Option<&'static str>,
    /// The kind of authority that issues it; `None` if the client creates it itself.
    issued_by: Option<AuthorityKind>,
    /// Which keys verify it; `None` if there is no door for it.
    verified_by: Option<VerifiedBy>,
    /// True for an unverified statement of this kind; `None` if a software statement cannot be of this kind.
    statement: Option<fn(&str) -> bool>,
    /// True if it can name the running copy of the workload that has it.
    names_instances: bool,
    /// True if `iss` names the `[[issuers]]` entry that issued it: it is sent as an assertion of the type jwt-bearer, or
    /// as a software statement, and the entry determines its kind.
    is_found_by_issuer: bool,
    /// True if several `[[issuers]]` entries may have the same `issuer`: the key of a token determines its entry.
    shares_issuer: bool,
    /// True if it registers a client, which then authenticates with the key that it names.
    only_registers: bool,
    /// True if it is sent in `OAuth-Client-Attestation`, with a PoP of its key beside it. [ABCA §6] [SPIFFE-AUTH §3.3]
    is_sent_with_pop: bool,
    /// True if a Workload Proof Token can prove its key in the place of the PoP. [WPT §2]
    takes_workload_proof: bool,
}

/// The properties of a kind that a client creates itself, and that has none of the others.
const PLAIN: Row = Row {
    auth_method: "",
    assertion_type: None,
    issued_by: None,
    verified_by: None,
    statement: None,
    names_instances: false,
    is_found_by_issuer: false,
    shares_issuer: false,
    only_registers: false,
    is_sent_with_pop: false,
    takes_workload_proof: false,
};

/// True if the unverified `sub` of a token begins with the name of an authority of this kind.
fn names_an_identity(statement: &str, kind: AuthorityKind) -> bool {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let token = Jws::parse(statement).ok();
    let subject = token.and_then(|token| token.unverified_claims::<Subject>().ok());
    let authority = subject.and_then(|subject| Authority::at_the_beginning(&subject.sub));
    authority.is_some_and(|authority| authority.kind() == kind)
}

/// Which keys verify a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerifiedBy {
    /// The keys of its authority that sign tokens.
    TokenKeys,
    /// The keys of its authority that sign WIT-SVIDs.
    WitKeys,
    /// The certificate authorities of its authority.
    Certificates,
    /// The configured or registered keys of the client.
    ClientKeys,
}

credential_kinds! {
    /// A SPIFFE JWT-SVID. [JWT-SVID]
    JwtSvid "jwt_svid" Row {
        auth_method: "spiffe_jwt",
        assertion_type: Some(ASSERTION_TYPE_JWT_SPIFFE),
        issued_by: Some(AuthorityKind::Spiffe),
        verified_by: Some(VerifiedBy::TokenKeys),
        statement: Some(|statement| names_an_identity(statement, AuthorityKind::Spiffe)),
        ..PLAIN
    };
    /// A SPIFFE X.509-SVID. [X509-SVID]
    X509Svid "x509_svid" Row {
        auth_method: "spiffe_x509",
        issued_by: Some(AuthorityKind::Spiffe),
        verified_by: Some(VerifiedBy::Certificates),
        ..PLAIN
    };
    /// A SPIFFE WIT-SVID. [WIT-SVID]
    WitSvid "wit_svid" Row {
        auth_method: "spiffe_wit",
        issued_by: Some(AuthorityKind::Spiffe),
        verified_by: Some(VerifiedBy::WitKeys),
        names_instances: true,
        is_sent_with_pop: true,
        takes_workload_proof: true,
        ..PLAIN
    };
    /// An attestation of the client's key by a configured attester. [ABCA §4]
    Attestation "attestation" Row {
        auth_method: "attest_jwt_client_auth",
        issued_by: Some(AuthorityKind::Issuer),
        verified_by: Some(VerifiedBy::TokenKeys),
        names_instances: true,
        is_sent_with_pop: true,
        ..PLAIN
    };
    /// A token of a configured issuer, such as a CI system or a cloud. [RFC7523 §2.2]
    IssuerJwt "issuer_jwt" Row {
        auth_method: "issuer_jwt",
        issued_by: Some(AuthorityKind::Issuer),
        verified_by: Some(VerifiedBy::TokenKeys),
        is_found_by_issuer: true,
        ..PLAIN
    };
    /// A token of a Kubernetes service account. [K8S-ACCOUNTS]
    Kubernetes "kubernetes" Row {
        auth_method: "kubernetes_service_account",
        issued_by: Some(AuthorityKind::Issuer),
        verified_by: Some(VerifiedBy::TokenKeys),
        names_instances: true,
        is_found_by_issuer: true,
        shares_issuer: true,
        ..PLAIN
    };
    /// A verifiable credential as a software statement. Its client authenticates with the key that the credential names.
    /// [SD-JWT-VC §2] [VC-JOSE-COSE §3]
    VerifiableCredential "verifiable_credential" Row {
        auth_method: "private_key_jwt",
        issued_by: Some(AuthorityKind::Issuer),
        verified_by: Some(VerifiedBy::TokenKeys),
        statement: Some(credentials::has_form_of_one),
        is_found_by_issuer: true,
        only_registers: true,
        ..PLAIN
    };
    /// A client's own signed assertion. [RFC7523 §2.2]
    PrivateKeyJwt "private_key_jwt" Row {
        auth_method: "private_key_jwt",
        assertion_type: Some(ASSERTION_TYPE_JWT_BEARER),
        verified_by: Some(VerifiedBy::ClientKeys),
        ..PLAIN
    };
    /// A certificate that an authority issued which is configured for the client. [RFC8705 §2.1]
    TlsClientAuth "tls_client_auth" Row {
        auth_method: "tls_client_auth",
        verified_by: Some(VerifiedBy::ClientKeys),
        ..PLAIN
    };
    /// A certificate that the client itself registered, or that is configured for it. [RFC8705 §2.2]
    SelfSignedTlsClientAuth "self_signed_tls_client_auth" Row {
        auth_method: "self_signed_tls_client_auth",
        verified_by: Some(VerifiedBy::ClientKeys),
        ..PLAIN
    };
    /// No credential: a public client, which sends only its `client_id`. [RFC6749 §2.1]
    Public "none" Row {
        auth_method: "none",
        ..PLAIN
    };
    /// A token of an issuer that exists in tests only.
    #[cfg(feature = "test-door")]
    TestToken "test_token" Row {
        auth_method: "test_token",
        assertion_type: Some("urn:testudo:test-token"),
        issued_by: Some(AuthorityKind::Issuer),
        verified_by: Some(VerifiedBy::TokenKeys),
        statement: Some(|statement| names_an_identity(statement, AuthorityKind::Issuer)),
        names_instances: true,
        ..PLAIN
    };
}

impl CredentialKind {
    /// The kind with this name.
    pub fn of_name(name: &str) -> Option<CredentialKind> {
        CredentialKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of credential in requests with this `client_assertion_type`.
    pub fn of_assertion_type(name: &str) -> Option<CredentialKind> {
        let mut kinds = CredentialKind::ALL.into_iter();
        kinds.find(|kind| kind.row().assertion_type == Some(name))
    }

    /// The kinds that are sent in `client_assertion`.
    pub fn of_assertions() -> impl Iterator<Item = CredentialKind> {
        let is_assertion = |kind: &CredentialKind| kind.row().assertion_type.is_some();
        CredentialKind::ALL.into_iter().filter(is_assertion)
    }

    /// The kind of a software statement, which no parameter names: the unverified token determines only which door
    /// verifies it.
    pub fn of_statement(unverified: &str) -> Option<CredentialKind> {
        let is_it = |kind: &CredentialKind| kind.row().statement.is_some_and(|is_it| is_it(unverified));
        CredentialKind::ALL.into_iter().find(is_it)
    }

    /// True if a software statement can be of this kind.
    pub fn can_be_statement(self) -> bool {
        self.row().statement.is_some() || self.is_found_by_issuer()
    }

    /// True if the `iss` of a token names the entry of the configuration that determines this kind. Metadata lists no
    /// such kind: `private_key_jwt` is the name for clients that sign with keys of their own.
    pub fn is_found_by_issuer(self) -> bool {
        self.row().is_found_by_issuer
    }

    /// True if an authority issues it and a client authenticates with it. A verifiable credential only registers a client,
    /// which then authenticates with its own key.
    pub(super) fn is_method(self) -> bool {
        self.issued_by().is_some() && !self.only_registers()
    }

    /// True if it registers a client, which then authenticates with the key that it names.
    pub fn only_registers(self) -> bool {
        self.row().only_registers
    }

    /// True if several entries of the configuration may have the same `issuer`: they are found by the key of a token, and
    /// are clusters, which the same program starts with the same settings.
    pub fn shares_issuer(self) -> bool {
        self.row().shares_issuer
    }

    /// True if it is sent in `OAuth-Client-Attestation`, with a PoP of its key beside it.
    pub fn is_sent_with_pop(self) -> bool {
        self.row().is_sent_with_pop
    }

    /// True if a Workload Proof Token can prove its key in the place of the PoP.
    pub fn takes_workload_proof(self) -> bool {
        self.row().takes_workload_proof
    }

    /// The kind of authority that issues it; `None` if the client creates it itself.
    pub fn issued_by(self) -> Option<AuthorityKind> {
        self.row().issued_by
    }

    /// Which keys verify it; `None` if there is no door for it.
    pub fn verified_by(self) -> Option<VerifiedBy> {
        self.row().verified_by
    }

    /// True if the credential is a client certificate.
    pub fn is_certificate(self) -> bool {
        matches!(
            self,
            CredentialKind::X509Svid
                | CredentialKind::TlsClientAuth
                | CredentialKind::SelfSignedTlsClientAuth
        )
    }

    /// True if the credential can name the running copy of a workload that has it, by the key that it confirms or by a
    /// claim.
    pub fn names_instances(self) -> bool {
        self.row().names_instances
    }

    /// Name in `token_endpoint_auth_methods_supported`. [SPIFFE-AUTH §4]
    pub fn auth_method(self) -> &'static str {
        self.row().auth_method
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_stored_under_its_name_and_each_assertion_type_names_one_kind() {
        for kind in CredentialKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(CredentialKind::of_name(kind.name()), Some(kind));
            if let Some(assertion_type) = kind.row().assertion_type {
                assert_eq!(CredentialKind::of_assertion_type(assertion_type), Some(kind));
                assert!(kind.verified_by().is_some(), "{kind} has no door");
            }
        }
    }

    #[test]
    fn kind_of_a_statement_follows_from_its_unverified_subject() {
        let token =
            |claims: &str| testudo_testkit::token::assemble(br#"{"alg":"ES256"}"#, claims.as_bytes(), b"-");
        for (text, expected) in [
            (
                token(r#"{"sub":"spiffe://a.example/x"}"#),
                Some(CredentialKind::JwtSvid),
            ),
            (
                token(r#"{"sub":"spiffe://a.example"}"#),
                Some(CredentialKind::JwtSvid),
            ),
            (token(r#"{"sub":"c6"}"#), None),
            (token(r#"{"sub":7}"#), None),
            (token(r#"{"iss":"spiffe://a.example/x"}"#), None),
            ("spiffe://a.example/x".to_owned(), None),
        ] {
            assert_eq!(CredentialKind::of_statement(&text), expected, "{text}");
        }
    }
}

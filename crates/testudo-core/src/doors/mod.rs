//! Doors: one file for each kind of credential. A door parses and verifies a credential and returns an
//! [`AttestedIdentity`].
//!
//! Every door file has the same four items in the same order: the struct, `recognise`, `lookups`, `verify`. The code
//! that doors share is in `shared/`. The request determines the door (`shared/presented.rs`), and the table of doors is
//! here.

mod attestation;
mod issuer_jwt;
pub mod jwt_svid;
mod kubernetes;
pub mod private_key_jwt;
mod public;
mod self_signed_tls_client_auth;
mod shared;
#[cfg(feature = "test-door")]
mod test_token;
pub mod tls_client_auth;
mod verifiable_credential;
mod wit_svid;
pub mod x509_svid;

#[cfg(test)]
mod tests;

pub use issuer_jwt::ISSUER_JWT_LIFETIME_MAX;
pub use kubernetes::{Acceptance, ReviewNeeded, ReviewQuestion, Reviewed, SERVICE_ACCOUNT_LIFETIME_MAX};
pub use shared::attested_holder::{AttestedClient, attest_holder};
pub use shared::authority_keys::AuthorityKeys;
pub use shared::claims::{CLOCK_LEEWAY, JWT_SVID_LIFETIME_MAX, X509_SVID_LIFETIME_MAX};
pub use shared::client_assertion::ClientAssertion;
pub use shared::client_keys::ClientKeys;
pub use shared::credential_status::{
    ListAge, ListFailure, ListForm, ListFound, ListSource, StatusNeeded, fresh_for,
};
pub use shared::facts::{Cluster, Facts, Lookup, PublicRegistration, Purpose, Terms};
pub use shared::holder_certificate::certify_holder;
pub use shared::issuer_certificates::IssuerCertificates;
pub use shared::known_credential::{
    CREDENTIAL_LIFETIME_MAX, KnownCredential, end_of_credential, is_still_accepted,
};
pub use shared::presented::{Evidence, PeerCertificates, Presented, RequestHeaders};
pub use shared::published_keys::{CredentialKeys, KeysForm};

use crate::identity::{AttestedIdentity, CredentialKind};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use attestation::Attestation;
use issuer_jwt::IssuerJwt;
use jwt_svid::JwtSvid;
use kubernetes::KubernetesToken;
use private_key_jwt::PrivateKeyJwt;
use public::PublicClient;
use self_signed_tls_client_auth::SelfSignedTlsClientAuth;
#[cfg(feature = "test-door")]
use test_token::TestToken;
use tls_client_auth::TlsClientAuth;
use verifiable_credential::VerifiableCredential;
use wit_svid::WitSvid;
use x509_svid::X509Svid;

/// One row for each door: its documentation, its kind of credential, and its type.
macro_rules! doors {
    ($($(#[doc = $documentation:literal])* $(#[cfg($when:meta)])? $kind:ident is $door:ty;)*) => {
        /// A parsed credential. Nothing in it is verified yet.
        pub enum Credential {
            $($(#[doc = $documentation])* $(#[cfg($when)])? $kind($door),)*
        }

        /// Parses a credential of the kind that the request names.
        pub fn recognise(presented: &Presented) -> Result<Credential, Rejection> {
            $($(#[cfg($when)])? if presented.kind == CredentialKind::$kind {
                return <$door>::recognise(presented).map(Credential::$kind);
            })*
            // No request names a kind that has no door.
            Err(CredentialReason::UnsupportedMechanism { found: presented.kind.name() }.into())
        }

        impl Credential {
            /// The facts that are needed to verify the credential.
            pub fn lookups(&self) -> Lookup<'_> {
                match self {
                    $($(#[cfg($when)])? Credential::$kind(door) => door.lookups(),)*
                }
            }

            /// Verifies the credential.
            pub fn verify(
                self,
                facts: &Facts,
                terms: Terms<'_>,
                trace: &mut Trace,
            ) -> Result<AttestedIdentity, Rejection> {
                match self {
                    $($(#[cfg($when)])? Credential::$kind(door) => door.verify(facts, terms, trace),)*
                }
            }
        }
    };
}

doors! {
    /// SPIFFE JWT-SVID.
    JwtSvid is JwtSvid;
    /// An attestation of the client's key.
    Attestation is Attestation;
    /// A token of a configured issuer.
    IssuerJwt is IssuerJwt;
    /// A token of a Kubernetes service account.
    Kubernetes is KubernetesToken;
    /// An assertion that a client signed with its own key.
    PrivateKeyJwt is PrivateKeyJwt;
    /// The name of a client without a credential.
    Public is PublicClient;
    /// A verifiable credential of a configured issuer.
    VerifiableCredential is VerifiableCredential;
    /// SPIFFE WIT-SVID.
    WitSvid is WitSvid;
    /// SPIFFE X.509-SVID.
    X509Svid is X509Svid;
    /// A certificate of authorities that are configured for the client.
    TlsClientAuth is TlsClientAuth;
    /// A certificate in the key set of the client.
    SelfSignedTlsClientAuth is SelfSignedTlsClientAuth;
    /// Token of an issuer that exists in tests only.
    #[cfg(feature = "test-door")]
    TestToken is TestToken;
}

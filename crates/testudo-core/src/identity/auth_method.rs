//! The authentication methods of clients that an authority attests, as client metadata names them. [RFC7591 §2]

use super::CredentialKind;

/// The method in which a DPoP proof takes the place of the PoP of an attestation. [ABCA §8]
pub const ATTESTATION_BY_DPOP: &str = "attest_jwt_client_auth_dpop";

/// How an attested client authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthMethod {
    /// The kind of its credential.
    pub kind: CredentialKind,
    /// True if a DPoP proof takes the place of the PoP. Each of the two ways to use an attestation is a method.
    pub is_combined: bool,
}

impl AuthMethod {
    /// The method of this name, if it needs a credential that an authority issues.
    pub fn attested(name: &str) -> Option<AuthMethod> {
        let is_combined = name == ATTESTATION_BY_DPOP;
        let mut kinds = CredentialKind::ALL.into_iter();
        let kind = match is_combined {
            true => CredentialKind::Attestation,
            false => {
                let is_it = |kind: &CredentialKind| kind.is_method() && kind.auth_method() == name;
                kinds.find(is_it)?
            }
        };
        Some(AuthMethod { kind, is_combined })
    }

    /// The method of this name of a client that registers with a verifiable credential: it signs with the key that the
    /// credential names, has the certificate that the credential names, or an attester attests this key.
    pub fn of_holder(name: &str) -> Option<AuthMethod> {
        let own = [
            CredentialKind::PrivateKeyJwt,
            CredentialKind::SelfSignedTlsClientAuth,
        ];
        let own = own.map(|kind| AuthMethod {
            kind,
            is_combined: false,
        });
        let named = own.into_iter().find(|own| own.name() == name);
        named.or_else(|| AuthMethod::attested(name))
    }

    /// The name in metadata.
    pub fn name(self) -> &'static str {
        match self.is_combined {
            true => ATTESTATION_BY_DPOP,
            false => self.kind.auth_method(),
        }
    }

    /// True if a request with this kind of credential, and with a DPoP proof in the place of the PoP or not, uses the
    /// method.
    pub fn is_used(self, shows: impl Fn(CredentialKind) -> bool, is_combined: bool) -> bool {
        let is_way_fixed = self.kind == CredentialKind::Attestation;
        shows(self.kind) && (!is_way_fixed || self.is_combined == is_combined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attestation_has_two_methods_and_each_is_found_by_its_name() {
        for name in [
            "attest_jwt_client_auth",
            ATTESTATION_BY_DPOP,
            "spiffe_jwt",
            "spiffe_x509",
        ] {
            assert_eq!(AuthMethod::attested(name).unwrap().name(), name);
        }
        for name in ["none", "private_key_jwt", "attestation", ""] {
            assert_eq!(AuthMethod::attested(name), None, "{name}");
        }
        for name in [
            "private_key_jwt",
            "self_signed_tls_client_auth",
            "attest_jwt_client_auth",
            ATTESTATION_BY_DPOP,
        ] {
            assert_eq!(AuthMethod::of_holder(name).unwrap().name(), name);
        }
        assert_eq!(AuthMethod::of_holder("none"), None);
    }

    #[test]
    fn method_of_an_attestation_is_used_only_with_its_own_proof() {
        let shows = |kind| kind == CredentialKind::Attestation;
        let used = |name, is_combined| AuthMethod::attested(name).unwrap().is_used(shows, is_combined);
        assert!(used("attest_jwt_client_auth", false) && used(ATTESTATION_BY_DPOP, true));
        assert!(!used("attest_jwt_client_auth", true) && !used(ATTESTATION_BY_DPOP, false));
        assert!(!used("spiffe_jwt", false));
    }
}

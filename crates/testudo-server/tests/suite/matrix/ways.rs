//! The ways of spoiling the evidence of a registration.

use super::evidence::Evidence;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    None,
    /// Header and payload without the signature part.
    Cut,
    /// A payload that is no JSON, correctly signed.
    NoJson,
    /// `alg` is `none`, without a signature.
    Unsigned,
    /// Changed after it was signed.
    Changed,
    /// Signed by a key that has the `kid` of the right one.
    OtherKey,
    /// Signed by a configured issuer of the same kind of evidence.
    OtherIssuer,
    /// Signed by the issuer of this other kind of evidence.
    KeyOf(Evidence),
    Typ(&'static str),
    /// The credential is for this audience.
    Audience(&'static str),
    Expired,
    NotYetValid,
    IssuedLater,
    WithoutExpiry,
    Proof(ProofFault),
    /// The credential of this other kind, at the place and with the proof of this kind.
    CredentialOf(Evidence),
}

/// The ways of spoiling the proof of the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofFault {
    Missing,
    OtherKey,
    /// Signed by the key of the issuer.
    KeyOfIssuer,
    Typ,
    OtherServer,
    TokenEndpoint,
    WithoutNonce,
    /// A nonce that the server did not give.
    OwnNonce,
    /// A nonce of the server for another kind of evidence.
    NonceOfOther,
    Old,
    Early,
    UsedBefore,
}

impl ProofFault {
    const ALL: [ProofFault; 12] = [
        ProofFault::Missing,
        ProofFault::OtherKey,
        ProofFault::KeyOfIssuer,
        ProofFault::Typ,
        ProofFault::OtherServer,
        ProofFault::TokenEndpoint,
        ProofFault::WithoutNonce,
        ProofFault::OwnNonce,
        ProofFault::NonceOfOther,
        ProofFault::Old,
        ProofFault::Early,
        ProofFault::UsedBefore,
    ];

    fn name(self) -> &'static str {
        match self {
            ProofFault::Missing => "no proof of the holder",
            ProofFault::OtherKey => "proof by a key that is not in the credential",
            ProofFault::KeyOfIssuer => "proof by the key of the issuer",
            ProofFault::Typ => "proof with `typ` `JWT`",
            ProofFault::OtherServer => "proof for another server",
            ProofFault::TokenEndpoint => "proof for the token endpoint",
            ProofFault::WithoutNonce => "proof without a nonce",
            ProofFault::OwnNonce => "proof with a nonce that the server did not give",
            ProofFault::NonceOfOther => "proof with the nonce for another kind of evidence",
            ProofFault::Old => "proof issued ten minutes ago",
            ProofFault::Early => "proof issued in the future",
            ProofFault::UsedBefore => "proof used before",
        }
    }
}

/// Every `typ` that a kind of evidence has, and that of a proof of possession.
const TYPES: [&str; 5] = [
    "JWT",
    "oauth-client-attestation+jwt",
    "dc+sd-jwt",
    "vc+jwt",
    "dpop+jwt",
];

impl Way {
    pub fn all() -> Vec<Way> {
        let mut ways = vec![
            Way::None,
            Way::Cut,
            Way::NoJson,
            Way::Unsigned,
            Way::Changed,
            Way::OtherKey,
            Way::OtherIssuer,
        ];
        ways.extend(Evidence::ALL.map(Way::KeyOf));
        ways.extend(TYPES.map(Way::Typ));
        ways.extend(["https://other.example/register", "https://as.example/token"].map(Way::Audience));
        ways.extend([
            Way::Expired,
            Way::NotYetValid,
            Way::IssuedLater,
            Way::WithoutExpiry,
        ]);
        ways.extend(ProofFault::ALL.map(Way::Proof));
        ways.extend(Evidence::ALL.map(Way::CredentialOf));
        ways
    }

    pub fn name(self) -> String {
        match self {
            Way::None => "without a fault".into(),
            Way::Cut => "without the part of the signature".into(),
            Way::NoJson => "with a payload that is no JSON".into(),
            Way::Unsigned => "not signed (`alg` `none`)".into(),
            Way::Changed => "changed after it was signed".into(),
            Way::OtherKey => "signed by another key of the same name".into(),
            Way::OtherIssuer => "signed by another issuer of the same kind".into(),
            Way::KeyOf(other) => format!("signed by the issuer of: {}", other.name()),
            Way::Typ(typ) => format!("with `typ` `{typ}`"),
            Way::Audience(audience) => format!("for `{audience}`"),
            Way::Expired => "expired".into(),
            Way::NotYetValid => "not yet valid".into(),
            Way::IssuedLater => "issued in the future".into(),
            Way::WithoutExpiry => "without expiry".into(),
            Way::Proof(fault) => fault.name().into(),
            Way::CredentialOf(other) => format!("replaced by: {}", other.name()),
        }
    }

    /// Why a request with this evidence is accepted, if it is.
    pub fn accepted(self, evidence: Evidence) -> Option<&'static str> {
        match self {
            Way::None => Some("the accepted request that follows each refused one, with the same subject"),
            Way::WithoutExpiry if evidence.is_verifiable_credential() => {
                Some("a verifiable credential without an end is valid for the longest lifetime of its entry")
            }
            Way::Cut
            | Way::NoJson
            | Way::Unsigned
            | Way::Changed
            | Way::OtherKey
            | Way::OtherIssuer
            | Way::KeyOf(_)
            | Way::Typ(_)
            | Way::Audience(_)
            | Way::Expired
            | Way::NotYetValid
            | Way::IssuedLater
            | Way::WithoutExpiry
            | Way::Proof(_)
            | Way::CredentialOf(_) => None,
        }
    }
}

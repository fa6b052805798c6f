//! The ways of spoiling a credential.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Signed by a key that has the `kid`, or the name, of the right one.
    OtherKey,
    /// Changed after it was signed.
    Changed,
    /// `alg` is `none`, without a signature.
    Unsigned,
    /// `typ` is that of a proof.
    TypeOfProof,
    /// `aud` is another server.
    OtherAudience,
    Expired,
    /// Issued in the future.
    NotYetValid,
    WithoutExpiry,
    /// A `kid` that no published key has.
    UnknownKid,
    /// Signed by another configured authority.
    OtherAuthority,
    /// Signed by a key that the right authority publishes for another kind of credential.
    KeyOfOtherKind,
    /// Issued by an authority that is not configured.
    UnknownAuthority,
    /// The subject is not one of this kind of credential.
    NoSubject,
}

impl Fault {
    pub const ALL: [Fault; 14] = [
        Fault::None,
        Fault::OtherKey,
        Fault::Changed,
        Fault::Unsigned,
        Fault::TypeOfProof,
        Fault::OtherAudience,
        Fault::Expired,
        Fault::NotYetValid,
        Fault::WithoutExpiry,
        Fault::UnknownKid,
        Fault::OtherAuthority,
        Fault::KeyOfOtherKind,
        Fault::UnknownAuthority,
        Fault::NoSubject,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::None => "without a fault",
            Fault::OtherKey => "signed by another key of the same name",
            Fault::Changed => "changed after it was signed",
            Fault::Unsigned => "not signed",
            Fault::TypeOfProof => "with the `typ` of a proof",
            Fault::OtherAudience => "for another server",
            Fault::Expired => "expired",
            Fault::NotYetValid => "not yet valid",
            Fault::WithoutExpiry => "without expiry",
            Fault::UnknownKid => "with an unknown `kid`",
            Fault::OtherAuthority => "signed by another configured authority",
            Fault::KeyOfOtherKind => "signed by a key for another kind of credential",
            Fault::UnknownAuthority => "of an authority that is not configured",
            Fault::NoSubject => "without a subject",
        }
    }
}

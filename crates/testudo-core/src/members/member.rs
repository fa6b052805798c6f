//! A row of the table of members.

/// What is known of one member of client metadata.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name in requests, claims, records and answers.
    pub name: &'static str,
    /// What it is, and within which bounds.
    pub kind: Kind,
    /// Who may state it.
    pub said_by: SaidBy,
    /// May be there once for each language: `client_name#de`. [RFC7591 §2.2]
    pub is_taggable: bool,
    /// A client may state it only on a host of one of its redirect URIs. [RFC7591 §5]
    pub needs_own_host: bool,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Kept and answered as it was read. It has no behaviour that depends on its kind.
    Label(LabelKind),
    /// Changes what the server does: it has a field of its own.
    Field(Field),
}

/// How a label is read and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are bounds, with their units")]
pub enum LabelKind {
    /// Text that people read, in its composed form, on one line.
    Name { characters_max: usize },
    /// Address that a user may click on; it is never fetched.
    Url,
    /// Text that programs compare, byte for byte.
    Text { bytes_max: usize },
    /// Several texts that people read.
    Texts { items_max: usize, characters_max: usize },
}

/// Members with a field of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the members")]
pub enum Field {
    SoftwareStatement,
    ClientId,
    SpiffeId,
    SpiffeBundleEndpoint,
    ApplicationType,
    RedirectUris,
    TokenEndpointAuthMethod,
    TokenEndpointAuthSigningAlg,
    GrantTypes,
    ResponseTypes,
    Scope,
    Jwks,
    JwksUri,
    DpopBoundAccessTokens,
    TlsClientCertificateBoundAccessTokens,
    RequirePushedAuthorizationRequests,
    RequireSignedRequestObject,
}

impl Field {
    /// Texts, but for the software statement: it is evidence.
    fn may_be_empty(self) -> bool {
        match self {
            Field::ClientId
            | Field::SpiffeId
            | Field::SpiffeBundleEndpoint
            | Field::ApplicationType
            | Field::TokenEndpointAuthMethod
            | Field::TokenEndpointAuthSigningAlg
            | Field::Scope
            | Field::JwksUri => true,
            Field::SoftwareStatement
            | Field::RedirectUris
            | Field::GrantTypes
            | Field::ResponseTypes
            | Field::Jwks
            | Field::DpopBoundAccessTokens
            | Field::TlsClientCertificateBoundAccessTokens
            | Field::RequirePushedAuthorizationRequests
            | Field::RequireSignedRequestObject => false,
        }
    }
}

/// Who may state a member, besides the administrator, and what a claim of the same name in the client's credential
/// does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaidBy {
    /// The request. A claim of this name is not about the member.
    Client,
    /// The request, unless the credential has a claim of this name. The claim itself is never taken.
    ClientUnlessClaimed,
    /// The attester, where the configuration lists the claim; else the request, unless the claim is there. Where the
    /// member is a limit (`scope`), the request may narrow what the attester states.
    AttesterOrClient,
    /// The attester, where the configuration lists the claim. What a request states is judged and not taken.
    Attester,
}

/// A row of a label.
pub(super) const fn label(name: &'static str, kind: LabelKind, said_by: SaidBy) -> Member {
    Member::new(name, Kind::Label(kind), said_by)
}

/// A row of a member with a field of its own.
pub(super) const fn field(name: &'static str, field: Field, said_by: SaidBy) -> Member {
    Member::new(name, Kind::Field(field), said_by)
}

impl Member {
    const fn new(name: &'static str, kind: Kind, said_by: SaidBy) -> Member {
        Member {
            name,
            kind,
            said_by,
            is_taggable: false,
            needs_own_host: false,
        }
    }

    /// The same, in several languages.
    pub(super) const fn taggable(self) -> Member {
        Member {
            is_taggable: true,
            ..self
        }
    }

    /// The same, from a client on its own hosts only.
    pub(super) const fn on_own_host(self) -> Member {
        Member {
            needs_own_host: true,
            ..self
        }
    }

    /// True where a request may state it as an empty text, which is the same as not to state it.
    pub fn may_be_empty(&self) -> bool {
        match self.kind {
            Kind::Label(LabelKind::Name { .. } | LabelKind::Url | LabelKind::Text { .. }) => true,
            Kind::Label(LabelKind::Texts { .. }) => false,
            Kind::Field(field) => field.may_be_empty(),
        }
    }

    /// The kind of label that it is, if it is one.
    pub fn label_kind(&self) -> Option<LabelKind> {
        match self.kind {
            Kind::Label(kind) => Some(kind),
            Kind::Field(_) => None,
        }
    }
}

impl SaidBy {
    /// True where a request may set the member.
    pub fn may_request(self) -> bool {
        match self {
            SaidBy::Client | SaidBy::ClientUnlessClaimed | SaidBy::AttesterOrClient => true,
            SaidBy::Attester => false,
        }
    }

    /// True where a claim that the configuration lists sets the member.
    pub fn may_attest(self) -> bool {
        match self {
            SaidBy::AttesterOrClient | SaidBy::Attester => true,
            SaidBy::Client | SaidBy::ClientUnlessClaimed => false,
        }
    }

    /// True where a claim that the configuration does not list takes the member out of the request.
    pub fn is_shadowed_by_claims(self) -> bool {
        match self {
            SaidBy::ClientUnlessClaimed | SaidBy::AttesterOrClient | SaidBy::Attester => true,
            SaidBy::Client => false,
        }
    }
}

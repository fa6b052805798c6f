//! A row of the table of members.

/// The rules of one member of client metadata.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name in requests, claims, records and answers.
    pub name: &'static str,
    /// Its kind, with its bounds.
    pub kind: Kind,
    /// Who may state it.
    pub stated_by: StatedBy,
    /// True if it may be present once for each language: `client_name#de`. [RFC7591 §2.2]
    pub is_taggable: bool,
    /// True if a URL that the client states must have the host of one of its redirect URIs. [RFC7591 §5]
    pub needs_own_host: bool,
}

/// The kind of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A label: stored and returned as it was read, without effect on what the client may do.
    Label(LabelKind),
    /// A member that changes what the server does, with its own field.
    Field(Field),
}

/// The type of a label and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are bounds, with their units")]
pub enum LabelKind {
    /// Text for people, on one line, normalised to Unicode NFC.
    Name { characters_max: usize },
    /// A URL that a user may open; the server never fetches it.
    Url,
    /// Text that programs compare byte for byte.
    Text { bytes_max: usize },
    /// Several texts for people.
    Texts { items_max: usize, characters_max: usize },
}

/// Members with their own field.
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
    /// True for texts, except the software statement, which is evidence.
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

/// Who may set a member, besides the administrator, and the effect of a claim with the same name in the client's
/// credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatedBy {
    /// The request. A claim with this name has no effect on the member.
    Client,
    /// The request, unless the credential has a claim with this name. The claim itself is never used.
    ClientUnlessClaimed,
    /// The attester, if the configuration lists the claim; otherwise the request, unless the credential has the claim.
    /// If the member is a limit (`scope`), the request may reduce what the attester states.
    AttesterOrClient,
    /// The request, and the attester if the configuration lists the claim: the member is a demand, which is in force if
    /// either of them makes it. An unlisted claim has no effect: if it removed the demand of the client, the client would
    /// have less protection than it asked for.
    AttesterAndClient,
    /// The attester, if the configuration lists the claim. The value in a request is validated and not used.
    Attester,
}

/// The row of a label.
pub(super) const fn label(name: &'static str, kind: LabelKind, stated_by: StatedBy) -> Member {
    Member::new(name, Kind::Label(kind), stated_by)
}

/// The row of a member with its own field.
pub(super) const fn field(name: &'static str, field: Field, stated_by: StatedBy) -> Member {
    Member::new(name, Kind::Field(field), stated_by)
}

impl Member {
    const fn new(name: &'static str, kind: Kind, stated_by: StatedBy) -> Member {
        Member {
            name,
            kind,
            stated_by,
            is_taggable: false,
            needs_own_host: false,
        }
    }

    /// The row, with language tags allowed.
    pub(super) const fn taggable(self) -> Member {
        Member {
            is_taggable: true,
            ..self
        }
    }

    /// The row, for URLs that must have a host of the client's redirect URIs.
    pub(super) const fn on_own_host(self) -> Member {
        Member {
            needs_own_host: true,
            ..self
        }
    }

    /// True if an empty text in a request means that the member is absent.
    pub fn may_be_empty(&self) -> bool {
        match self.kind {
            Kind::Label(LabelKind::Name { .. } | LabelKind::Url | LabelKind::Text { .. }) => true,
            Kind::Label(LabelKind::Texts { .. }) => false,
            Kind::Field(field) => field.may_be_empty(),
        }
    }

    /// The kind of label, if the member is a label.
    pub fn label_kind(&self) -> Option<LabelKind> {
        match self.kind {
            Kind::Label(kind) => Some(kind),
            Kind::Field(_) => None,
        }
    }
}

impl StatedBy {
    /// True if a request may set the member.
    pub fn may_request(self) -> bool {
        match self {
            StatedBy::Client
            | StatedBy::ClientUnlessClaimed
            | StatedBy::AttesterOrClient
            | StatedBy::AttesterAndClient => true,
            StatedBy::Attester => false,
        }
    }

    /// True if a claim that the configuration lists sets the member.
    pub fn may_attest(self) -> bool {
        match self {
            StatedBy::AttesterOrClient | StatedBy::AttesterAndClient | StatedBy::Attester => true,
            StatedBy::Client | StatedBy::ClientUnlessClaimed => false,
        }
    }

    /// True if a claim that the configuration does not list removes the member from the request.
    pub fn is_shadowed_by_claims(self) -> bool {
        match self {
            StatedBy::ClientUnlessClaimed | StatedBy::AttesterOrClient | StatedBy::Attester => true,
            StatedBy::Client | StatedBy::AttesterAndClient => false,
        }
    }
}

//! How clients authenticate, what their tokens are bound to, and what an attacker changes in their requests.

/// A kind of client, by the way it authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    JwtSvid,
    X509Svid,
    WitWithPop,
    WitWithDpop,
    AttestationWithPop,
    AttestationWithDpop,
    /// A client that registered with a verifiable credential, and authenticates with an attestation of the key in it.
    CredentialWithPop,
    CredentialWithDpop,
    Kubernetes,
    IssuerJwt,
    ConfiguredKey,
    RegisteredKey,
    TlsClientAuth,
    SelfSigned,
    ConfiguredPublic,
    RegisteredPublic,
}

impl Kind {
    pub const ALL: [Kind; 16] = [
        Kind::JwtSvid,
        Kind::X509Svid,
        Kind::WitWithPop,
        Kind::WitWithDpop,
        Kind::AttestationWithPop,
        Kind::AttestationWithDpop,
        Kind::CredentialWithPop,
        Kind::CredentialWithDpop,
        Kind::Kubernetes,
        Kind::IssuerJwt,
        Kind::ConfiguredKey,
        Kind::RegisteredKey,
        Kind::TlsClientAuth,
        Kind::SelfSigned,
        Kind::ConfiguredPublic,
        Kind::RegisteredPublic,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::JwtSvid => "JWT-SVID",
            Kind::X509Svid => "X.509-SVID",
            Kind::WitWithPop => "WIT-SVID with PoP",
            Kind::WitWithDpop => "WIT-SVID with DPoP only",
            Kind::AttestationWithPop => "client attestation with PoP",
            Kind::AttestationWithDpop => "client attestation with DPoP only",
            Kind::CredentialWithPop => "verifiable credential at registration, attestation with PoP",
            Kind::CredentialWithDpop => "verifiable credential at registration, attestation with DPoP only",
            Kind::Kubernetes => "Kubernetes service account token",
            Kind::IssuerJwt => "token of an issuer",
            Kind::ConfiguredKey => "`private_key_jwt`, configured",
            Kind::RegisteredKey => "`private_key_jwt`, registered",
            Kind::TlsClientAuth => "`tls_client_auth`",
            Kind::SelfSigned => "`self_signed_tls_client_auth`",
            Kind::ConfiguredPublic => "public, configured",
            Kind::RegisteredPublic => "public, registered",
        }
    }

    pub fn is_public(self) -> bool {
        matches!(self, Kind::ConfiguredPublic | Kind::RegisteredPublic)
    }

    /// True if the credential is the client certificate of the connection.
    pub fn is_certificate(self) -> bool {
        matches!(self, Kind::X509Svid | Kind::TlsClientAuth | Kind::SelfSigned)
    }

    /// True if one DPoP proof with the key of the credential is also the proof of possession of the credential.
    pub fn is_combined(self) -> bool {
        matches!(
            self,
            Kind::WitWithDpop | Kind::AttestationWithDpop | Kind::CredentialWithDpop
        )
    }

    /// True if the key of the credential names the instance to which codes and refresh tokens belong. [ABCA §10.3]
    fn has_instances(self) -> bool {
        matches!(self, Kind::AttestationWithPop | Kind::AttestationWithDpop)
    }

    /// True if the credential names a key of the client, which can be renewed.
    fn has_key(self) -> bool {
        match self {
            Kind::JwtSvid
            | Kind::Kubernetes
            | Kind::IssuerJwt
            | Kind::ConfiguredPublic
            | Kind::RegisteredPublic => false,
            Kind::X509Svid
            | Kind::WitWithPop
            | Kind::WitWithDpop
            | Kind::AttestationWithPop
            | Kind::AttestationWithDpop
            | Kind::CredentialWithPop
            | Kind::CredentialWithDpop
            | Kind::ConfiguredKey
            | Kind::RegisteredKey
            | Kind::TlsClientAuth
            | Kind::SelfSigned => true,
        }
    }
}

/// What the tokens of a flow are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    Bearer,
    Dpop,
    Certificate,
}

impl Binding {
    pub const ALL: [Binding; 3] = [Binding::Bearer, Binding::Dpop, Binding::Certificate];

    pub fn name(self) -> &'static str {
        match self {
            Binding::Bearer => "nothing",
            Binding::Dpop => "key of a DPoP proof",
            Binding::Certificate => "client certificate",
        }
    }

    /// Why a client of this kind cannot have such tokens.
    pub fn of(self, kind: Kind) -> Result<Binding, &'static str> {
        match self {
            Binding::Bearer if kind.is_combined() => {
                Err("the DPoP proof that proves the key of the credential also binds the tokens")
            }
            Binding::Certificate if !kind.is_certificate() && !kind.is_public() => {
                Err("a credential beside a client certificate would be two credentials, and is refused")
            }
            Binding::Bearer | Binding::Dpop | Binding::Certificate => Ok(self),
        }
    }

    /// The token of such a flow, as the table shows it.
    pub fn shown(self) -> &'static str {
        match self {
            Binding::Bearer => "Bearer",
            Binding::Dpop => "DPoP jkt",
            Binding::Certificate => "Bearer x5t#S256",
        }
    }
}

/// What redeems a code, or a refresh token, of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Another client of the same kind, which proves the key to which the tokens are bound.
    OtherClient,
    /// The client without its credential.
    NoCredential,
    /// The client with a credential that names another key: another instance, or a renewed key or certificate.
    OtherCredentialKey,
    /// The client with a DPoP proof of another key, or with another certificate.
    OtherBoundKey,
    /// The client without the DPoP proof, or without the certificate.
    Unbound,
}

/// What a redemption or a refresh is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Granted,
    Refused(&'static str),
}

/// What is redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Code,
    RefreshToken,
}

impl What {
    pub const ALL: [What; 2] = [What::Code, What::RefreshToken];

    pub fn name(self) -> &'static str {
        match self {
            What::Code => "code",
            What::RefreshToken => "refresh token",
        }
    }
}

const REFUSED: Result<Expected, &str> = Ok(Expected::Refused("invalid_grant"));

impl Change {
    pub const ALL: [Change; 5] = [
        Change::OtherClient,
        Change::NoCredential,
        Change::OtherCredentialKey,
        Change::OtherBoundKey,
        Change::Unbound,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Change::OtherClient => "another client",
            Change::NoCredential => "no credential",
            Change::OtherCredentialKey => "other key in the credential",
            Change::OtherBoundKey => "other bound key",
            Change::Unbound => "without bound key",
        }
    }

    /// The answer, or why there is no such request.
    pub fn expected(self, kind: Kind, binding: Binding, what: What) -> Result<Expected, &'static str> {
        match self {
            Change::OtherClient => REFUSED,
            Change::NoCredential if kind.is_public() => Err("a public client has no credential"),
            Change::NoCredential => Ok(Expected::Refused("invalid_client")),
            Change::OtherCredentialKey if !kind.has_key() => Err("the credential names no key of the client"),
            // The attestation must be of the key that the verifiable credential names.
            Change::OtherCredentialKey
                if matches!(kind, Kind::CredentialWithPop | Kind::CredentialWithDpop) =>
            {
                Ok(Expected::Refused("invalid_client_attestation"))
            }
            Change::OtherCredentialKey if kind.has_instances() => REFUSED,
            // [RFC9449 §10.1] The proof of the pushed request binds the code.
            Change::OtherCredentialKey if kind.is_combined() && what == What::Code => REFUSED,
            Change::OtherCredentialKey => Ok(Expected::Granted),
            Change::OtherBoundKey | Change::Unbound if binding == Binding::Bearer => {
                Err("the tokens are bound to nothing")
            }
            Change::OtherBoundKey | Change::Unbound
                if binding == Binding::Certificate && kind.is_certificate() =>
            {
                Err("the certificate is the credential: see the columns before")
            }
            Change::OtherBoundKey if kind.is_combined() => {
                Err("the key is that of the credential: see the column before")
            }
            Change::Unbound if kind.is_combined() => Ok(Expected::Refused("invalid_client_attestation")),
            // [RFC8705 §4] Every request for a token needs the certificate, whatever it presents.
            Change::Unbound if binding == Binding::Certificate => Ok(Expected::Refused("invalid_request")),
            // [RFC9449 §5] The refresh tokens of a client that authenticates are not bound: its keys may be renewed.
            Change::OtherBoundKey | Change::Unbound if what == What::RefreshToken && !kind.is_public() => {
                Ok(Expected::Granted)
            }
            Change::OtherBoundKey | Change::Unbound => REFUSED,
        }
    }
}

//! A hint for each reason: what an administrator or the owner of a client can change to make the request succeed.
//!
//! Hints may reveal the reason of a refusal, so they appear only in events, `testudo explain` and `testudo doctor`,
//! never in an answer.

mod attestation;
mod authorization;
mod grant;
mod passkey;
mod proof;
mod request;
mod service_account;
mod sign_in;
mod status;
mod verifiable;
mod workload_proof;

pub(super) use attestation::of_attestation;
pub(super) use authorization::of_authorization;
pub(super) use grant::of_grant;
pub(super) use proof::of_proof;
pub(super) use request::of_request;
pub(super) use sign_in::of_sign_in;

use super::{AdmissionReason, ClaimDifference, CredentialReason, MetadataReason, NotAcceptedBy};
use crate::identity::{AuthorityKind, CredentialKind, SenderConstraint};
use std::borrow::Cow;
use testudo_protocol::client_certificate::ClientCertificateError;
use testudo_protocol::jose::JoseError;
use testudo_protocol::spiffe::{ChainCertificate, PathError, X509Error};

pub(super) fn of_credential(reason: &CredentialReason) -> Cow<'static, str> {
    match reason {
        CredentialReason::MissingAssertion => {
            "the client must send client_assertion_type and client_assertion, or a client certificate".into()
        }
        CredentialReason::NoCredential => {
            "the client must send client_assertion_type and client_assertion, or a client certificate; if it cannot have a key, set token_endpoint_auth_method = \"none\" in its [[clients]] entry".into()
        }
        CredentialReason::CertificateHeaderNotRead { found, expected: Some(expected), .. } => format!(
            "configure the proxy to write the client's certificate into {expected} in the form of RFC 9440, and not into {found}; in HAProxy: http-request set-header {expected} :%[ssl_c_der,base64]:"
        )
        .into(),
        CredentialReason::CertificateHeaderNotRead { expected: None, .. } => {
            "if a proxy sent the header, add its address to proxy.trusted and set proxy.client_certificate_header; the proxy must write the certificate in the form of RFC 9440".into()
        }
        CredentialReason::UnsupportedMechanism { found } => {
            format!("the client must send a client_assertion or a client certificate instead of {found}").into()
        }
        CredentialReason::UnknownAssertionType => {
            "for a JWT-SVID the client_assertion_type is urn:ietf:params:oauth:client-assertion-type:jwt-spiffe".into()
        }
        CredentialReason::Jose(fault) => of_token(fault).into(),
        CredentialReason::Certificate(fault) => of_certificate(fault).into(),
        CredentialReason::ForeignCertificateHeader => {
            "add the address of the proxy to proxy.trusted, or configure the proxy to remove the header".into()
        }
        CredentialReason::CertificateHeaderMalformed { header, .. } => format!(
            "configure the proxy to write the client's certificate (DER) in base64 between colons into {header}; in HAProxy: http-request set-header {header} :%[ssl_c_der,base64]:"
        )
        .into(),
        CredentialReason::TypeNotAllowed { .. } => {
            "send the kind of token that client_assertion_type names: a JWT-SVID has typ JWT, JOSE or none".into()
        }
        CredentialReason::AlgorithmNotAllowed { .. } => {
            "sign with an algorithm that the metadata of this server lists, and that the client registered".into()
        }
        CredentialReason::SubjectNotSpiffeId(_) => {
            "a JWT-SVID has a SPIFFE ID as sub; for a client with keys of its own the client_assertion_type ends in jwt-bearer".into()
        }
        CredentialReason::SubjectUnusable { claim } => {
            format!("set `subject_claim` of the [[issuers]] entry to a claim that its tokens have; {claim} is not one").into()
        }
        CredentialReason::SubjectHasNoPath => "give the workload a SPIFFE ID with a path".into(),
        CredentialReason::UnknownAuthority { authority } => {
            let section = match authority.kind() {
                AuthorityKind::Spiffe => "[[trust_domains]]",
                AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => "[[issuers]]",
            };
            format!("add a {section} entry named `{}`", authority.name()).into()
        }
        // The key, since a trust domain and an issuer may have the same name.
        CredentialReason::BundleUnavailable { authority } => {
            format!("run `testudo trust show {}` for the last error", authority.key()).into()
        }
        CredentialReason::UnknownClient => {
            "add a [[clients]] entry with this client_id, or have the client register; for a token of a cluster or of a CI system, add an [[issuers]] entry with use = [\"client\"] whose issuer is the iss of the token".into()
        }
        CredentialReason::ClientKeysUnavailable { .. } => {
            "the jwks_uri of the client must answer over https, from a public address, with a key set".into()
        }
        CredentialReason::AudienceMismatch { expected, .. } => {
            format!("have the credential issued for audience `{expected}`: the Workload API, the projected volume of a pod and CI systems take the audience as a parameter; a client that signs its own assertions must set aud to it").into()
        }
        CredentialReason::AssertionExpired { .. } => {
            "fetch a new credential, and check that the clocks of client, issuer and server agree".into()
        }
        CredentialReason::AssertionNotYetValid { .. } | CredentialReason::AssertionFromTheFuture { .. } => {
            "check that the clocks of issuer and server agree".into()
        }
        CredentialReason::LifetimeTooLong { by, allowed, .. } => match by {
            Some(authority) => format!(
                "have credentials issued with a shorter lifetime, or raise lifetime_max of {}",
                authority.described()
            )
            .into(),
            None => format!("the client must set exp to at most {allowed} s after the time at which it signs").into(),
        },
        CredentialReason::IssuerIsNotSubject => {
            "a client that signs its own assertions must set iss and sub to its client_id; for a token of a cluster or of a CI system, add an [[issuers]] entry with use = [\"client\"] whose issuer is the iss of the token".into()
        }
        CredentialReason::JwtIdMissing | CredentialReason::JwtIdTooLong | CredentialReason::JwtIdUnprintable => {
            "have the issuer give each credential a short jti of visible characters, or remove single_use from the entry of the authority; a client that signs its own assertions must set jti".into()
        }
        CredentialReason::BoundToKey => {
            "have the issuer give the workload a token without cnf: tokens of this kind are accepted without a proof of possession".into()
        }
        CredentialReason::AssertionReplayed => {
            "the client must create or fetch a new credential for each request".into()
        }
        CredentialReason::MarkDropped { .. } => {
            "the clock of this server was set back: compare it with a time server".into()
        }
        CredentialReason::ServiceAccount(reason) => service_account::of_service_account(reason),
        CredentialReason::Status(reason) => status::of_status(reason),
        CredentialReason::Verifiable(reason) => verifiable::of_verifiable(reason),
        CredentialReason::IssuedAtMissing => "have the issuer add iat to what it signs".into(),
        CredentialReason::ClientCertificate(
            ClientCertificateError::Expired { .. } | ClientCertificateError::NotYetValid { .. },
        ) => "the client must use a certificate that is valid now; compare the clocks".into(),
        CredentialReason::ClientCertificate(ClientCertificateError::OtherCertificate) => {
            "put the certificate of the client into x5c of its key in jwks (docs/doors/self-signed-tls-client-auth.md)".into()
        }
        CredentialReason::ClientCertificate(
            ClientCertificateError::Malformed
            | ClientCertificateError::Path(_)
            | ClientCertificateError::Key(_)
            | ClientCertificateError::OtherName,
        ) => "compare the certificate with tls_client_ca and tls_client_auth_… of the client: openssl x509 -noout -issuer -subject -ext subjectAltName -nameopt RFC2253".into(),
        CredentialReason::EvidenceMissing => {
            "send the SVID as software_statement, connect with the X.509-SVID, or send an attestation; clients without evidence need [registration.open]".into()
        }
        CredentialReason::TwoIdentities => {
            "send evidence of one workload only: a statement, a certificate, an attestation".into()
        }
        CredentialReason::StatementIssuerMismatch { expected } => {
            format!("leave iss out of the statement, or set it to `{expected}`").into()
        }
        CredentialReason::InitialAccessTokenRefused { .. } => {
            "request a new access token with scope client.register from this server; the rule of its holder must have this scope".into()
        }
        CredentialReason::InitialAccessTokenStatusUnavailable { .. } => {
            "nothing is wrong with the token: the publisher of the status list must serve it; `status_max_stale` of the issuer allows an older list for longer".into()
        }
        CredentialReason::InitialAccessTokenHasNoScope => {
            "request a token with scope client.register, which the rule of its holder must have".into()
        }
        CredentialReason::RegistrationTokenMissing => {
            "send the registration_access_token of the registration in the Authorization header".into()
        }
        CredentialReason::RegistrationTokenRefused { is_superseded } => match is_superseded {
            true => "a later answer contained a new registration_access_token: the client must send that one".into(),
            false => "the client must send the registration_access_token of its registration, or register again".into(),
        },
    }
}

/// Hints for signed tokens.
fn of_token(fault: &JoseError) -> &'static str {
    match fault {
        JoseError::NoKey { .. } => {
            "the authority has no key with this kid and algorithm: `testudo trust show` lists the keys; run `testudo trust refresh` if the issuer has just rotated them"
        }
        JoseError::BadSignature => {
            "the token was altered, or another issuer signed it with the same kid: fetch it again from the Workload API or its issuer"
        }
        JoseError::AlgorithmRefused => {
            "have the issuer sign with RS256, ES256, PS256 or their variants with 384 and 512; `none` and HS256 are never accepted"
        }
        JoseError::HeaderParameterRefused { .. } | JoseError::CriticalExtension => {
            "have the issuer leave the header parameter out"
        }
        JoseError::TooLarge | JoseError::NotCompact | JoseError::NotBase64Url => {
            "send the token exactly as the issuer issued it: three parts of base64url, separated by dots, without line breaks"
        }
        JoseError::Header(_) | JoseError::Claims(_) => {
            "compare the claims with those that the client_assertion_type requires: a JWT-SVID as the Workload API returns it is sent with the type that ends in jwt-spiffe; the type that ends in jwt-bearer is for clients with keys of their own, whose assertions have iss, sub, aud, exp and jti"
        }
    }
}

/// Hints for client certificates.
fn of_certificate(fault: &X509Error) -> &'static str {
    match fault {
        X509Error::Empty => "the client must send its certificate and intermediates",
        X509Error::TooLong
        | X509Error::TooManyExtensions
        | X509Error::ExtensionTooLarge
        | X509Error::NameTooLong => {
            "the client must send its own certificate and only the intermediates up to an authority"
        }
        X509Error::Malformed => "the client must send the certificate exactly as the issuer issued it",
        X509Error::NoUriName | X509Error::SeveralUriNames | X509Error::NotSpiffeId(_) | X509Error::NoPath => {
            "have the certificate issued with one URI subject alternative name: the SPIFFE ID of the workload"
        }
        X509Error::LeafIsAuthority => {
            "use the certificate of a workload, not of an authority; `openssl req -x509` creates an authority"
        }
        X509Error::KeyUsageMissing
        | X509Error::KeyUsageNotCritical
        | X509Error::KeyUsageNoSignature
        | X509Error::KeyUsageSigns => {
            "have the certificate issued with a critical key usage: digitalSignature, without keyCertSign and cRLSign"
        }
        X509Error::EmptySubjectNameNotCritical => {
            "have the certificate issued with a subject, or with a critical subject alternative name"
        }
        X509Error::Signing(_) => "have the intermediate certificates issued again without this fault",
        X509Error::Key(_) => {
            "have the certificate issued for a P-256 key, or for another accepted kind of key"
        }
        X509Error::Path(fault) => of_path(fault),
    }
}

/// Hints for the path from a client certificate to an authority.
fn of_path(fault: &PathError) -> &'static str {
    match fault {
        PathError::Expired {
            certificate: ChainCertificate::Leaf,
            ..
        } => {
            "the client must renew its SVID: the Workload API issues a new one before the end of the old one; also check that the clocks of client, issuer and server agree"
        }
        PathError::Expired {
            certificate: ChainCertificate::Intermediate { .. },
            ..
        } => {
            "have the issuer renew its intermediate certificate, and the client fetch its SVID again with the new chain; also check that the clocks of issuer and server agree"
        }
        PathError::NotYetValid { .. } => "check that the clocks of issuer and server agree",
        PathError::OutOfOrder => {
            "the client must send its own certificate first, and then the issuer of each certificate"
        }
        PathError::NoAuthority => {
            "`testudo trust show` lists the authorities of the trust domain; the client must also send the intermediates, in order"
        }
        PathError::BadSignature | PathError::UnknownAlgorithm => {
            "the certificate was altered, or signed with another key than that of the authority with this name: compare the authorities that `testudo trust show` lists; run `testudo trust refresh` if the issuer has just rotated them"
        }
        PathError::SameSubject | PathError::SameKey => {
            "the client must send each certificate once, and each certificate must have a key of its own, each authority a subject of its own"
        }
        PathError::NotAuthority(_) => "have the intermediate certificates issued again without this fault",
        PathError::TooDeep => {
            "have the certificate issued by an authority whose pathLenConstraint allows the intermediates below it"
        }
        PathError::NotForClients | PathError::NotForServers => {
            "have the certificates issued with clientAuth and serverAuth in the extended key usage, or without extended key usage"
        }
        PathError::Key(_) => {
            "have the certificates of the chain issued for P-256 keys, or for another accepted kind of key"
        }
        PathError::Refused(_) => "have the certificates of the chain issued again without this fault",
    }
}

pub(super) fn of_metadata(reason: &MetadataReason) -> Cow<'static, str> {
    match reason {
        MetadataReason::NoGrantTypeRemains => {
            "add one of the requested grants to grant_types of the rule, or have the client request one that is listed there"
        }
        MetadataReason::NoScopeRemains => {
            "add one of the requested values to scopes of the rule, or have the client request one that is listed there"
        }
        MetadataReason::RedirectUriOutsideRule | MetadataReason::RedirectUriOfOthers => {
            "add the redirect URI to redirect_uris of the rule, or have the client request one that is allowed"
        }
        MetadataReason::AttestedRedirectUriOutsideRule => {
            "correct the redirect_uris that the attester states, or allow them in redirect_uris of the rule"
        }
        MetadataReason::SoftwareIdMismatch => {
            "leave software_id out of the request, or correct the value that the attester states"
        }
        MetadataReason::JwksUriNotTaken => "the client must send its keys in jwks",
        MetadataReason::PrivateKeyDisclosed { .. } => {
            "the private key has been disclosed: the client must create a new key, and send only the public key"
        }
        MetadataReason::NarrowingNeedsKey { .. } => {
            "the client must connect with its X.509-SVID, or send its attestation with a proof, in this request"
        }
        MetadataReason::BindingNotShown => {
            "the client must connect with its X.509-SVID to send this request"
        }
        MetadataReason::NarrowingNeedsAudience { .. } => {
            "ask the Workload API for an SVID whose audience is the registration_endpoint of this server"
        }
        MetadataReason::ReplacementOfAnother | MetadataReason::ReplacementMalformed { .. } => {
            "the client must send the metadata of its registration with its client_id, without members that only answers have"
        }
        MetadataReason::NotAString { .. }
        | MetadataReason::NotABoolean { .. }
        | MetadataReason::NotAListOfStrings { .. }
        | MetadataReason::NameMalformed { .. }
        | MetadataReason::SoftwareTextMalformed { .. }
        | MetadataReason::LabelUrlMalformed { .. }
        | MetadataReason::ContactsMalformed { .. }
        | MetadataReason::LanguageTagRepeated { .. }
        | MetadataReason::TooManyLanguageTags { .. }
        | MetadataReason::ApplicationTypeUnknown
        | MetadataReason::ApplicationTypeChanged
        | MetadataReason::GrantTypeEnded
        | MetadataReason::ResponseTypesMismatch
        | MetadataReason::ScopeMalformed
        | MetadataReason::BoundTwice
        | MetadataReason::BindingWithoutCertificate
        | MetadataReason::AuthMethodWithoutEvidence
        | MetadataReason::AuthMethodNotAttested
        | MetadataReason::AuthMethodNotShown
        | MetadataReason::CertificatesMissing
        | MetadataReason::CertificatesNotReceived
        | MetadataReason::AuthMethodChanged
        | MetadataReason::SigningAlgorithmNotSupported
        | MetadataReason::SigningAlgorithmWithoutKey
        | MetadataReason::RedirectUrisMalformed { .. }
        | MetadataReason::RedirectUri(_)
        | MetadataReason::RedirectUrisMissing
        | MetadataReason::RedirectUrisWithoutGrant
        | MetadataReason::RedirectUrisOfWeb
        | MetadataReason::RedirectUrisMixed => {
            "the answer contains this sentence: the client must correct the member and send the request again"
        }
        MetadataReason::JwksTwice
        | MetadataReason::JwksMissing
        | MetadataReason::JwksMalformed
        | MetadataReason::JwksTooLarge { .. }
        | MetadataReason::JwksKeyIdRepeated { .. }
        | MetadataReason::JwksKeySymmetric { .. }
        | MetadataReason::JwksKeyMalformed { .. }
        | MetadataReason::JwksKeyRefused { .. }
        | MetadataReason::JwksWithoutKey
        | MetadataReason::JwksUriMalformed => {
            "the answer contains this sentence: the client must correct its keys and send the request again"
        }
        MetadataReason::CertificateSubjectNamed { .. }
        | MetadataReason::StatementNotTaken
        | MetadataReason::SpiffeIdClaimed
        | MetadataReason::SpiffeIdMismatch
        | MetadataReason::ClientIdChosen
        | MetadataReason::LabelNeedsKey { .. }
        | MetadataReason::KeysOfAttestedClient { .. } => {
            "the answer contains this sentence: the client must leave the member out and send the request again"
        }
    }
    .into()
}

pub(super) fn of_admission(reason: &AdmissionReason) -> Cow<'static, str> {
    match reason {
        AdmissionReason::EvidenceNotTaken => "set statements = true in [registration]".into(),
        AdmissionReason::AuthorityDisabled { authority } => {
            format!("run `testudo trust enable {}`", authority.key()).into()
        }
        AdmissionReason::IdentityBlocked { by } => format!("run `testudo identity unblock '{by}'`").into(),
        AdmissionReason::NoRule => {
            "add a [[rules]] entry with a matching pattern in identities; `testudo rule list` shows the patterns of the rules".into()
        }
        AdmissionReason::ClaimDiffers(difference) => {
            let ClaimDifference { rule, claim, .. } = &**difference;
            format!("if this identity is meant, change `claims` of rule `{rule}` or add a rule with its value of {claim}; otherwise the refusal is right").into()
        }
        AdmissionReason::ClaimsUnknown { rule } => {
            format!("if this identity is meant, add a rule without `claims` for it before rule `{rule}`").into()
        }
        AdmissionReason::SponsorCredential { why, .. } => why.hint().into(),
        AdmissionReason::RuleDisabled { rule } => format!("set enabled = true in rule `{rule}`").into(),
        AdmissionReason::CredentialNotAccepted { kind, by } => {
            of_kind(*kind, by)
        }
        AdmissionReason::ClientIdMismatch { expected, .. } => {
            format!("leave client_id out, or send `{expected}`").into()
        }
        AdmissionReason::ClientFrozen { client_id } => format!("run `testudo client thaw '{client_id}'`").into(),
        AdmissionReason::FirstUseOff { by } | AdmissionReason::FirstUseObserved { by } => {
            format!("set first_use = \"on\" for {by}").into()
        }
        AdmissionReason::AttestedClaimMalformed(_) => {
            "correct the claim at the issuer of the workload's credential, or remove it from attested_metadata".into()
        }
        AdmissionReason::GrantNotAllowed { rule } => {
            format!("add the grant to grant_types of rule `{rule}`, or request one that is listed there").into()
        }
        AdmissionReason::ScopeNotAllowed { rule, refused } => {
            format!("add `{refused}` to scopes of rule `{rule}`, or request less").into()
        }
        AdmissionReason::ResourceNotAllowed { rule, .. } => {
            format!("add the resource to resources of rule `{rule}`, or request one that is there").into()
        }
        AdmissionReason::BindingMissing { rule, constraint } => match constraint {
            SenderConstraint::Mtls => {
                format!("the client must present its certificate over mutual TLS, or change sender_constraint of rule `{rule}`")
            }
            SenderConstraint::Dpop => {
                format!("the client must send a DPoP proof, or change sender_constraint of rule `{rule}`")
            }
            SenderConstraint::Any | SenderConstraint::None => format!(
                "the client must send a DPoP proof or present its certificate over mutual TLS, or change sender_constraint of rule `{rule}`"
            ),
        }
        .into(),
        AdmissionReason::ClientIdClash { client_id } => format!(
            "`testudo client show '{client_id}'` shows the client with this id; delete that client, or change the rule's client_id"
        )
        .into(),
        AdmissionReason::ClientIdReserved { rule } => format!(
            "begin the client_id of rule `{rule}` with a fixed text, as in \"workload-{{service}}\""
        )
        .into(),
        AdmissionReason::TooManyClients { limit } => {
            format!("raise clients_max of {limit}, or remove unused clients").into()
        }
        AdmissionReason::TooFast { setting, limit, .. } => format!("raise {setting} of {limit}").into(),
    }
}

/// The hint for a kind of credential that is not accepted. Only trust domains, issuers and rules have a list of kinds.
fn of_kind(kind: CredentialKind, by: &NotAcceptedBy) -> Cow<'static, str> {
    let configured = |by| format!("add \"{kind}\" to the credentials of {by}").into();
    match by {
        NotAcceptedBy::Rule(_) => configured(by),
        NotAcceptedBy::Authority(authority) => match authority.kind() {
            AuthorityKind::Spiffe => configured(by),
            AuthorityKind::Issuer => format!(
                "the [[issuers]] entry `{authority}` must be of the kind that issues this credential, and its `use` must name what it is sent for: \"client\" for token requests, \"registration\" for evidence of registrations"
            )
            .into(),
            AuthorityKind::Configuration => {
                "a client of a [[clients]] entry must authenticate with private_key_jwt".into()
            }
            AuthorityKind::Registration => {
                "the client must authenticate with the token_endpoint_auth_method that it registered".into()
            }
        },
        NotAcceptedBy::Registration => {
            "the client must send the kind of credential with which it registered, or register again".into()
        }
    }
}

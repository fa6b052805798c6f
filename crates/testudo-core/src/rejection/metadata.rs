//! What a client says of itself when it registers. It can see all of it, and is told which member is wrong.
//!
//! The sentence that is sent is the text of the log, and is made of the member's name: none is without it.

use super::row::Row;
use std::borrow::Cow;
use std::fmt;
use testudo_protocol::jose::KeyError;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::oauth::redirect_uri::RedirectUriError;

/// What is wrong with client metadata. [RFC7591 §2]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "`member` is the member's name in RFC 7591 and its like, the rest are bounds"
)]
pub enum MetadataReason {
    /// A text is another type of JSON.
    NotAString { member: &'static str },
    /// A flag is another type of JSON.
    NotABoolean { member: &'static str },
    /// A list is another type of JSON, holds something else than texts, or too many of them.
    NotAListOfStrings { member: &'static str },
    /// A name is blank, too long, or has characters that are not seen.
    NameMalformed {
        member: &'static str,
        characters_max: usize,
    },
    /// A text of `software_id` and its like is blank, too long, or has characters that are not seen.
    SoftwareTextMalformed { member: &'static str, bytes_max: usize },
    /// The address of a page or picture is one that must not be shown.
    LabelUrlMalformed { member: &'static str },
    /// `contacts` are too many, too long, or have characters that are not seen.
    ContactsMalformed {
        member: &'static str,
        items_max: usize,
        characters_max: usize,
    },
    /// Two members differ in the case of their language tags only. [RFC7591 §2.2]
    LanguageTagRepeated { member: &'static str },
    /// There are more members with a language tag than are kept.
    TooManyLanguageTags { member: &'static str, tags_max: usize },
    /// A request names the subject of a certificate. [RFC8705 §2.1.2]
    CertificateSubjectNamed { member: &'static str },
    /// A statement comes where one is not looked for.
    StatementNotTaken,
    /// A client without evidence says which SPIFFE ID it has.
    SpiffeIdClaimed,
    /// `spiffe_id` is not the identity that was proven.
    SpiffeIdMismatch,
    /// `software_id` is not the one that the attester states.
    SoftwareIdMismatch,
    /// A client chooses its identifier. [RFC7591 §6]
    ClientIdChosen,
    /// `application_type` is neither `web` nor `native`.
    ApplicationTypeUnknown,
    /// A web application is to become a native one.
    ApplicationTypeChanged,

    /// `grant_types` has one of those that OAuth 2.1 ended.
    GrantTypeEnded,
    /// Nothing of `grant_types` is allowed.
    NoGrantTypeRemains,
    /// `response_types` is not what the grants have. [RFC7591 §2.1]
    ResponseTypesMismatch,
    /// `scope` is empty, or not scope values between single spaces.
    ScopeMalformed,
    /// Nothing of `scope` is allowed.
    NoScopeRemains,
    /// DPoP is not supported.
    DpopNotSupported,
    /// Tokens are to be bound both to a key and to a certificate.
    BoundTwice,
    /// Tokens are to be bound to a certificate, and this client has none.
    BindingWithoutCertificate,
    /// Tokens are to be bound to a certificate, and none is shown.
    BindingNotShown,
    /// Limits of a client that registered with its certificate are narrowed without it.
    NarrowingNeedsCertificate { member: &'static str },
    /// Limits are narrowed by a statement that was not made for the registration endpoint.
    NarrowingNeedsAudience { member: &'static str },

    /// A client without evidence names a method that needs evidence or a secret.
    AuthMethodWithoutEvidence,
    /// A client that its platform attests names another method than an SVID.
    AuthMethodNotSvid,
    /// The method is that of a credential that the request does not show.
    AuthMethodNotShown,
    /// The method is another one than at registration.
    AuthMethodChanged,
    /// The signature algorithm is unknown, symmetric or `none`.
    SigningAlgorithmNotSupported,
    /// None of the client's keys is for the signature algorithm.
    SigningAlgorithmWithoutKey,
    /// `jwks` and `jwks_uri` are both there. [RFC7591 §2]
    JwksTwice,
    /// A client that its platform attests brings keys of its own.
    KeysOfAttestedClient { member: &'static str },
    /// A client that signs its assertions has no keys.
    JwksMissing,
    /// `jwks` is not a key set.
    JwksMalformed,
    /// `jwks` has too many keys or bytes.
    JwksTooLarge { keys_max: usize, kib_max: usize },
    /// Two keys have one `kid`.
    JwksKeyIdRepeated,
    /// A key is a shared secret.
    JwksKeySymmetric,
    /// A key is no JWK.
    JwksKeyMalformed,
    /// A key is weak, broken, or not for the algorithm that it names.
    JwksKeyRefused { position: usize, why: KeyError },
    /// No key verifies signatures.
    JwksWithoutKey,
    /// A private key stands in `jwks`: it is no longer secret.
    PrivateKeyDisclosed,
    /// Keys are taken by value only.
    JwksUriNotTaken,
    /// `jwks_uri` leads to a place that keys are not fetched from.
    JwksUriMalformed,

    /// `redirect_uris` is no array of different texts.
    RedirectUrisMalformed { items_max: usize },
    /// A redirect URI is one that readers may read differently, or that leads nowhere.
    RedirectUri(RedirectUriError),
    /// A grant redirects, and there is nowhere to.
    RedirectUrisMissing,
    /// There are redirect URIs, and no grant redirects.
    RedirectUrisWithoutGrant,
    /// A web application has a redirect URI that is not https.
    RedirectUrisOfWeb,
    /// There are both kinds of redirect URI, and no `application_type`.
    RedirectUrisMixed,
    /// A redirect URI is outside what the rule allows.
    RedirectUriOutsideRule,
    /// A redirect URI that the attester states is outside what the rule allows.
    AttestedRedirectUriOutsideRule,
    /// A redirect URI is none of the client's own.
    RedirectUriOfOthers,

    /// What replaces a registration is for another client, or for none. [RFC7592 §2.2]
    ReplacementOfAnother,
    /// What replaces a registration has a member that only answers have. [RFC7592 §2.2]
    ReplacementMalformed { member: &'static str },
}

impl MetadataReason {
    pub(super) fn row(&self) -> Row {
        match self {
            MetadataReason::NotAString { member } => {
                wrong("member_not_a_string", format!("{member} must be a string"))
            }
            MetadataReason::NotABoolean { member } => wrong(
                "member_not_a_boolean",
                format!("{member} must be `true` or `false`"),
            ),
            MetadataReason::NotAListOfStrings { member } => wrong(
                "member_not_a_list_of_strings",
                format!("{member} must be an array of strings, at most 64"),
            ),
            MetadataReason::NameMalformed {
                member,
                characters_max,
            } => wrong(
                "name_malformed",
                format!("{member} must be 1 to {characters_max} visible characters on one line"),
            ),
            MetadataReason::SoftwareTextMalformed { member, bytes_max } => wrong(
                "software_text_malformed",
                format!("{member} must be 1 to {bytes_max} bytes of visible text on one line"),
            ),
            MetadataReason::LabelUrlMalformed { member } => wrong(
                "label_url_malformed",
                format!("{member} must be an absolute https URL without user information"),
            ),
            MetadataReason::ContactsMalformed {
                member,
                items_max,
                characters_max,
            } => wrong(
                "contacts_malformed",
                format!(
                    "{member} must be at most {items_max} texts of 1 to {characters_max} visible characters on one line"
                ),
            ),
            MetadataReason::LanguageTagRepeated { member } => wrong(
                "language_tag_repeated",
                format!("a language tag of {member} is repeated: tags are the same in upper and lower case"),
            ),
            MetadataReason::TooManyLanguageTags { member, tags_max } => wrong(
                "too_many_language_tags",
                format!("{member} has a language tag, and there are more than {tags_max} members with one"),
            ),
            MetadataReason::CertificateSubjectNamed { member } => wrong(
                "certificate_subject_named",
                format!(
                    "{member} must not be sent: only an administrator says which certificate a client has"
                ),
            ),
            MetadataReason::StatementNotTaken => wrong(
                "statement_not_taken",
                "software_statement must not be sent: this client is registered without one",
            ),
            MetadataReason::SpiffeIdClaimed => wrong(
                "spiffe_id_claimed",
                "spiffe_id must not be sent: a SPIFFE ID is proven, not claimed",
            ),
            MetadataReason::SpiffeIdMismatch => wrong(
                "spiffe_id_mismatch",
                "spiffe_id is not the identity that was proven",
            ),
            MetadataReason::SoftwareIdMismatch => {
                wrong("software_id_mismatch", "software_id is not the attested one")
            }
            MetadataReason::ClientIdChosen => wrong(
                "client_id_chosen",
                "client_id must not be sent: this server assigns it",
            ),
            MetadataReason::ApplicationTypeUnknown => wrong(
                "application_type_unknown",
                "application_type must be `web` or `native`",
            ),
            MetadataReason::ApplicationTypeChanged => wrong(
                "application_type_changed",
                "application_type cannot be changed from `web` to `native`",
            ),
            MetadataReason::GrantTypeEnded => wrong(
                "grant_type_ended",
                "grant_types must not have `implicit` or `password`: they are not supported",
            ),
            MetadataReason::NoGrantTypeRemains => wrong(
                "no_grant_type_remains",
                "none of the requested grant_types is allowed for this client",
            ),
            MetadataReason::ResponseTypesMismatch => wrong(
                "response_types_mismatch",
                "response_types must be `code` where grant_types has `authorization_code`, and empty elsewhere",
            ),
            MetadataReason::ScopeMalformed => wrong(
                "registered_scope_malformed",
                "scope must be scope values separated by single spaces",
            ),
            MetadataReason::NoScopeRemains => wrong(
                "no_scope_remains",
                "none of the requested scope values is allowed for this client",
            ),
            MetadataReason::DpopNotSupported => wrong(
                "dpop_not_supported",
                "dpop_bound_access_tokens must be `false`: DPoP is not supported",
            ),
            MetadataReason::BoundTwice => wrong(
                "bound_twice",
                "dpop_bound_access_tokens and tls_client_certificate_bound_access_tokens must not both be `true`",
            ),
            MetadataReason::BindingWithoutCertificate => wrong(
                "binding_without_certificate",
                "tls_client_certificate_bound_access_tokens needs an X.509-SVID, which this client does not have",
            ),
            MetadataReason::BindingNotShown => wrong(
                "binding_not_shown",
                "tls_client_certificate_bound_access_tokens needs the client certificate in the same request",
            ),
            MetadataReason::NarrowingNeedsCertificate { member } => wrong(
                "narrowing_needs_certificate",
                format!(
                    "{member} cannot be narrowed without the certificate that this client registered with: send it in the same request"
                ),
            ),
            MetadataReason::NarrowingNeedsAudience { member } => wrong(
                "narrowing_needs_audience",
                format!(
                    "{member} can be narrowed only by a statement whose audience is the registration endpoint, not the issuer"
                ),
            ),
            MetadataReason::AuthMethodWithoutEvidence => wrong(
                "auth_method_without_evidence",
                "token_endpoint_auth_method must be `none` or `private_key_jwt` for a client without evidence",
            ),
            MetadataReason::AuthMethodNotSvid => wrong(
                "auth_method_not_svid",
                "token_endpoint_auth_method must name a kind of SVID: this client authenticates with its SVID only",
            ),
            MetadataReason::AuthMethodNotShown => wrong(
                "auth_method_not_shown",
                "token_endpoint_auth_method names a credential that this request does not show: send it in the same request",
            ),
            MetadataReason::AuthMethodChanged => wrong(
                "auth_method_changed",
                "token_endpoint_auth_method cannot be changed after registration",
            ),
            MetadataReason::SigningAlgorithmNotSupported => wrong(
                "signing_algorithm_not_supported",
                "token_endpoint_auth_signing_alg names a signature algorithm that is not supported",
            ),
            MetadataReason::SigningAlgorithmWithoutKey => wrong(
                "signing_algorithm_without_key",
                "token_endpoint_auth_signing_alg names an algorithm that no key of the jwks is for",
            ),
            MetadataReason::JwksTwice => wrong("jwks_twice", "jwks and jwks_uri must not be sent together"),
            MetadataReason::KeysOfAttestedClient { member } => wrong(
                "keys_of_attested_client",
                format!(
                    "{member} must not be sent: a client that its platform attests has no keys of its own"
                ),
            ),
            MetadataReason::JwksMissing => wrong(
                "jwks_missing",
                "jwks is missing: a client with `private_key_jwt` needs keys",
            ),
            MetadataReason::JwksMalformed => {
                wrong("jwks_malformed", "jwks must be an object with an array of keys")
            }
            MetadataReason::JwksTooLarge { keys_max, kib_max } => wrong(
                "jwks_too_large",
                format!("jwks has more than {keys_max} keys, or more than {kib_max} KiB"),
            ),
            MetadataReason::JwksKeyIdRepeated => {
                wrong("jwks_key_id_repeated", "two keys of the jwks have one kid")
            }
            MetadataReason::JwksKeySymmetric => wrong("jwks_key_symmetric", "a key of the jwks is symmetric"),
            MetadataReason::JwksKeyMalformed => wrong("jwks_key_malformed", "a key of the jwks is malformed"),
            MetadataReason::JwksKeyRefused { position, why } => {
                wrong("jwks_key_refused", format!("jwks: keys[{position}]: {why}"))
            }
            MetadataReason::JwksWithoutKey => {
                wrong("jwks_without_key", "jwks has no key that can verify a signature")
            }
            MetadataReason::PrivateKeyDisclosed => wrong(
                "private_key_disclosed",
                "the jwks contains a private key: it is no longer secret, replace it",
            ),
            MetadataReason::JwksUriNotTaken => wrong(
                "jwks_uri_not_taken",
                "jwks_uri must not be sent: keys are registered by value, in jwks",
            ),
            MetadataReason::JwksUriMalformed => wrong(
                "jwks_uri_malformed",
                "jwks_uri must be an https URL on a host of the network",
            ),
            MetadataReason::RedirectUrisMalformed { items_max } => redirects_wrong(
                "redirect_uris_malformed",
                format!("redirect_uris must be an array of 1 to {items_max} different URIs"),
            ),
            MetadataReason::RedirectUri(fault) => {
                redirects_wrong("redirect_uri_refused", format!("redirect_uris: {fault}"))
            }
            MetadataReason::RedirectUrisMissing => redirects_wrong(
                "redirect_uris_missing",
                "redirect_uris is missing: a client with grant_types `authorization_code` redirects",
            ),
            MetadataReason::RedirectUrisWithoutGrant => wrong(
                "redirect_uris_without_grant",
                "redirect_uris are only allowed with grant_types `authorization_code`",
            ),
            MetadataReason::RedirectUrisOfWeb => redirects_wrong(
                "redirect_uris_of_web",
                "redirect_uris of a web application must use https",
            ),
            MetadataReason::RedirectUrisMixed => redirects_wrong(
                "redirect_uris_mixed",
                "redirect_uris mixes web and native URIs: set application_type",
            ),
            MetadataReason::RedirectUriOutsideRule => redirects_wrong(
                "redirect_uri_outside_rule",
                "redirect_uris has one that is outside what the rule allows",
            ),
            MetadataReason::AttestedRedirectUriOutsideRule => redirects_wrong(
                "attested_redirect_uri_outside_rule",
                "redirect_uris, as attested, has one that is outside what the rule allows",
            ),
            MetadataReason::RedirectUriOfOthers => redirects_wrong(
                "redirect_uri_of_others",
                "redirect_uris has one that is not one of this client's",
            ),
            MetadataReason::ReplacementOfAnother => Row::new(
                "replacement_of_another",
                ErrorCode::InvalidRequest,
                "client_id must be there, and be the client's own",
            ),
            MetadataReason::ReplacementMalformed { member } => Row::new(
                "replacement_malformed",
                ErrorCode::InvalidRequest,
                format!("{member} must not be sent: only answers have it"),
            ),
        }
    }
}

fn wrong(name: &'static str, sentence: impl Into<Cow<'static, str>>) -> Row {
    Row::new(name, ErrorCode::InvalidClientMetadata, sentence)
}

fn redirects_wrong(name: &'static str, sentence: impl Into<Cow<'static, str>>) -> Row {
    Row::new(name, ErrorCode::InvalidRedirectUri, sentence)
}

impl fmt::Display for MetadataReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.row().said.sentence())
    }
}

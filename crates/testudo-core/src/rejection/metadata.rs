//! Reasons to refuse the metadata of a registration request. The answer names the member that is wrong, since the
//! client sent it.
//!
//! The answer and the log have the same sentence, which contains the name of the member.

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
    reason = "`member` is the member's name in RFC 7591 and similar specifications, the others are bounds"
)]
pub enum MetadataReason {
    /// The member must be a string and has another JSON type.
    NotAString { member: &'static str },
    /// The member must be true or false and has another JSON type.
    NotABoolean { member: &'static str },
    /// The member must be an array of strings and has another JSON type, other elements, or too many of them.
    NotAListOfStrings { member: &'static str },
    /// A name is blank, too long, or has invisible characters.
    NameMalformed {
        member: &'static str,
        characters_max: usize,
    },
    /// `software_id` or a similar text is blank, too long, or has invisible characters.
    SoftwareTextMalformed { member: &'static str, bytes_max: usize },
    /// The URL of a page or logo must not be shown to users.
    LabelUrlMalformed { member: &'static str },
    /// `contacts` has too many elements, or elements that are too long or have invisible characters.
    ContactsMalformed {
        member: &'static str,
        items_max: usize,
        characters_max: usize,
    },
    /// The language tags of two members differ only in upper and lower case. [RFC7591 §2.2]
    LanguageTagRepeated { member: &'static str },
    /// There are too many members with a language tag.
    TooManyLanguageTags { member: &'static str, tags_max: usize },
    /// The request sets the subject of a client certificate, which only an administrator may set. [RFC8705 §2.1.2]
    CertificateSubjectNamed { member: &'static str },
    /// A software statement is sent to an endpoint that accepts none.
    StatementNotTaken,
    /// A client without evidence sends a `spiffe_id`.
    SpiffeIdClaimed,
    /// `spiffe_id` is not the proven identity.
    SpiffeIdMismatch,
    /// `software_id` is not the one that the attester states.
    SoftwareIdMismatch,
    /// A client sends the `client_id` that it wants. [RFC7591 §6]
    ClientIdChosen,
    /// `application_type` is neither `web` nor `native`.
    ApplicationTypeUnknown,
    /// A replacement changes a web application into a native one.
    ApplicationTypeChanged,

    /// `grant_types` has a grant that OAuth 2.1 removed.
    GrantTypeEnded,
    /// None of `grant_types` is allowed.
    NoGrantTypeRemains,
    /// `response_types` does not fit the grants. [RFC7591 §2.1]
    ResponseTypesMismatch,
    /// `scope` is empty, or is not a list of scope values separated by single spaces.
    ScopeMalformed,
    /// None of the values of `scope` is allowed.
    NoScopeRemains,
    /// The request asks for tokens that are bound both to a key and to a certificate.
    BoundTwice,
    /// The request asks for tokens that are bound to a certificate, and this client has none.
    BindingWithoutCertificate,
    /// The request asks for tokens that are bound to a certificate, but was sent without one.
    BindingNotShown,
    /// A request without a proof of a key reduces the limits of a client that registered with such a proof.
    NarrowingNeedsKey { member: &'static str },
    /// A request with a credential whose holder proved nothing states a label.
    LabelNeedsKey { member: &'static str },
    /// A statement whose audience is not the registration endpoint is used to reduce limits.
    NarrowingNeedsAudience { member: &'static str },

    /// A client without evidence requests an authentication method that needs evidence or a secret.
    AuthMethodWithoutEvidence,
    /// A client that an authority attests requests an authentication method without a credential of an authority.
    AuthMethodNotAttested,
    /// The requested authentication method needs a credential that the request does not have.
    AuthMethodNotShown,
    /// The method `self_signed_tls_client_auth` needs a certificate in `jwks`. [RFC8705 §2.2.2]
    CertificatesMissing,
    /// A client requests to authenticate with a certificate, and no client certificates reach this server.
    CertificatesNotReceived,
    /// A replacement changes the authentication method.
    AuthMethodChanged,
    /// The signature algorithm is unknown, symmetric or `none`.
    SigningAlgorithmNotSupported,
    /// No key of the client fits the signature algorithm.
    SigningAlgorithmWithoutKey,
    /// `jwks` and `jwks_uri` are both present. [RFC7591 §2]
    JwksTwice,
    /// A client that its platform attests sends its own keys.
    KeysOfAttestedClient { member: &'static str },
    /// A client with `private_key_jwt` has no keys.
    JwksMissing,
    /// `jwks` is not a key set.
    JwksMalformed,
    /// `jwks` has too many keys or bytes.
    JwksTooLarge { keys_max: usize, kib_max: usize },
    /// Two keys have the same `kid`.
    JwksKeyIdRepeated { position: usize, earlier: usize },
    /// A key is symmetric.
    JwksKeySymmetric { position: usize },
    /// A key is not a JWK.
    JwksKeyMalformed { position: usize },
    /// A key is weak, broken, or not for the algorithm that it names.
    JwksKeyRefused { position: usize, why: KeyError },
    /// No key can verify signatures.
    JwksWithoutKey,
    /// `jwks` contains a private key, which is therefore no longer secret.
    PrivateKeyDisclosed { position: usize },
    /// `jwks_uri` is not enabled; keys must be sent in `jwks`.
    JwksUriNotTaken,
    /// `jwks_uri` is a URL from which keys must not be fetched.
    JwksUriMalformed,

    /// `redirect_uris` is not an array of different strings.
    RedirectUrisMalformed { items_max: usize },
    /// A redirect URI has no valid destination, or parsers may read it differently.
    RedirectUri(RedirectUriError),
    /// A grant needs a redirect URI, and there is none.
    RedirectUrisMissing,
    /// There are redirect URIs, and no grant uses them.
    RedirectUrisWithoutGrant,
    /// A web application has a redirect URI that is not https.
    RedirectUrisOfWeb,
    /// There are redirect URIs of web and of native applications, and no `application_type`.
    RedirectUrisMixed,
    /// A redirect URI is not allowed by the rule.
    RedirectUriOutsideRule,
    /// A redirect URI that the attester states is not allowed by the rule.
    AttestedRedirectUriOutsideRule,
    /// A redirect URI is not one that the rule or the attester gives the client.
    RedirectUriOfOthers,

    /// `client_id` in a replacement is missing, or is the id of another client. [RFC7592 §2.2]
    ReplacementOfAnother,
    /// A replacement has a member that only answers have. [RFC7592 §2.2]
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
            MetadataReason::BoundTwice => wrong(
                "bound_twice",
                "dpop_bound_access_tokens and tls_client_certificate_bound_access_tokens must not both be `true`",
            ),
            MetadataReason::BindingWithoutCertificate => wrong(
                "binding_without_certificate",
                "tls_client_certificate_bound_access_tokens needs a client certificate, which this client does not have",
            ),
            MetadataReason::BindingNotShown => wrong(
                "binding_not_shown",
                "tls_client_certificate_bound_access_tokens needs the client certificate in the same request",
            ),
            MetadataReason::NarrowingNeedsKey { member } => wrong(
                "narrowing_needs_certificate",
                format!(
                    "{member} cannot be narrowed without the certificate or key that this client registered with: prove it in the same request"
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
            MetadataReason::AuthMethodNotAttested => wrong(
                "auth_method_not_svid",
                "token_endpoint_auth_method must name a kind of SVID or attestation: this client authenticates with the credential that is issued to it",
            ),
            MetadataReason::AuthMethodNotShown => wrong(
                "auth_method_not_shown",
                "token_endpoint_auth_method names a credential that this request does not show: send it in the same request",
            ),
            MetadataReason::CertificatesMissing => wrong(
                "certificates_missing",
                "self_signed_tls_client_auth needs jwks with a key whose x5c begins with its certificate; jwks_uri is not supported for it",
            ),
            MetadataReason::CertificatesNotReceived => wrong(
                "certificates_not_received",
                "token_endpoint_auth_method self_signed_tls_client_auth is not supported: this server receives no client certificates",
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
            MetadataReason::LabelNeedsKey { member } => wrong(
                "label_needs_key",
                format!("{member} must not be sent without a proof of the holder of software_statement"),
            ),
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
            MetadataReason::JwksKeyIdRepeated { position, earlier } => wrong(
                "jwks_key_id_repeated",
                format!("jwks: keys[{position}] has the kid of keys[{earlier}]: each key needs its own"),
            ),
            MetadataReason::JwksKeySymmetric { position } => wrong(
                "jwks_key_symmetric",
                format!("jwks: keys[{position}] is symmetric: send public keys only"),
            ),
            MetadataReason::JwksKeyMalformed { position } => wrong(
                "jwks_key_malformed",
                format!("jwks: keys[{position}] is not a JWK: kty is missing, or a member has a wrong type"),
            ),
            MetadataReason::JwksKeyRefused { position, why } => {
                wrong("jwks_key_refused", format!("jwks: keys[{position}]: {why}"))
            }
            MetadataReason::JwksWithoutKey => {
                wrong("jwks_without_key", "jwks has no key that can verify a signature")
            }
            MetadataReason::PrivateKeyDisclosed { position } => wrong(
                "private_key_disclosed",
                format!("jwks: keys[{position}] is a private key: it is no longer secret, replace it"),
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
        f.write_str(&self.row().public_sentence.sentence())
    }
}

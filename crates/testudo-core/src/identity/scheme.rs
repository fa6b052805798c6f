//! The text forms of each kind of authority: its key, its name, and the segments of its subjects.
//!
//! | kind | key | subject |
//! |---|---|---|
//! | trust domain | `spiffe://prod.example` | `spiffe://prod.example/ns/pay/sa/api`, a SPIFFE ID with a path |
//! | issuer | `cluster-a:` | `cluster-a:pay/api`: segments of VSCHAR without `*`, `{` and `}`; other characters are
//! percent-encoded |
//! | configuration | `configuration` | the `client_id` of the entry, no segments |
//! | registration | `registration` | the `client_id` that this server gave, no segments |

use testudo_protocol::spiffe::{SpiffeId, TrustDomain};

pub(super) const CONFIGURATION: &str = "configuration";
pub(super) const REGISTRATION: &str = "registration";
pub(super) const SPIFFE: &str = "spiffe://";

/// Schemes of client ids. An `[[issuers]]` entry must not have such a name, or its subjects would be client ids of
/// another namespace.
const NO_ISSUERS: [&str; 6] = ["spiffe", "http", "https", "urn", "did", "vc"];

/// The kind of an authority. All entries of `[[issuers]]` are one kind: their credentials differ, but the decisions
/// about a proven identity are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum AuthorityKind {
    /// A SPIFFE trust domain.
    Spiffe,
    /// An entry of `[[issuers]]`: a cluster, a CI system, an attester.
    Issuer,
    /// The administrator, by a `[[clients]]` entry with keys.
    Configuration,
    /// This server, which assigned the id of a client that registered without evidence.
    Registration,
}

impl AuthorityKind {
    /// The kind of the authority with this key.
    pub fn of_key(key: &str) -> Option<AuthorityKind> {
        if key == CONFIGURATION {
            return Some(AuthorityKind::Configuration);
        }
        if key == REGISTRATION {
            return Some(AuthorityKind::Registration);
        }
        if let Some(name) = key.strip_prefix(SPIFFE) {
            return TrustDomain::parse(name).ok().map(|_| AuthorityKind::Spiffe);
        }
        let name = key.strip_suffix(':')?;
        is_issuer_name(name).then_some(AuthorityKind::Issuer)
    }

    /// True if the authority issues the credentials of its identities, and rules govern them. Clients of the other
    /// kinds are identified by their `client_id`.
    pub fn attests(self) -> bool {
        match self {
            AuthorityKind::Spiffe | AuthorityKind::Issuer => true,
            AuthorityKind::Configuration | AuthorityKind::Registration => false,
        }
    }

    /// True if the rule of a client of this kind is about the client itself, and not about its sponsor or about all that
    /// register without evidence.
    pub(crate) fn has_own_rule(self) -> bool {
        match self {
            AuthorityKind::Spiffe | AuthorityKind::Issuer | AuthorityKind::Configuration => true,
            AuthorityKind::Registration => false,
        }
    }

    /// True if a segment of a subject may contain this character.
    pub(crate) fn may_be_in_a_segment(self, character: char) -> bool {
        match self {
            // [SPIFFE-ID §2.2]
            AuthorityKind::Spiffe => {
                character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_')
            }
            AuthorityKind::Issuer => is_of_an_issuers_segment(character),
            AuthorityKind::Configuration | AuthorityKind::Registration => true,
        }
    }

    /// The document with the keys of the authority, in messages.
    pub fn document(self) -> &'static str {
        match self {
            AuthorityKind::Spiffe => "bundle",
            AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => "JWK Set",
        }
    }

    /// The name of the kind in messages.
    pub fn noun(self) -> &'static str {
        match self {
            AuthorityKind::Spiffe => "trust domain",
            AuthorityKind::Issuer => "issuer",
            AuthorityKind::Configuration | AuthorityKind::Registration => "authority",
        }
    }
}

/// True for `[a-z][a-z0-9-]*`, unless it is a scheme of client ids.
pub(super) fn is_issuer_name(name: &str) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_lowercase();
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.as_bytes().first().is_some_and(is_letter)
        && name.bytes().all(is_legal)
        && !NO_ISSUERS.contains(&name)
}

/// The name of the authority in its key.
pub(super) fn name(kind: AuthorityKind, key: &str) -> &str {
    match kind {
        AuthorityKind::Spiffe => key.strip_prefix(SPIFFE).unwrap_or(key),
        AuthorityKind::Issuer => key.strip_suffix(':').unwrap_or(key),
        AuthorityKind::Configuration | AuthorityKind::Registration => key,
    }
}

/// Kind, key and segments of an identity or a pattern. The error describes what is wrong with its authority.
pub(super) fn split(text: &str) -> Result<(AuthorityKind, &str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix(SPIFFE) {
        let name = rest.split('/').next().unwrap_or_default();
        TrustDomain::parse(name).map_err(|fault| fault.to_string())?;
        let (key, path) = text.split_at(SPIFFE.len() + name.len());
        return Ok((AuthorityKind::Spiffe, key, path.strip_prefix('/')));
    }
    let end = text.find(':').map_or(0, |colon| colon + 1);
    let (key, path) = text.split_at(end);
    let name = key.strip_suffix(':').unwrap_or_default();
    // A text with slashes after the colon is a URL of another scheme.
    if is_issuer_name(name) && !path.starts_with('/') {
        return Ok((AuthorityKind::Issuer, key, (!path.is_empty()).then_some(path)));
    }
    Err("begins neither with spiffe:// nor with the name of an issuer and a colon".to_owned())
}

/// VSCHAR without the characters of patterns, so that an identity cannot be read as a pattern or as the subject of a
/// client that instances share.
fn is_of_an_issuers_segment(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '*' | '{' | '}' | '/')
}

/// Checks a complete identity of this kind.
pub(super) fn check_identity(kind: AuthorityKind, text: &str) -> Result<(), String> {
    match kind {
        AuthorityKind::Spiffe => SpiffeId::parse(text)
            .map(|_| ())
            .map_err(|fault| fault.to_string()),
        AuthorityKind::Issuer => {
            let (_, path) = text.split_once(':').unwrap_or_default();
            path.split('/')
                .try_for_each(|segment| check_segment(kind, segment))
        }
        AuthorityKind::Configuration | AuthorityKind::Registration => Ok(()),
    }
}

/// Checks one segment of a subject of this kind.
pub(super) fn check_segment(kind: AuthorityKind, segment: &str) -> Result<(), String> {
    match kind {
        AuthorityKind::Spiffe => SpiffeId::parse(&format!("{SPIFFE}x/{segment}"))
            .map(|_| ())
            .map_err(|fault| fault.to_string()),
        AuthorityKind::Issuer if segment.is_empty() => Err("has an empty segment".to_owned()),
        AuthorityKind::Issuer if !segment.chars().all(is_of_an_issuers_segment) => {
            Err("has a character that must be percent-encoded".to_owned())
        }
        AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => Ok(()),
    }
}

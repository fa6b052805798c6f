//! How a client's id is made from its identity.

use crate::identity::AttestedIdentity;
use crate::rules::reserved_ids::built_in;
use crate::rules::{Captures, GrainOfClient, Match};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use testudo_protocol::oauth::is_vschar;

/// A rule's `client_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientIdTemplate {
    /// The identity itself; folded instances share the prefix and `/*`, a form that no SPIFFE ID can have.
    Identity,
    /// 128 bits of an HMAC over authority and subject: the same on every node without a look-up.
    Opaque,
    /// Literals and captures.
    Template(Vec<Piece>),
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Copied.
    Literal(String),
    /// Replaced by a captured segment.
    Capture(String),
}

impl Piece {
    /// The capture that it is, if it is one.
    pub fn capture(&self) -> Option<&str> {
        match self {
            Piece::Capture(name) => Some(name),
            Piece::Literal(_) => None,
        }
    }
}

/// The key of the opaque form. Wiped by whoever made it; has no `Debug`.
pub struct OpaqueKey(hmac::Key);

impl OpaqueKey {
    /// From 32 random bytes that every node shares.
    pub fn new(secret: &[u8; 32]) -> OpaqueKey {
        OpaqueKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn derive(&self, parts: &[&str]) -> String {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        URL_SAFE_NO_PAD.encode(self.tag::<16>(&parts))
    }

    /// The parts are length-prefixed, so that no two lists of parts are one text.
    fn tag<const N: usize>(&self, parts: &[&[u8]]) -> [u8; N] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        *context.sign().as_ref().first_chunk::<N>().unwrap_or(&[0; N])
    }

    /// A name for a client that has none: random, and sealed, so that a name that nobody was given is known for
    /// one without a look at any table.
    pub fn new_client_id(&self, random: &[u8; 16]) -> String {
        let seal = self.tag::<SEAL_BYTES>(&[SEALED, random]);
        format!(
            "{REGISTERED}{}",
            URL_SAFE_NO_PAD.encode([random.as_slice(), &seal].concat())
        )
    }

    /// True where this server, or another node of it, gave somebody this name.
    pub fn has_named(&self, client_id: &str) -> bool {
        let decoded = client_id
            .strip_prefix(REGISTERED)
            .and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
        let Some((random, seal)) = decoded
            .as_deref()
            .and_then(|bytes| bytes.split_first_chunk::<16>())
        else {
            return false;
        };
        let expected = self.tag::<SEAL_BYTES>(&[SEALED, random]);
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected, seal).is_ok()
    }
}

/// What ids of registered clients begin with.
const REGISTERED: &str = "c_";
const SEALED: &[u8] = b"client_id of a registered client";
const SEAL_BYTES: usize = 8;

/// The client that an identity is, under the rule that governs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    /// Public identifier.
    pub client_id: Box<str>,
    /// The subject under which the record is kept: the identity, or the folded form.
    pub subject: Box<str>,
    /// The running copy, where the rule folds several into one client.
    pub folded_instance: Option<Box<str>>,
}

impl ClientIdTemplate {
    /// Parses a rule's `client_id`; `captures` are the names that may be used.
    pub fn parse(text: &str, captures: &[&str]) -> Result<ClientIdTemplate, String> {
        match text {
            "identity" => return Ok(ClientIdTemplate::Identity),
            "opaque" => return Ok(ClientIdTemplate::Opaque),
            _ => {}
        }
        let pieces = pieces(text)?;
        for piece in &pieces {
            if let Piece::Capture(name) = piece
                && !captures.contains(&name.as_str())
            {
                return Err(format!(
                    "{text:?} uses {{{name}}}, which not every pattern of the rule captures"
                ));
            }
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Capture(_))) {
            return Err(format!(
                "{text:?} is neither \"identity\" nor \"opaque\", and as a template it captures nothing: every identity would get the same id"
            ));
        }
        if text.contains("://") {
            // SPIFFE IDs belong to the identity form, https URLs to metadata documents. A capture is one path
            // segment and can hold neither colon nor slash, so without these in a literal no template makes one.
            return Err(format!("{text:?} must not contain ://"));
        }
        if let Some(form) = built_in(text) {
            return Err(format!(
                "{text:?} begins with {form:?}, a form of ids that no rule gives; write for example {:?}",
                format!("workload-{}", text.get(form.len()..).unwrap_or_default())
            ));
        }
        captures_are_apart(text, &pieces)?;
        if !is_vschar(text) {
            return Err(format!("{text:?} has characters that a client_id cannot have"));
        }
        Ok(ClientIdTemplate::Template(pieces))
    }
}

/// What a captured segment may hold. [SPIFFE-ID §2.2]
fn is_of_a_segment(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// Between two captures stands a character that no segment has; else two identities would have one id: of
/// `{a}-{b}`, `x-y` and `z` make the id that `x` and `y-z` make, and whichever comes first keeps the other out.
fn captures_are_apart(text: &str, pieces: &[Piece]) -> Result<(), String> {
    let mut before: Option<&str> = None;
    let mut between = "";
    for piece in pieces {
        match (piece, before) {
            (Piece::Literal(literal), _) => between = literal,
            (Piece::Capture(name), Some(earlier)) if between.chars().all(is_of_a_segment) => {
                return Err(format!(
                    "{text:?} has {between:?} between {{{earlier}}} and {{{name}}}, and a captured segment may hold that, too: two identities would have one id; write for example \"{{{earlier}}}/{{{name}}}\", with a character that no segment has (segments have letters, digits, -, . and _)"
                ));
            }
            (Piece::Capture(name), _) => {
                before = Some(name);
                between = "";
            }
        }
    }
    Ok(())
}

/// Splits `a-{b}-c` into its pieces.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("{text:?} has a {{ without }}"))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
        pieces.push(Piece::Capture(name.to_owned()));
        rest = after;
    }
    if rest.contains('}') {
        return Err(format!("{text:?} has a }} without {{"));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

/// Inserts captures into pieces, as they are.
pub(crate) fn fill(pieces: &[Piece], captures: &Captures) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => text.as_str(),
            Piece::Capture(name) => captures.get(name).unwrap_or_default(),
        })
        .collect()
}

/// Names the client of `identity` under `found`.
pub fn name_client(identity: &AttestedIdentity, found: &Match<'_>, key: &OpaqueKey) -> ClientName {
    if !identity.kind.is_svid() {
        // The id that it was configured or registered with.
        return ClientName {
            client_id: identity.subject.clone(),
            subject: identity.subject.clone(),
            folded_instance: None,
        };
    }
    let instance = found.captures.get("instance");
    let (subject, folded_instance): (Box<str>, _) = match (found.rule.client, instance) {
        (GrainOfClient::Workload, Some(instance)) => {
            let prefix = identity
                .subject
                .strip_suffix(instance)
                .unwrap_or(&identity.subject);
            (format!("{prefix}*").into(), Some(instance.into()))
        }
        (GrainOfClient::Workload | GrainOfClient::Instance, _) => (identity.subject.clone(), None),
    };
    let client_id: Box<str> = match &found.rule.client_id {
        ClientIdTemplate::Identity => subject.clone(),
        ClientIdTemplate::Opaque => key.derive(&[&identity.authority.key(), &subject]).into(),
        ClientIdTemplate::Template(pieces) => {
            // Longer ones are refused where the identity is placed: cut off, two of them could be one.
            fill(pieces, &found.captures).into()
        }
    };
    ClientName {
        client_id,
        subject,
        folded_instance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rf_09_opaque_ids_are_22_characters_and_differ_by_part_boundaries() {
        let key = OpaqueKey::new(&[7; 32]);
        let id = key.derive(&["spiffe://a.example", "spiffe://a.example/x"]);
        assert_eq!(id.len(), 22);
        assert_eq!(
            id,
            OpaqueKey::new(&[7; 32]).derive(&["spiffe://a.example", "spiffe://a.example/x"])
        );
        assert_ne!(
            id,
            OpaqueKey::new(&[8; 32]).derive(&["spiffe://a.example", "spiffe://a.example/x"])
        );
        assert_ne!(key.derive(&["ab", "c"]), key.derive(&["a", "bc"]));
    }

    #[test]
    fn names_that_nobody_was_given_are_known_for_such() {
        let (key, other) = (OpaqueKey::new(&[7; 32]), OpaqueKey::new(&[8; 32]));
        let id = key.new_client_id(&[1; 16]);
        assert_eq!(id.len(), 34);
        assert!(key.has_named(&id) && !other.has_named(&id));
        assert_ne!(id, key.new_client_id(&[2; 16]));
        let longer = format!("{id}A");
        let cut = &id[..33];
        let forged = format!("c_{}", "A".repeat(32));
        for wrong in ["", "c_", "c_AAAA", &longer, cut, &forged, "spiffe://a.example/x"] {
            assert!(!key.has_named(wrong), "{wrong}");
        }
    }

    #[test]
    fn templates_that_cannot_be_client_ids() {
        for bad in [
            "fixed",
            "spiffe://a/{x}",
            "https://a/{x}",
            "{x}://a",
            "a-{y}",
            "a-{x",
            "a-x}",
            "caf\u{e9}-{x}",
            "c_{x}",
            "u_{x}",
            "urn:{x}",
            "DID:{x}",
        ] {
            assert!(ClientIdTemplate::parse(bad, &["x"]).is_err(), "{bad}");
        }
        for good in ["workload-{x}", "{x}", "{x}-y"] {
            assert!(ClientIdTemplate::parse(good, &["x"]).is_ok(), "{good}");
        }
        for close in ["{x}{y}", "{x}-{y}", "{x}.{y}", "{x}_a-1_{y}", "{x}/{y}-{x}"] {
            let problem = ClientIdTemplate::parse(close, &["x", "y"]).unwrap_err();
            assert!(problem.contains("write for example"), "{close}: {problem}");
        }
        for apart in ["{x}/{y}", "{x}:{y}", "{x}-~-{y}", "a.{x}@{y}-b"] {
            assert!(ClientIdTemplate::parse(apart, &["x", "y"]).is_ok(), "{apart}");
        }
    }
}

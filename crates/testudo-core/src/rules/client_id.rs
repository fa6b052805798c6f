//! `client_id` of a rule: how the id of a client is made from its identity.

use super::pieces::{Piece, pieces};
use super::reserved_ids::built_in;
use crate::identity::AuthorityKind;
use testudo_protocol::oauth::is_vschar;

/// A rule's `client_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientIdTemplate {
    /// The identity itself. Instances that share a client have the id with `/*` as its end, which no SPIFFE ID can
    /// have.
    Identity,
    /// 128 bits of an HMAC of authority and subject: every node computes the same id without reading the store.
    Opaque,
    /// A template of literals and captures.
    Template(Vec<Piece>),
}

impl ClientIdTemplate {
    /// Parses a rule's `client_id`; `captures` are the names that may be used, `kinds` the kinds of the authorities
    /// whose segments they stand for.
    pub fn parse(text: &str, captures: &[&str], kinds: &[AuthorityKind]) -> Result<ClientIdTemplate, String> {
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
                "{text:?} is neither \"identity\" nor \"opaque\", and as a template it has no capture: every identity would get the same id"
            ));
        }
        if text.contains("://") {
            // SPIFFE IDs are ids of the form `identity`, and https URLs are ids of metadata documents. A capture is one
            // path segment without colon and slash, so without `://` in a literal no template can make one.
            return Err(format!("{text:?} must not contain ://"));
        }
        if let Some(form) = built_in(text) {
            return Err(format!(
                "{text:?} begins with {form:?}, which is reserved for other ids; write for example {:?}",
                format!("workload-{}", text.get(form.len()..).unwrap_or_default())
            ));
        }
        captures_are_apart(text, &pieces, kinds)?;
        if !is_vschar(text) {
            return Err(format!(
                "{text:?} has characters that are not allowed in a client_id"
            ));
        }
        Ok(ClientIdTemplate::Template(pieces))
    }
}

/// Between two captures there must be a character that no segment contains. Otherwise two identities could have one id,
/// and the second of them would be refused: with `{a}-{b}`, `x-y` and `z` give the same id as `x` and `y-z`.
fn captures_are_apart(text: &str, pieces: &[Piece], kinds: &[AuthorityKind]) -> Result<(), String> {
    let may_be_in_one = |character| kinds.iter().any(|kind| kind.may_be_in_a_segment(character));
    let mut before: Option<&str> = None;
    let mut between = "";
    for piece in pieces {
        match (piece, before) {
            (Piece::Literal(literal), _) => between = literal,
            (Piece::Capture(name), Some(earlier)) if between.chars().all(may_be_in_one) => {
                return Err(format!(
                    "{text:?} has {between:?} between {{{earlier}}} and {{{name}}}, and a captured segment may contain that too: two identities could have one id; write for example \"{{{earlier}}}/{{{name}}}\", with a character that no segment of these authorities has"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ClientIdTemplate, String> {
        ClientIdTemplate::parse(text, &["x"], &[AuthorityKind::Spiffe])
    }

    fn parse_two(text: &str, kind: AuthorityKind) -> Result<ClientIdTemplate, String> {
        ClientIdTemplate::parse(text, &["x", "y"], &[kind])
    }

    #[test]
    fn captures_of_an_issuer_must_be_separated_by_a_character_that_no_segment_contains() {
        for close in ["{x}:{y}", "{x}-~-{y}", "a.{x}@{y}-b"] {
            assert!(parse_two(close, AuthorityKind::Issuer).is_err(), "{close}");
        }
        assert!(parse_two("{x}/{y}", AuthorityKind::Issuer).is_ok());
        let both = [AuthorityKind::Spiffe, AuthorityKind::Issuer];
        assert!(ClientIdTemplate::parse("{x}:{y}", &["x", "y"], &both).is_err());
    }

    #[test]
    fn templates_that_cannot_make_client_ids_are_refused() {
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
            assert!(parse(bad).is_err(), "{bad}");
        }
        for good in ["workload-{x}", "{x}", "{x}-y"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for close in ["{x}{y}", "{x}-{y}", "{x}.{y}", "{x}_a-1_{y}", "{x}/{y}-{x}"] {
            let problem = parse_two(close, AuthorityKind::Spiffe).unwrap_err();
            assert!(problem.contains("write for example"), "{close}: {problem}");
        }
        for apart in ["{x}/{y}", "{x}:{y}", "{x}-~-{y}", "a.{x}@{y}-b"] {
            assert!(parse_two(apart, AuthorityKind::Spiffe).is_ok(), "{apart}");
        }
    }
}

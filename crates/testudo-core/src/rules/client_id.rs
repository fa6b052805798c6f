//! A rule's `client_id`: how the client's id is made from its identity.

use super::pieces::{Piece, pieces};
use super::reserved_ids::built_in;
use crate::identity::AuthorityKind;
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

impl ClientIdTemplate {
    /// Parses a rule's `client_id`; `captures` are the names that may be used, `kinds` those of the authorities whose
    /// segments they stand for.
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
        captures_are_apart(text, &pieces, kinds)?;
        if !is_vschar(text) {
            return Err(format!("{text:?} has characters that a client_id cannot have"));
        }
        Ok(ClientIdTemplate::Template(pieces))
    }
}

/// Between two captures stands a character that no segment has; else two identities would have one id: of
/// `{a}-{b}`, `x-y` and `z` make the id that `x` and `y-z` make, and the second of them would be refused.
fn captures_are_apart(text: &str, pieces: &[Piece], kinds: &[AuthorityKind]) -> Result<(), String> {
    let may_be_in_one = |character| kinds.iter().any(|kind| kind.may_be_in_a_segment(character));
    let mut before: Option<&str> = None;
    let mut between = "";
    for piece in pieces {
        match (piece, before) {
            (Piece::Literal(literal), _) => between = literal,
            (Piece::Capture(name), Some(earlier)) if between.chars().all(may_be_in_one) => {
                return Err(format!(
                    "{text:?} has {between:?} between {{{earlier}}} and {{{name}}}, and a captured segment may hold that, too: two identities would have one id; write for example \"{{{earlier}}}/{{{name}}}\", with a character that no segment of these authorities has"
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
    fn captures_of_an_issuer_need_a_separator_that_no_segment_contains() {
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

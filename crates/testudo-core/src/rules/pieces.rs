//! Parses texts of a rule with captures: `a-{b}-c` is a literal, a capture and a literal.

use super::pattern::Captures;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Fixed text.
    Literal(String),
    /// Replaced by a captured segment.
    Capture(String),
}

impl Piece {
    /// The name of the capture, if the piece is one.
    pub fn capture(&self) -> Option<&str> {
        match self {
            Piece::Capture(name) => Some(name),
            Piece::Literal(_) => None,
        }
    }
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

/// Replaces the captures by their values, without encoding.
pub(crate) fn fill(pieces: &[Piece], captures: &Captures) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => text.as_str(),
            Piece::Capture(name) => captures.get(name).unwrap_or_default(),
        })
        .collect()
}

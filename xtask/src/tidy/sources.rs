//! What every source file must have: a head that says what it is for, no open ends, citations that can be looked up.

use testudo_protocol::drafts::SPECIFICATIONS;

/// Every module opens with `//!`: what it decides, and what it leaves to others.
pub fn file_head(name: &str, text: &str, complaints: &mut Vec<String>) {
    if !text.starts_with("//!") && !text.starts_with("#![no_main]") {
        complaints.push(format!("{name} does not open with //!"));
    }
    for (number, line) in text.lines().enumerate() {
        let is_marked = ["TO", "DO"].concat();
        if line.contains(&format!("{is_marked}:")) || line.contains(&format!("// {is_marked}")) {
            complaints.push(format!(
                "{name}:{} has an open end without an issue number",
                number + 1
            ));
        }
    }
}

/// `[RFC6749 §3]` cites a specification that `drafts.rs` knows.
pub fn citations(name: &str, text: &str, complaints: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        let Some(comment) = line.find("//").and_then(|at| line.get(at..)) else {
            continue;
        };
        for piece in comment.split('[').skip(1) {
            let Some((cited, _)) = piece.split_once(']') else {
                continue;
            };
            let Some((short_name, _)) = cited.split_once(" §") else {
                continue;
            };
            let is_document = short_name.starts_with('`');
            if !is_document && !SPECIFICATIONS.iter().any(|known| known.short_name == short_name) {
                complaints.push(format!(
                    "{name}:{} cites {short_name}, which drafts.rs does not know",
                    number + 1
                ));
            }
        }
    }
}

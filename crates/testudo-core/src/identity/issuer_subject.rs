//! The subject of an issuer's token as the segments of an identity, and back.
//!
//! Two subjects never give one identity: `%` is encoded too, and so is every slash that would make an empty segment.

/// The segments of an identity with this subject: split at `/`, with the characters of patterns and those outside of
/// VSCHAR percent-encoded.
pub(crate) fn segments_of(subject: &str) -> String {
    let mut segments = String::with_capacity(subject.len());
    for (position, character) in subject.char_indices() {
        let is_last = position + character.len_utf8() == subject.len();
        let begins_a_segment = segments.is_empty() || segments.ends_with('/');
        match character {
            '/' if is_last || begins_a_segment => segments.push_str("%2F"),
            '%' => segments.push_str("%25"),
            '*' => segments.push_str("%2A"),
            '{' => segments.push_str("%7B"),
            '}' => segments.push_str("%7D"),
            ' '..='~' => segments.push(character),
            character => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    segments.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    segments
}

/// The subject with these segments, for a subject in VSCHAR.
pub(crate) fn subject_of(segments: &str) -> String {
    ["%2F", "%2A", "%7B", "%7D", "%25"]
        .into_iter()
        .zip(["/", "*", "{", "}", "%"])
        .fold(segments.to_owned(), |text, (encoded, character)| {
            text.replace(encoded, character)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Authority;

    #[test]
    fn every_subject_has_segments_of_its_own_and_is_found_again() {
        let mut known = std::collections::HashSet::new();
        for (subject, segments) in [
            ("app", "app"),
            ("team/app", "team/app"),
            ("https://app.example/c.json", "https:/%2Fapp.example/c.json"),
            ("https:/%2Fapp.example/c.json", "https:/%252Fapp.example/c.json"),
            ("/app", "%2Fapp"),
            ("app/", "app%2F"),
            ("app//", "app/%2F"),
            ("/", "%2F"),
            ("%2A", "%252A"),
            ("*", "%2A"),
            ("{a} b", "%7Ba%7D b"),
            ("%252F", "%25252F"),
        ] {
            assert_eq!(segments_of(subject), segments);
            assert_eq!(subject_of(segments), subject);
            assert!(known.insert(segments.to_owned()), "{segments}");
            assert!(
                Authority::of_identity(&format!("at:{segments}")).is_ok(),
                "{segments}"
            );
        }
        for (subject, segments) in [
            ("caf\u{e9}/x", "caf%C3%A9/x"),
            ("caf%C3%A9/x", "caf%25C3%25A9/x"),
            ("a\u{0}b", "a%00b"),
            ("\u{1f422}", "%F0%9F%90%A2"),
        ] {
            assert_eq!(segments_of(subject), segments);
            assert!(known.insert(segments.to_owned()), "{segments}");
        }
    }
}

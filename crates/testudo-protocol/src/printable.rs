//! Invisible characters and control characters. A `kid` or another text of an unknown client must not move the cursor
//! of an administrator's terminal, change the direction of writing, or look like another text.

use std::borrow::Cow;

/// True for controls (C0, DEL, C1), line and paragraph separators, marks that change the direction of writing, and
/// characters without width.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// True if the text has no hidden character.
pub fn is_printable(text: &str) -> bool {
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte);
    text.bytes().all(is_plain) || !text.chars().any(is_hidden)
}

/// As much of a text of an unknown client as an administrator needs to recognise it.
pub fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    let start: String = text.chars().take(CHARACTERS_MAX).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", escape(&start, &[]))
}

/// The text with hidden characters written as escapes (`\u{202e}`), except those in `kept`.
pub fn escape<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let must_go = |c: char| is_hidden(c) && !kept.contains(&c);
    if !text.chars().any(must_go) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match must_go(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// JSON text with hidden characters as `\u` escapes: a program reads the same values, and a terminal does not interpret
/// them. Only strings can contain them; line ends between members are kept.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let must_go = |c: char| is_hidden(c) && c != '\n';
    if !json.chars().any(must_go) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if !must_go(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: [char; 13] = [
        '\u{0}',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{200b}',
        '\u{200e}',
        '\u{202e}',
        '\u{2028}',
        '\u{2066}',
        '\u{feff}',
        '\u{ad}',
        '\u{e0041}',
    ];

    #[test]
    fn hidden_characters_are_written_out_and_others_are_not() {
        for c in HIDDEN {
            let text = format!("a{c}b");
            assert!(!is_printable(&text), "{c:?}");
            assert_eq!(escape(&text, &[]), format!("a{}b", c.escape_default()));
        }
        assert_eq!(escape("a\nb", &[]), "a\\nb");
        assert_eq!(escape("a\nb\u{9b}", &['\n']), "a\nb\\u{9b}");
        for plain in ["", "plain", "Zoë, 名前, עברית, 🙂", "é"] {
            assert!(is_printable(plain), "{plain}");
            assert_eq!(escape(plain, &[]), plain);
            assert_eq!(escape_json(plain), plain);
        }
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value: serde_json::Value = HIDDEN.iter().map(|c| format!("a{c}b")).collect::<Vec<_>>().into();
        let text = serde_json::to_string_pretty(&value).unwrap();
        let escaped = escape_json(&text);
        assert!(escaped.chars().all(|c| c == '\n' || !is_hidden(c)), "{escaped}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
    }
}

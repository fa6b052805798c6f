//! Tests that control characters and invisible characters in texts of clients and administrators are printed as escapes.

use crate::binary::{Site, json_lines, stderr};
use serde_json::{Value, json};
use testudo_protocol::printable::is_hidden;

/// Text with control characters (C0, DEL, C1), a character that changes the direction of writing, and one without width.
const HOSTILE: &str = "a\u{1b}[2Jb\u{7f}c\u{9b}31md\u{202e}e\u{200b}f";

#[track_caller]
fn check(what: &[&str], bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let bad: Vec<char> = text.chars().filter(|c| *c != '\n' && is_hidden(*c)).collect();
    assert!(bad.is_empty(), "{what:?} prints {bad:?}: {text:?}");
    text
}

#[test]
fn every_field_is_printed_without_terminal_control_characters() {
    let site = Site::new();
    let _server = site.serve();
    let identity = "spiffe://prod.example/x";
    site.ok(&["identity", "block", identity, "--reason", HOSTILE]);
    site.ok(&["key", "rotate", "--now", "--reason", HOSTILE]);
    let kept = |value: &Value| {
        value
            .as_array()
            .unwrap()
            .iter()
            .any(|item| item["reason"] == json!(HOSTILE))
    };
    for command in [["identity", "list"], ["event", "list"]] {
        let output = site.run(&command);
        let text = check(&command, &output.stdout);
        assert!(
            text.contains("\\u{1b}[2Jb\\u{7f}c\\u{9b}31md\\u{202e}e\\u{200b}f"),
            "{text}"
        );
        // The JSON output contains the same value, with escapes.
        let command = [command[0], command[1], "--json"];
        let text = check(&command, &site.run(&command).stdout);
        assert!(
            text.contains("\\u007f") && text.contains("\\u009b") && text.contains("\\u202e"),
            "{text}"
        );
        let value = match command[0] {
            "event" => Value::from(json_lines(&text)),
            _ => serde_json::from_str(&text).unwrap(),
        };
        assert!(kept(&value), "{text}");
    }
    for command in [
        vec!["client", "show", HOSTILE],
        vec!["trust", "show", HOSTILE],
        vec!["explain", HOSTILE],
        vec!["key", "revoke", HOSTILE],
        vec!["rule", "test", HOSTILE],
        vec!["identity", "unblock", HOSTILE],
        vec!["client", "list", "--rule", HOSTILE],
    ] {
        let output = site.run(&command);
        check(&command, &output.stdout);
        check(&command, &output.stderr);
    }
}

#[test]
fn bundle_key_with_control_characters_in_its_kid_is_not_imported() {
    let site = Site::new();
    let mut bundle = site.issuer.bundle();
    let keys = bundle["keys"].as_array_mut().unwrap();
    let mut hostile = keys[0].clone();
    hostile["kid"] = json!(HOSTILE);
    keys.push(hostile);
    site.write("bundle.json", &bundle.to_string());
    let _server = site.serve();
    for command in [vec!["trust", "show", "prod.example"], vec!["doctor"]] {
        let output = site.run(&command);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = check(&command, &output.stdout);
        assert!(
            text.contains("the kid has control or invisible characters"),
            "{text}"
        );
    }
    let shown = site.json(&["trust", "show", "prod.example"]);
    assert_eq!(shown["jwt_keys"].as_array().unwrap().len(), 1, "{shown}");
}

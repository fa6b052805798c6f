//! `testudo reload`: what it prints of the change.

use crate::binary::{Site, stderr};
use crate::watching::rule;
use serde_json::{Value, json};

#[test]
fn reload_prints_the_names_of_what_changed_in_words_and_in_json() {
    let site = Site::new();
    site.unwatch();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let _server = site.serve();
    site.write("testudo.toml", &(text.clone() + &rule("late") + &rule("night")));
    let output = site.run(&["reload"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(stderr(&output), "reloaded: +2 rules (late, night)\n");

    let changed = text.replacen("[server]\n", "[server]\ndrain = \"3s\"\nstreams_max = 7\n", 1);
    site.write("testudo.toml", &(changed + &rule("night")));
    let answer = site.json(&["reload"]);
    let done = "reloaded: -1 rule (late), +2 settings (server.drain, server.streams_max)";
    assert_eq!(answer["done"], done);
    let configuration = &answer["configuration"];
    assert_eq!(configuration["rules"], json!({ "removed": ["late"] }));
    let settings = json!({ "added": ["server.drain", "server.streams_max"] });
    assert_eq!(configuration["settings"], settings);
    assert_eq!(configuration["at_next_start"], json!(["server.streams_max"]));

    let output = site.run(&["reload"]);
    let said = stderr(&output);
    assert!(said.starts_with("reloaded: nothing changed\n"), "{said}");
    let answer: Value = site.json(&["reload"]);
    let [before, after] = ["digest_before", "digest_after"].map(|member| &answer["configuration"][member]);
    assert!(
        before == after && before.as_str().unwrap().len() == 64,
        "{answer}"
    );
}

#[test]
fn warnings_of_a_reload_are_one_json_object_per_line_on_stderr() {
    let site = Site::new();
    site.unwatch();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let _server = site.serve();
    let night = rule("night").replace("prod.example", "unknown.example");
    let more = "[server.proxy]\ntrusted = [\"10.0.0.0/8\"]\n";
    site.write("testudo.toml", &format!("{text}{night}{more}"));
    let output = site.run(&["reload", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        answer["warning"].is_null() && answer["problems"].is_null(),
        "{answer}"
    );
    let lines: Vec<Value> = stderr(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect();
    for key in ["rules[1].identities[0]", "server.proxy"] {
        let line = lines
            .iter()
            .find(|line| line["key"] == key)
            .unwrap_or_else(|| panic!("{key}: {lines:?}"));
        for member in ["warning", "problem", "hint"] {
            assert!(line[member].is_string(), "{member}: {line}");
        }
    }
}

#[test]
fn errors_of_a_refused_reload_are_listed_as_check_lists_them() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text.replacen("[server]\n", "[server]\nwatch = false\n", 1);
    site.write("testudo.toml", &text);
    let _server = site.serve();
    let text = text.replacen("[server]\n", "[server]\ndrain = \"3 parsecs\"\n", 1);
    let broken = rule("night").replace("[[rules]]\n", "[[rules]]\nscopes = [\"a b\"]\n");
    assert!(broken.contains("a b"));
    // A warning, which is listed with the errors.
    let warned = rule("late").replace("prod.example", "unknown.example");
    site.write("testudo.toml", &format!("{text}{broken}{warned}"));
    let checked = site.run(&["check", "--json"]);
    let checked: Vec<Value> = serde_json::from_slice(&checked.stdout).unwrap();
    let output = site.run(&["reload", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut lines: Vec<Value> = stderr(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect();
    let last = lines.pop().unwrap();
    assert_eq!(last["error"], "the configuration has 2 errors", "{last}");
    assert!(last["hint"].as_str().unwrap().contains("present configuration"));
    // `check` was given the path of the file, and the server may know it by another one.
    let without_text = |mut line: Value| {
        let line = line.as_object_mut().unwrap();
        line.retain(|member, _| !["error", "warning", "file"].contains(&member.as_str()));
        Value::from(line.clone())
    };
    for line in &lines {
        let is_warning = line["is_warning"].as_bool().unwrap();
        assert!(
            line[if is_warning { "warning" } else { "error" }].is_string(),
            "{line}"
        );
        assert!(line["file"].as_str().unwrap().ends_with("testudo.toml"), "{line}");
    }
    let listed: Vec<Value> = lines.into_iter().map(without_text).collect();
    let expected: Vec<Value> = checked.into_iter().map(without_text).collect();
    assert_eq!(expected.len(), 3, "{expected:?}");
    assert_eq!(listed, expected);
    let error = listed.iter().find(|line| line["key"] == "server.drain").unwrap();
    for member in ["line", "column"] {
        assert!(error[member].is_u64(), "{member}: {error}");
    }
    for member in ["value", "problem", "expected"] {
        assert!(error[member].is_string(), "{member}: {error}");
    }
    let error = listed.iter().find(|line| !line["entry"].is_null()).unwrap();
    assert_eq!(error["entry"], "rule `night`", "{error}");

    // The same as text.
    let output = site.run(&["reload"]);
    let said = stderr(&output);
    for words in [
        "testudo.toml:4:9: server.drain \"3 parsecs\"",
        "warning: ",
        "expected: ",
        "error: the configuration has 2 errors\nhint: ",
    ] {
        assert_eq!(
            said.matches(words).count().min(1),
            1,
            "{words:?} is not in {said}"
        );
    }
}

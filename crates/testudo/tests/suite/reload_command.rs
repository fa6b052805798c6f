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

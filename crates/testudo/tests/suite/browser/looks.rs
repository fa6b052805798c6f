//! How the pages look: accessibility, small screens, dark mode, and the pictures of the documentation.

use super::{PEOPLE, Pages};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(path)
}

/// What is wrong with a page as it was looked at.
fn faults(look: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for name in ["violations", "faults"] {
        let found = look[name].as_array().unwrap();
        faults.extend(found.iter().map(|fault| format!("{name}: {fault}")));
    }
    for name in ["overflow", "overflow_of_doubled_text"] {
        if look[name] != 0 {
            faults.push(format!("{name}: {} px", look[name]));
        }
    }
    // With forced colours the browser chooses the colours, and axe cannot see them.
    if look["way"] != "forced colours" && look["incomplete"] != serde_json::json!([]) {
        faults.push(format!("cannot be judged: {}", look["incomplete"]));
    }
    if look["lang"] != "en" || look["headings"] != 1 {
        faults.push("the page has no language, or not one main heading".to_owned());
    }
    let where_ = format!("{}, {}", look["page"], look["way"]);
    faults.iter().map(|fault| format!("{where_}: {fault}")).collect()
}

/// The table of the report: how many rules hold on each page, in each way.
fn table(looks: &[Value]) -> String {
    let mut pages: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for look in looks {
        pages
            .entry(look["page"].as_str().unwrap())
            .or_default()
            .push(look);
    }
    let mut text =
        "| page | ways | rules that hold | broken | cannot be judged by a program |\n|---|---|---|---|---|\n"
            .to_owned();
    for (page, looks) in pages {
        let least = looks.iter().map(|look| look["passes"].as_u64().unwrap()).min();
        let broken: usize = looks
            .iter()
            .map(|look| look["violations"].as_array().unwrap().len())
            .sum();
        let mut unknown: Vec<&str> = looks
            .iter()
            .flat_map(|look| look["incomplete"].as_array().unwrap())
            .map(|rule| rule["id"].as_str().unwrap())
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        let unknown = match unknown.is_empty() {
            true => "none".to_owned(),
            false => unknown.join(", "),
        };
        let (ways, least) = (looks.len(), least.unwrap_or_default());
        writeln!(text, "| {page} | {ways} | {least} | {broken} | {unknown} |").unwrap();
    }
    text
}

#[test]
fn every_page_keeps_the_rules_of_accessibility_on_every_screen() {
    let Some(pages) = Pages::start(PEOPLE) else {
        return;
    };
    // With UPDATE_PICTURES=1 the pictures and the table of the documentation are made anew.
    let update = std::env::var_os("UPDATE_PICTURES").is_some();
    let pictures = docs("pictures").display().to_string();
    let more: &[(&str, &str)] = if update { &[("PICTURES", &pictures)] } else { &[] };
    if update {
        std::fs::create_dir_all(&pictures).unwrap();
    }
    let mut looks = pages.walk("looks.mjs", "pages", more).as_array().unwrap().clone();
    let closed = Pages::start("").unwrap().walk("looks.mjs", "closed", more);
    looks.extend(closed.as_array().unwrap().iter().cloned());

    let faults: Vec<String> = looks.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let table = table(&looks);
    let report = docs("reference/accessibility.md");
    let text = std::fs::read_to_string(&report).unwrap();
    let (before, rest) = text.split_once("<!-- table -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let wanted = format!("{before}<!-- table -->\n{table}<!-- end -->{after}");
    if update {
        std::fs::write(&report, wanted).unwrap();
    } else {
        assert_eq!(text, wanted, "run this test with UPDATE_PICTURES=1");
    }
}

//! `docs/reference/configuration.md`: every key of the configuration.
//!
//! What a key means, and its default, is in the doc comment of its field, which the JSON schema has as well; what can
//! stand there, and whether a reload takes it, is in `config::KEYS`.

use serde_json::Value;
use testudo_server::config::{KEYS, Key, sections::ConfigFile};

/// The sections, in the order in which a file is best written and read.
const SECTIONS: &[&str] = &[
    "issuer",
    "include",
    "server",
    "store",
    "admin",
    "log",
    "tokens",
    "trust_domains",
    "issuers",
    "registration",
    "outbound",
    "rules",
    "clients",
];

const INTRODUCTION: &str = "# Configuration

Generated from `server::config`. A key that is not in this page is an error, and `testudo check` names every problem of a \
file at once, each with its key. `testudo init` writes a starter file. For editors: [JSON Schema](testudo.schema.json).

- The file is TOML. A relative path begins in the folder of the file.
- A duration is a text with its unit: `\"90s\"`, `\"5m\"`, `\"12h\"`, `\"30d\"`. A number is a whole number of 1 or more.
- A secret is the text itself, `{ file = \"PATH\" }` or `{ env = \"VARIABLE\" }`.
- A variable of the environment sets a key over the file: `TESTUDO__SERVER__LISTEN` is `server.listen`. Its value is \
read as TOML, and as text where it is not TOML.
- *Reload*: `testudo reload`, SIGHUP, and a change of the file where `server.watch` is true. \"at start\" means that a new \
value takes effect at the next start, and that the reload says so. Of TLS files and other files that a key names, a \
reload takes the new content; a listener, `server.tls` or `admin.tls` that appears or disappears takes effect at the \
next start.

";

pub fn page() -> Result<String, String> {
    let schema = schemars::schema_for!(ConfigFile).to_value();
    let mut page = String::from(INTRODUCTION);
    let first_keys = schema["properties"].as_object().into_iter().flatten();
    for (name, _) in first_keys {
        if !SECTIONS.contains(&name.as_str()) {
            return Err(format!("configuration.md: `{name}` has no place in its sections"));
        }
    }
    for section in SECTIONS {
        page.push_str(&format!("- [`{section}`](#{section})\n"));
    }
    for section in SECTIONS {
        let rows = rows(section, &schema["properties"][section], &schema)?;
        page.push_str(&format!("\n## {section}\n\n{rows}"));
    }
    Ok(page)
}

/// What is said of a key beside what is in `KEYS`.
struct Said {
    meaning: String,
    default: String,
}

/// The table of a section, below what the section is for.
fn rows(section: &str, member: &Value, schema: &Value) -> Result<String, String> {
    let mut lines = Vec::new();
    walk(section, member, schema, &mut lines)?;
    let form = match (member["type"] == "array", has_members(member, schema)) {
        (_, false) => String::new(),
        (true, true) => format!("`[[{section}]]`: "),
        (false, true) => format!("`[{section}]`: "),
    };
    let lead = match has_members(member, schema) {
        false => String::new(),
        true => {
            let what = description(section, member)?;
            format!("{form}{what}\n\n")
        }
    };
    Ok(format!(
        "{lead}| key | type | default | reload | meaning |\n|---|---|---|---|---|\n{}\n",
        lines.join("\n")
    ))
}

/// The rows of a member and of the members within it.
fn walk(path: &str, member: &Value, schema: &Value, lines: &mut Vec<String>) -> Result<(), String> {
    let is_section = SECTIONS.contains(&path);
    let key = KEYS.iter().find(|key| key.path == path);
    if let Some(key) = key {
        lines.push(row(key, member, schema)?);
    } else if !is_section {
        let Said { meaning, default } = said(path, member)?;
        lines.push(format!("| {} | table | {default} | | {meaning} |", name(path)));
    }
    // A secret is one key, in whichever form it is written.
    if key.is_some_and(|key| key.is_secret) {
        return Ok(());
    }
    for kind in kinds(member, schema) {
        for (name, inner) in kind["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), inner, schema, lines)?;
        }
    }
    Ok(())
}

fn row(key: &Key, member: &Value, schema: &Value) -> Result<String, String> {
    let path = key.path;
    let Said { meaning, default } = said(path, member)?;
    let reload = match key.is_taken_by_reload {
        true => "yes",
        false => "at start",
    };
    let type_of = type_of(key, member, schema);
    let words = [meaning, values(key, member, schema), form(key, &type_of)];
    let words: Vec<&str> = words
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .collect();
    Ok(format!(
        "| {} | {type_of} | {default} | {reload} | {} |",
        name(path),
        words.join(" ")
    ))
}

/// The key with an anchor of its own. A section has that of its heading.
fn name(path: &str) -> String {
    match SECTIONS.contains(&path) {
        true => format!("`{path}`"),
        false => format!("<a id=\"{path}\"></a>`{path}`"),
    }
}

/// What can stand at the key, with an example, where its type does not say that.
fn form(key: &Key, type_of: &str) -> String {
    let is_said = type_of == "duration" || type_of == "boolean" || key.unit.is_some();
    let example = match is_said || key.form.contains(key.example) {
        true => String::new(),
        false => format!(" Example: `{}`.", key.example()),
    };
    match (is_said || key.form == "a text", key.is_list) {
        (true, _) => example,
        (false, true) => format!("Each entry: {}.{example}", key.form),
        (false, false) => format!("Value: {}.{example}", key.form),
    }
}

/// The type of a value, with the unit of a number.
fn type_of(key: &Key, member: &Value, schema: &Value) -> String {
    let kinds = kinds(member, schema);
    let is = |name: &str| {
        let mut kinds = kinds.iter();
        kinds.any(|kind| kind["type"] == name || contains(&kind["type"], name))
    };
    if key.is_secret {
        return "secret".to_owned();
    }
    let one = match () {
        () if key.form.starts_with("a number with its unit") || key.form.starts_with("a time") => "duration",
        () if is("integer") => "number",
        () if is("boolean") && is("object") => "boolean or table",
        () if is("boolean") => "boolean",
        () if is("object") => "table",
        () => "text",
    };
    match (key.is_list, key.unit) {
        (true, _) if is("object") => "list of tables".to_owned(),
        (true, _) => "list of texts".to_owned(),
        (false, Some(unit)) => format!("{one} ({unit})"),
        (false, None) => one.to_owned(),
    }
}

/// What each of the values means, where the schema says so and the key can have them.
fn values(key: &Key, member: &Value, schema: &Value) -> String {
    let kinds = kinds(member, schema);
    let meanings = kinds.iter().filter_map(|kind| {
        let value = kind["const"].as_str()?;
        let meaning = kind["description"].as_str()?;
        let is_one = key.form.contains(&format!("\"{value}\""));
        is_one.then(|| format!("`{value}`: {} ", cell(meaning)))
    });
    meanings.collect()
}

/// The schemas that a value, or an entry of a list, can have.
fn kinds<'s>(member: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    if let Some(name) = member["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return kinds(&schema["$defs"][name], schema);
    }
    let alternatives = member["anyOf"].as_array().or(member["oneOf"].as_array());
    match (alternatives, &member["items"]) {
        (Some(alternatives), _) => alternatives
            .iter()
            .flat_map(|alternative| kinds(alternative, schema))
            .collect(),
        (None, Value::Null) => vec![member],
        (None, items) => kinds(items, schema),
    }
}

fn has_members(member: &Value, schema: &Value) -> bool {
    kinds(member, schema)
        .iter()
        .any(|kind| kind["properties"].is_object())
}

fn contains(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|one| one == name))
}

fn description(path: &str, member: &Value) -> Result<String, String> {
    let description = member["description"].as_str();
    description
        .map(cell)
        .ok_or_else(|| format!("`{path}` has no doc comment, which configuration.md needs"))
}

/// The doc comment of a key: what it means, and its default, which is the sentence that begins with `Default: ` or
/// `Required`, at the end.
fn said(path: &str, member: &Value) -> Result<Said, String> {
    let description = description(path, member)?;
    let at_end = |word: &str| {
        let at = description.rfind(word)?;
        Some(description.split_at(at))
    };
    let (meaning, default) = match (at_end("Default: "), at_end("Required")) {
        (Some((meaning, default)), _) => {
            let default = default.trim_start_matches("Default: ");
            (meaning, default.trim_end_matches('.').to_owned())
        }
        (None, Some((meaning, required))) => {
            let required = required.replacen("Required", "required", 1);
            (meaning, required.trim_end_matches('.').to_owned())
        }
        (None, None) => (description.as_str(), "none".to_owned()),
    };
    Ok(Said {
        meaning: meaning.trim().to_owned(),
        default,
    })
}

/// A text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

//! `docs/reference/configuration.md`: every key of the configuration.
//!
//! The meaning of a key and its default are in the doc comment of its field, which is also in the JSON schema. Its possible
//! values, and whether a reload applies a new value, are in `config::KEYS`.

use serde_json::Value;
use testudo_server::config::{KEYS, Key, sections::ConfigFile};

/// The sections, in the order of the page.
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
    "login",
    "pages",
    "scopes",
    "experiments",
    "outbound",
    "rules",
    "clients",
];

const INTRODUCTION: &str = "# Configuration

Generated from `server::config`. A key that is not on this page is an error. `testudo check` reports all problems of a \
file, each with its key. `testudo init` writes a starter file. For editors: [JSON Schema](testudo.schema.json).

- The file is TOML. Relative paths start at the folder of the file.
- A duration is a text with a unit: `\"90s\"`, `\"5m\"`, `\"12h\"`, `\"30d\"`. A number is a whole number of 1 or more.
- A secret is the text itself, `{ file = \"PATH\" }` or `{ env = \"VARIABLE\" }`.
- An environment variable overrides the key in the file: `TESTUDO__SERVER__LISTEN` sets `server.listen`. Its value is \
parsed as TOML; if it is not TOML, it is a text.
- *Reload*: by `testudo reload`, by SIGHUP, and by a change of the file where `server.watch` is true. \"at start\" means \
that a new value applies only after the next start; the reload warns of this. A reload reads TLS files and other files \
again. If a listener, `server.tls` or `admin.tls` is added or removed, this applies after the next start.

";

pub fn page() -> Result<String, String> {
    let schema = schemars::schema_for!(ConfigFile).to_value();
    let mut page = String::from(INTRODUCTION);
    let first_keys = schema["properties"].as_object().into_iter().flatten();
    for (name, _) in first_keys {
        if !SECTIONS.contains(&name.as_str()) {
            return Err(format!(
                "configuration.md: `{name}` is not in SECTIONS of xtask/src/generate/configuration.rs"
            ));
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

/// The documentation of a key that is not in `KEYS`.
struct Documented {
    meaning: String,
    default: String,
}

/// The purpose of a section, and the table of its keys.
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
        let Documented { meaning, default } = documented(path, member)?;
        lines.push(format!("| {} | table | {default} | | {meaning} |", name(path)));
    }
    // A secret is one row, although it can be a text or a table.
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
    let Documented { meaning, default } = documented(path, member)?;
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

/// The key with an anchor. A section needs none, because its heading is one.
fn name(path: &str) -> String {
    match SECTIONS.contains(&path) {
        true => format!("`{path}`"),
        false => format!("<a id=\"{path}\"></a>`{path}`"),
    }
}

/// The possible values of a key with an example, if the type does not explain them.
fn form(key: &Key, type_of: &str) -> String {
    let type_explains_it = type_of == "duration" || type_of == "boolean" || key.unit.is_some();
    let example = match type_explains_it || key.form.contains(key.example) {
        true => String::new(),
        false => format!(" Example: `{}`.", key.example()),
    };
    match (type_explains_it || key.form == "a text", key.is_list) {
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

/// The meaning of each possible value that the schema documents.
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

/// The possible schemas of a value, or of the entries of a list.
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

/// The doc comment of a key, split into its meaning and its default: the last sentence, if it begins with `Default: ` or
/// `Required`.
fn documented(path: &str, member: &Value) -> Result<Documented, String> {
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
    Ok(Documented {
        meaning: meaning.trim().to_owned(),
        default,
    })
}

/// Text that can be written into a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

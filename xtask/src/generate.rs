//! `docs/reference/`: what is generated from the code, so that it cannot differ from it.

use crate::root;
use testudo_server::config::sections::ConfigFile;

/// Writes the files, or, with `check`, fails where one is out of date.
pub fn run(check: bool) -> Result<(), String> {
    let schema = schemars::schema_for!(ConfigFile);
    let text = serde_json::to_string_pretty(&schema).map_err(|error| error.to_string())? + "\n";
    file("docs/reference/testudo.schema.json", &text, check)?;
    let api = testudo_server::admin::openapi();
    let text = serde_json::to_string_pretty(&api).map_err(|error| error.to_string())? + "\n";
    file("docs/reference/admin-api.json", &text, check)?;
    let mut specifications = String::from(
        "# Specifications\n\nGenerated from `protocol::specifications`. Citations in code and tests use the short names.\n\n| short name | document | status |\n|---|---|---|\n",
    );
    for specification in testudo_protocol::specifications::SPECIFICATIONS {
        specifications.push_str(&format!(
            "| {} | [{}]({}) | {} |\n",
            specification.short_name,
            specification.title,
            specification.url(),
            specification.status
        ));
    }
    file("docs/reference/specifications.md", &specifications, check)
}

fn file(name: &str, text: &str, check: bool) -> Result<(), String> {
    let path = root().join(name);
    if !check {
        return std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()));
    }
    match std::fs::read_to_string(&path) {
        Ok(found) if found == text => Ok(()),
        _ => Err(format!(
            "{name} is out of date: run `cargo xtask generate` and commit the result"
        )),
    }
}

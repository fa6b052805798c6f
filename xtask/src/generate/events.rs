//! `docs/reference/events.md`: the kinds of audit events and the fields of their records.

use serde_json::{Map, Value};
use testudo_core::records::{
    AuthorizationDetails, ConfigurationChange, Event, EventKind, Names, PushedBy, RequestDetails,
};

pub fn page() -> Result<String, String> {
    let mut page = String::from(
        "# Audit events\n\nGenerated from `core::records`. Events are stored in the database; `testudo event list`, \
         `event follow`, `event export` and `GET /admin/v1/events` print them, with `--json` one JSON object per event. \
         For each event, the server also writes a line with the same name to the log ([logs.md](logs.md)), so every \
         event is recorded twice. How long events are kept, and how an administrator reads them: \
         [operations](../operations/README.md).\n\n## Kinds\n\n\
         | event | a failure | what happened |\n|---|---|---|\n",
    );
    for kind in EventKind::ALL {
        let failure = if kind.is_failure() { "yes" } else { "" };
        page.push_str(&format!(
            "| `{}` | {failure} | {} |\n",
            kind.name(),
            kind.meaning()
        ));
    }
    page.push_str("\n## Fields\n\nFields that do not apply are absent.\n\n");
    page.push_str(&fields("Event", &schemars::schema_for!(Event).to_value())?);
    page.push_str("\n## Fields of `request`\n\n");
    page.push_str(&fields(
        "RequestDetails",
        &schemars::schema_for!(RequestDetails).to_value(),
    )?);
    page.push_str("\nFields of its `authorization`:\n\n");
    page.push_str(&fields(
        "AuthorizationDetails",
        &schemars::schema_for!(AuthorizationDetails).to_value(),
    )?);
    page.push_str("\nFields of `pushed_by` there:\n\n");
    page.push_str(&fields("PushedBy", &schemars::schema_for!(PushedBy).to_value())?);
    page.push_str("\n## Fields of `configuration`\n\n");
    page.push_str(&fields(
        "ConfigurationChange",
        &schemars::schema_for!(ConfigurationChange).to_value(),
    )?);
    page.push_str("\nFields of its lists of names:\n\n");
    page.push_str(&fields("Names", &schemars::schema_for!(Names).to_value())?);
    Ok(page)
}

/// The documented fields of a record. A field without a doc comment is an error.
fn fields(record: &str, schema: &Value) -> Result<String, String> {
    let none = Map::new();
    let members = schema["properties"].as_object().unwrap_or(&none);
    let mut table = String::from("| field | meaning |\n|---|---|\n");
    for (name, member) in members {
        let meaning = member["description"].as_str();
        let meaning =
            meaning.ok_or_else(|| format!("{record}::{name} has no doc comment, which events.md needs"))?;
        table.push_str(&format!("| `{name}` | {} |\n", meaning.replace('\n', " ")));
    }
    Ok(table)
}

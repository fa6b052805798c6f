//! `testudo reload`, `testudo status`.

use crate::admin::Admin;
use crate::arguments::{Json, Place, Reason};
use crate::output::{Failed, note, print_fields, print_json, print_table};
use serde_json::{Map, Value, json};

pub async fn reload(place: &Place, reason: Reason) -> Result<(), Failed> {
    let body = json!({ "reason": reason.reason });
    let answer: Value = Admin::at(place).post("/admin/v1/reload", &body).await?;
    for field in ["done", "warning"] {
        // Each warning begins with that word already.
        if let Some(text) = answer.get(field).and_then(Value::as_str) {
            note(text.trim_end());
        }
    }
    Ok(())
}

pub async fn status(place: &Place, options: &Json) -> Result<(), Failed> {
    let mut status: Map<String, Value> = Admin::at(place).get("/admin/v1/status").await?;
    if options.json {
        return print_json(&status);
    }
    let checks = status.remove("checks");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields: Vec<(&str, String)> = status
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect();
    print_fields(&fields);
    let checks = checks.as_ref().and_then(Value::as_array).into_iter().flatten();
    let row = |check: &Value| {
        ["state", "name", "detail"]
            .map(|member| text(&check[member]))
            .to_vec()
    };
    print_table(&["check", "of", "detail"], checks.map(row).collect());
    Ok(())
}

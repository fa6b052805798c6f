//! `testudo reload`, `testudo status`.

use crate::admin::{Admin, print_done};
use crate::arguments::{Change, Json, Place};
use crate::output::{Failed, as_text, items, note_problem, print_fields, print_json, print_list};
use serde_json::{Map, Value, json};
use testudo_server::config::Problem;

pub async fn reload(place: &Place, change: &Change) -> Result<(), Failed> {
    let order = json!({ "reason": change.reason });
    let mut answer: Map<String, Value> = Admin::at(place)?.post("/admin/v1/reload", &order).await?;
    // An earlier server answers with the text of all warnings only.
    if let Some(problems) = answer.remove("problems").filter(|_| change.json.json) {
        answer.remove("warning");
        let problems: Vec<Problem> = serde_json::from_value(problems).unwrap_or_default();
        problems.iter().for_each(note_problem);
    }
    print_done(&Value::Object(answer), change)
}

/// Members of `status` in the order in which they are shown. Members that only a newer server has follow after them.
const STATUS: &[&str] = &[
    "issuer",
    "version",
    "ready",
    "generation",
    "store",
    "tls_certificates_end",
    "refused_records",
    "clients_in_memory",
    "tokens_issued",
    "store_batches_written",
    "store_reads",
];

pub async fn status(place: &Place, options: &Json) -> Result<(), Failed> {
    let mut status: Map<String, Value> = Admin::at(place)?.get("/admin/v1/status").await?;
    if options.json {
        return print_json(&status);
    }
    let checks = status.remove("checks").unwrap_or_default();
    let known = STATUS.iter().filter_map(|name| Some((*name, status.get(*name)?)));
    let others = status.iter().map(|(name, value)| (name.as_str(), value));
    let fields: Vec<(&str, String)> = known
        .chain(others.filter(|(name, _)| !STATUS.contains(name)))
        .map(|(name, value)| (name, as_text(value)))
        .collect();
    print_fields(&fields)?;
    let row = |check: &Value| {
        ["state", "name", "detail"]
            .map(|member| as_text(&check[member]))
            .to_vec()
    };
    let rows: Vec<_> = items(&checks).map(row).collect();
    print_list("checks", &["check", "of", "detail"], &rows, false)
}

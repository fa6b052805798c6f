//! `testudo explain`.

use crate::admin::Admin;
use crate::arguments::{Explain, Place};
use crate::output::{Failed, print_json, print_line};
use serde_json::json;
use std::io::Read as _;
use testudo_server::admin::Explanation;

pub async fn run(place: &Place, options: Explain) -> Result<(), Failed> {
    let credential = options.credential.as_ref().map(|path| read(path)).transpose()?;
    let question = json!({
        "request_id": options.request_id,
        "credential": credential,
        "scope": options.scope,
        "resource": options.resource,
        "client_id": options.client_id,
    });
    let explanation: Explanation = Admin::at(place).post("/admin/v1/explain", &question).await?;
    if options.json.json {
        return print_json(&explanation);
    }
    if let Some(event) = &explanation.event {
        print_line(&format!("{}  {}", event.time, event.event.name()));
        println!();
    }
    for step in &explanation.steps {
        print_line(&format!("passed   {}: {}", step.check, step.detail));
    }
    let detail = explanation.detail.unwrap_or_default();
    match (explanation.rejection, explanation.error) {
        (Some(rejection), Some(error)) => print_line(&format!(
            "refused  {rejection}: {detail} (the caller sees {error})"
        )),
        (Some(rejection), None) => print_line(&format!("refused  {rejection}: {detail}")),
        (None, _) => print_line(&format!("{}  {detail}", explanation.outcome)),
    }
    if let Some(hint) = explanation.hint {
        println!();
        print_line(&format!("hint: {hint}"));
    }
    Ok(())
}

fn read(path: &std::path::Path) -> Result<String, Failed> {
    let mut text = String::new();
    let outcome = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    outcome.map_err(|error| Failed::new(format!("{} cannot be read: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

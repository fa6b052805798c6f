//! `testudo healthcheck`: the health check of a container whose image has no shell and no curl.

use crate::admin::Admin;
use crate::arguments::{Json, Place};
use crate::output::{Failed, items, print_json, print_line};
use serde_json::Value;

pub async fn run(place: &Place, options: &Json) -> Result<(), Failed> {
    let (status, readiness): (_, Value) = Admin::at(place)?.probe("/readyz?verbose").await?;
    if options.json {
        print_json(&readiness)?;
    } else if status.is_success() {
        print_line("ready")?;
    }
    if status.is_success() {
        return Ok(());
    }
    let checks = items(&readiness["checks"]);
    let failed: Vec<String> = checks
        .filter(|check| check["state"] == "failed")
        .filter_map(|check| {
            Some(format!(
                "{}: {}",
                check["name"].as_str()?,
                check["detail"].as_str()?
            ))
        })
        .collect();
    Err(Failed::new(format!(
        "the server is not ready: {}",
        failed.join("; ")
    )))
}

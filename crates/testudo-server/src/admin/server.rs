//! Operations on the server: status, reload, metrics, readiness.

use super::acting::Administrator;
use super::input::Json;
use super::operation::Operation;
use super::reason::Reason;
use super::reply::{ErrorAnswer, Unusable};
use crate::config::{Problem, Report};
use crate::scrape::scrape;
use crate::state::app::App;
use crate::state::readiness::Readiness;
use crate::state::refused::RefusedRecord;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use testudo_core::records::ConfigurationChange;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Value>("/admin/v1/status", "State of the server.", get(status)),
        Operation::act::<ReloadDone>(
            "/admin/v1/reload",
            "Apply the configuration file again, on every node.",
            post(reload),
        )
        .by_optional_body::<Reason>(),
    ]
}

pub(super) async fn status(State(app): State<Arc<App>>) -> Json<Value> {
    let in_force = app.in_force.load();
    let policy = &in_force.policy;
    let (keys, of_switches) = (app.keys.load(), app.refused.switches.load());
    let of_bundles: Vec<_> = in_force
        .anchors
        .values()
        .flat_map(|anchor| {
            [
                RefusedRecord::of_bundle(anchor),
                RefusedRecord::of_shared_bundle(anchor),
            ]
        })
        .flatten()
        .collect();
    let (of_clients, of_people) = (app.refused.clients.load(), app.refused.people.load());
    let refused: Vec<_> = keys
        .refused
        .iter()
        .chain(of_switches.iter())
        .chain(of_clients.iter())
        .chain(of_people.iter())
        .chain(&of_bundles)
        .collect();
    let Readiness { ready, checks } = Readiness::of(&app);
    Json(json!({
        "ready": ready,
        "checks": checks,
        "issuer": policy.issuer.as_str(),
        "version": env!("CARGO_PKG_VERSION"),
        "generation": policy.generation,
        "store": app.store.engine_name(),
        "store_batches_written": app.store.batches_written(),
        "store_reads": app.store.reads(),
        "clients_in_memory": app.memory.clients.len(),
        "tokens_issued": app.metrics.tokens_issued.get(),
        "tls_certificates_end": certificates_end(&app),
        "refused_records": refused,
    }))
}

/// When the TLS certificates of this server end, by the section of the configuration that names them.
fn certificates_end(app: &App) -> Value {
    let ends = app.certificates.all().map(|certificate| {
        let ends = certificate.validity().not_after.to_string();
        (certificate.section.to_owned(), Value::from(ends))
    });
    Value::Object(ends.collect())
}

/// The answer to a reload.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ReloadDone {
    /// What changed on this node, in words. Example: `reloaded: +1 rule (payments)`.
    done: String,
    /// Warnings about the file, and what is not in force yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    /// The same warnings, one by one.
    problems: Vec<Problem>,
    /// What changed on this node, by name.
    configuration: ConfigurationChange,
}

async fn reload(
    State(app): State<Arc<App>>,
    by: Administrator,
    body: Reason,
) -> Result<Json<ReloadDone>, Unusable> {
    match crate::reload::reload(&app, by.because(body.reason.as_deref())).await {
        Ok(reloaded) => {
            let warnings = reloaded.all_warnings().problems;
            Ok(Json(ReloadDone {
                done: format!("reloaded: {}", reloaded.summary()),
                warning: (!warnings.is_empty()).then(|| text(&warnings)),
                problems: warnings,
                configuration: reloaded.change,
            }))
        }
        Err(Report { mut problems, .. }) => {
            // The errors first: they are the reason for the refusal.
            problems.sort_by_key(|problem| problem.is_warning);
            let hint = "the server continues with its present configuration";
            Err(Unusable {
                answer: ErrorAnswer::bad_request(text(&problems), Some(hint.into())),
                problems,
            })
        }
    }
}

/// All problems. `error:` or `warning:` before the first one is removed, because the command that prints the text writes
/// it.
fn text(problems: &[Problem]) -> String {
    let text: String = problems.iter().map(ToString::to_string).collect();
    let bare = ["error: ", "warning: "]
        .iter()
        .find_map(|kind| text.strip_prefix(kind));
    bare.unwrap_or(&text).trim_end().to_owned()
}

pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        scrape(&app),
    )
}

pub(super) async fn readyz(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> impl IntoResponse {
    crate::http::readyz(&app, query.as_deref(), &headers).map(Body::new)
}

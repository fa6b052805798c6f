//! `testudo explain`.

use crate::admin::Admin;
use crate::arguments::{Json, Place};
use crate::output::{Failed, as_text, items, print_json, print_prose};
use clap::Args;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::PathBuf;
use testudo_server::admin::Verdict;

#[derive(Args)]
pub struct Explain {
    /// Id of a request: the `Request-Id` header of its answer.
    #[arg(required_unless_present = "credential", conflicts_with = "credential")]
    pub request_id: Option<String>,
    /// File with a credential; `-` for stdin: a token or an attestation as the client sends it, or certificates in PEM. It is
    /// explained as a token request with the grant type `client_credentials`, or, where its issuer speaks for software
    /// statements only, as a registration.
    #[arg(long, value_name = "FILE")]
    pub credential: Option<PathBuf>,
    /// With --credential: the scope to request.
    #[arg(long, requires = "credential")]
    pub scope: Option<String>,
    /// With --credential: the resource to request.
    #[arg(long, requires = "credential")]
    pub resource: Option<String>,
    /// With --credential: the `client_id` to send.
    #[arg(long, requires = "credential")]
    pub client_id: Option<String>,
    /// With --credential: explain it as the evidence of a registration, and not of a token request.
    #[arg(long, requires = "credential", conflicts_with_all = ["resource", "client_id"])]
    pub registration: bool,
    /// Exit with 1 if the request was refused, or would be refused today.
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub json: Json,
}

pub async fn run(place: &Place, options: Explain) -> Result<(), Failed> {
    let credential = options.credential.as_ref().map(|path| read(path)).transpose()?;
    let question = json!({
        "request_id": options.request_id,
        "credential": credential,
        "scope": options.scope,
        "resource": options.resource,
        "client_id": options.client_id,
        "registration": options.registration,
    });
    let explanation: Value = Admin::at(place)?.post("/admin/v1/explain", &question).await?;
    if options.json.json {
        print_json(&explanation)?;
    } else {
        print(&explanation)?;
    }
    if options.exit_code && explanation["rejection"].is_string() {
        return Err(Failed::new("the request is refused"));
    }
    Ok(())
}

/// Prints the recorded decision and then today's; one line for today where both are the same.
fn print(explanation: &Value) -> Result<(), Failed> {
    let event = &explanation["event"];
    if event.is_object() {
        print_prose(&format!(
            "{}  {}",
            as_text(&event["time"]),
            as_text(&event["event"])
        ))?;
        print_prose("")?;
    }
    let verdict = |name: &str| serde_json::from_value::<Verdict>(explanation[name].clone()).ok();
    let then = verdict("then");
    if let Some(then) = &then {
        print_prose(&format!("then: {}", text(then)))?;
        print_hint(then)?;
    }
    let today = verdict("today");
    if then.is_some() || today.is_none() {
        print_prose("")?;
    }
    for step in items(&explanation["steps"]) {
        let (check, detail) = (as_text(&step["check"]), as_text(&step["detail"]));
        let outcome = as_text(&step["outcome"]);
        print_prose(&format!("{outcome:8} {check}: {detail}"))?;
    }
    let Some(today) = &today else {
        let (why, others) = undecided(explanation);
        print_prose(&format!("today: unknown, because {why}"))?;
        return print_notes(&others);
    };
    if then.as_ref().is_some_and(|then| then.agrees_with(today)) {
        print_prose(&format!("today: the same, {}", today.outcome))?;
    } else {
        print_prose(&format!("today: {}", text(today)))?;
        print_hint(today)?;
    }
    print_notes(&notes(explanation))
}

fn notes(explanation: &Value) -> Vec<String> {
    items(&explanation["notes"]).map(as_text).collect()
}

fn print_notes(notes: &[String]) -> Result<(), Failed> {
    for note in notes {
        print_prose(&format!("note: {note}"))?;
    }
    Ok(())
}

/// Why there is no decision of today, and the other notes: the first note of the server; without a note, the request proved
/// no identity.
fn undecided(explanation: &Value) -> (String, Vec<String>) {
    let mut notes = notes(explanation);
    match notes.is_empty() {
        true => ("the identity of the request was not recorded".to_owned(), notes),
        false => (notes.remove(0), notes),
    }
}

fn text(verdict: &Verdict) -> String {
    let detail = verdict.detail.as_deref().unwrap_or_default();
    let answered = verdict
        .error
        .as_ref()
        .map(|error| format!(" (the caller sees {error})"))
        .unwrap_or_default();
    match &verdict.rejection {
        Some(rejection) => format!("{}, {rejection}: {detail}{answered}", verdict.outcome),
        None => format!("{}, {detail}", verdict.outcome),
    }
}

fn print_hint(verdict: &Verdict) -> Result<(), Failed> {
    match &verdict.hint {
        Some(hint) => print_prose(&format!("hint: {hint}")),
        None => Ok(()),
    }
}

fn read(path: &std::path::Path) -> Result<String, Failed> {
    let mut text = String::new();
    let outcome = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    outcome.map_err(|error| {
        Failed::new(format!(
            "--credential: {} cannot be read: {error}",
            path.display()
        ))
        .hint("give the file with the credential that was sent; `-` reads it from stdin")
    })?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_for_no_decision_of_today_is_the_note_of_the_server() {
        let note = "a request with the grant `x` is not decided again";
        let other = "the account is active now";
        let explanation = json!({ "notes": [note, other] });
        assert_eq!(undecided(&explanation), (note.to_owned(), vec![other.to_owned()]));
        let expected = "the identity of the request was not recorded";
        assert_eq!(undecided(&json!({})), (expected.to_owned(), Vec::new()));
    }
}

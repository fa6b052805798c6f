//! `testudo rule …`.

use crate::admin::Admin;
use crate::arguments::{Json, Place};
use crate::output::{Failed, note, print_json, print_table};
use clap::Subcommand;
use serde_json::json;
use testudo_server::admin::{Governed, RuleView};

#[derive(Subcommand)]
pub enum Rule {
    /// All rules, in the order in which they are asked.
    List(Json),
    /// Which rule governs an identity, and what it would be given.
    Test {
        /// SPIFFE IDs; without any, they are read from stdin, one a line.
        identities: Vec<String>,
        #[command(flatten)]
        json: Json,
    },
}

pub async fn run(place: &Place, command: Rule) -> Result<(), Failed> {
    let admin = Admin::at(place);
    match command {
        Rule::List(options) => {
            let rules: Vec<RuleView> = admin.get("/admin/v1/rules").await?;
            if options.json {
                return print_json(&rules);
            }
            let row = |rule: &RuleView| {
                vec![
                    rule.name.clone(),
                    if rule.enabled { "enabled" } else { "DISABLED" }.to_owned(),
                    rule.identities.join("\n"),
                    rule.scopes.clone(),
                    rule.resources.join("\n"),
                    rule.clients.to_string(),
                ]
            };
            print_table(
                &["rule", "switch", "identities", "scopes", "resources", "clients"],
                rules.iter().map(row).collect(),
            );
        }
        Rule::Test { identities, json } => {
            let identities = if identities.is_empty() {
                read_identities()?
            } else {
                identities
            };
            let governed: Vec<Governed> = admin
                .post("/admin/v1/rules/test", &json!({ "identities": identities }))
                .await?;
            if json.json {
                print_json(&governed)?;
            } else {
                let row = |one: &Governed| {
                    vec![
                        one.identity.clone(),
                        one.rule.clone().unwrap_or_else(|| "-".into()),
                        one.client_id.clone().unwrap_or_else(|| "-".into()),
                        one.scopes.clone(),
                        one.resources.join(" "),
                        one.problem.clone().unwrap_or_default(),
                    ]
                };
                print_table(
                    &["identity", "rule", "client", "scopes", "resources", "problem"],
                    governed.iter().map(row).collect(),
                );
            }
            for one in governed.iter().filter(|_| !json.json) {
                if let Some(hint) = &one.hint {
                    note(&format!("hint: {}: {hint}", one.identity));
                }
            }
            let outside = governed.iter().filter(|one| one.problem.is_some()).count();
            if outside > 0 {
                return Err(Failed::new(format!(
                    "{outside} of {} identities would be refused",
                    governed.len()
                )));
            }
        }
    }
    Ok(())
}

fn read_identities() -> Result<Vec<String>, Failed> {
    let lines: Result<Vec<String>, _> = std::io::stdin().lines().collect();
    let lines = lines.map_err(|error| Failed::new(format!("stdin cannot be read: {error}")))?;
    Ok(lines
        .into_iter()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect())
}

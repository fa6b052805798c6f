//! `testudo rule …`.

use crate::admin::Admin;
use crate::arguments::{Listing, Place};
use crate::output::{Failed, note, print_json, print_list};
use clap::Subcommand;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use testudo_core::identity::ClaimValue;
use testudo_core::records::counted;
use testudo_server::admin::{Governed, RuleView};

#[derive(Subcommand)]
pub enum Rule {
    /// List all rules, in the order in which the server checks them.
    List(Listing),
    /// Show which rule governs an identity, and which scopes and resources it gives. The request that is tested has the
    /// grant type `client_credentials`; where the issuer speaks for software
    /// statements only, a registration is tested.
    Test {
        /// SPIFFE IDs, or identities of issuers such as `ci:12345`; without this argument they are read from stdin, one per
        /// line.
        identities: Vec<String>,
        /// Instance that the credential of each identity names: the uid of a pod, or the thumbprint of its key.
        #[arg(long, value_name = "INSTANCE")]
        instance: Option<String>,
        /// File with the claims of that credential, a JSON object, as they are in the token. `claims` of rules and
        /// `captures` of the issuer read them, and those that `attested_metadata` lists become metadata of the client.
        #[arg(long, value_name = "FILE")]
        claims: Option<PathBuf>,
        #[command(flatten)]
        listing: Listing,
    },
}

pub async fn run(place: &Place, command: Rule) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Rule::List(options) => {
            let rules: Vec<RuleView> = admin.get("/admin/v1/rules").await?;
            if options.json.json {
                return print_json(&rules);
            }
            let row = |rule: &RuleView| {
                vec![
                    rule.name.clone(),
                    if rule.enabled { "enabled" } else { "DISABLED" }.to_owned(),
                    matched(rule),
                    conditions(rule),
                    rule.scopes.join(" "),
                    rule.resources.join(" "),
                    rule.clients.to_string(),
                ]
            };
            let rows: Vec<_> = rules.iter().map(row).collect();
            let header = [
                "rule",
                "switch",
                "identities",
                "claims",
                "scopes",
                "resources",
                "clients",
            ];
            return print_list("rules", &header, &rows, options.wide);
        }
        Rule::Test {
            identities,
            instance,
            claims,
            listing,
        } => {
            let claims = claims
                .map(|file| read_claims(&file))
                .transpose()?
                .unwrap_or_default();
            let identities = if identities.is_empty() {
                read_identities()?
            } else {
                identities
            };
            let governed: Vec<Governed> = admin
                .post(
                    "/admin/v1/rules/test",
                    &json!({ "identities": identities, "instance": instance, "claims": claims }),
                )
                .await?;
            if listing.json.json {
                print_json(&governed)?;
            } else {
                let row = |one: &Governed| {
                    vec![
                        one.identity.clone(),
                        one.rule.clone().unwrap_or_else(|| "-".into()),
                        one.client_id.clone().unwrap_or_else(|| "-".into()),
                        one.scopes.join(" "),
                        one.resources.join(" "),
                        one.problem.clone().unwrap_or_default(),
                    ]
                };
                let rows: Vec<_> = governed.iter().map(row).collect();
                let header = ["identity", "rule", "client", "scopes", "resources", "problem"];
                print_list("identities", &header, &rows, listing.wide)?;
            }
            for one in governed.iter().filter(|_| !listing.json.json) {
                if one.is_per_instance && instance.is_none() {
                    note(&format!(
                        "instances: {}: each is a client of its own; --instance shows its id",
                        one.identity
                    ));
                }
                if !one.claims_that_decide.is_empty() {
                    note(&format!(
                        "claims: {}: {} of its credential decide which rule governs; --claims states them",
                        one.identity,
                        one.claims_that_decide.join(", ")
                    ));
                }
                if let Some(condition) = &one.condition {
                    note(&format!("condition: {}: {condition}", one.identity));
                }
                if let Some(hint) = &one.hint {
                    note(&format!("hint: {}: {hint}", one.identity));
                }
            }
            let outside = governed.iter().filter(|one| one.problem.is_some()).count();
            if outside > 0 {
                return Err(Failed::new(format!(
                    "{outside} of {} would be refused",
                    counted(governed.len(), "identity")
                )));
            }
        }
    }
    Ok(())
}

/// The identities that the rule matches.
fn matched(rule: &RuleView) -> String {
    let patterns = rule.identities.iter().cloned();
    let authorities = rule.authorities.iter().map(|name| format!("all of {name}"));
    patterns.chain(authorities).collect::<Vec<_>>().join(" ")
}

/// The values that the rule requires of claims.
fn conditions(rule: &RuleView) -> String {
    let one = |(source, value): (&String, &ClaimValue)| format!("{source}={value}");
    rule.claims.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn read_claims(file: &Path) -> Result<Map<String, Value>, Failed> {
    let failed = |why: String| Failed::new(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(format!("is not a JSON object: {error}")))
}

fn read_identities() -> Result<Vec<String>, Failed> {
    let lines: Result<Vec<String>, _> = std::io::stdin().lines().collect();
    let lines = lines.map_err(|error| Failed::new(format!("stdin cannot be read: {error}")))?;
    Ok(lines
        .into_iter()
        .map(|line| without_comment(&line).trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect())
}

/// Removes a comment, which begins at a `#` at the start of the line or after a blank: an identity can contain `#` but
/// no blank.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| {
        line.split_at(*at)
            .0
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    let comment = line.match_indices('#').find(begins);
    comment.map_or(line, |(at, _)| line.split_at(at).0)
}

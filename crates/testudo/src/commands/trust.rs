//! `testudo trust …`.

use crate::admin::{Admin, encode};
use crate::arguments::{Change, Json, Listing, Place};
use crate::output::{Failed, as_text, items, print_fields, print_json, print_list};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Trust {
    /// List all authorities.
    List(Listing),
    /// Show one authority: its keys with their thumbprints and the time at which each was first seen, their age, the
    /// last error.
    Show {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Fetch the bundle now.
    Refresh {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        change: Change,
    },
    /// Accept the bundle that is held back: its sequence number is lower or missing, or the Workload API sent it without
    /// the JWT keys or without the X.509 authorities that the earlier bundle had.
    Accept {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        change: Change,
    },
    /// Refuse all credentials of the authority from the next request on.
    Disable {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        change: Change,
    },
    /// Accept credentials of the authority again.
    Enable {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        change: Change,
    },
}

/// The items of a list, one on each line, so that the lines are short also where a program reads them.
fn one_per_line(name: &'static str, list: &Value) -> Vec<(&'static str, String)> {
    let mut lines: Vec<_> = items(list).map(|item| ("", as_text(item))).collect();
    match lines.first_mut() {
        Some(first) => first.0 = name,
        None => lines.push((name, as_text(list))),
    }
    lines
}

pub async fn run(place: &Place, command: Trust) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Trust::List(options) => {
            let domains: Vec<Value> = admin.get("/admin/v1/trust").await?;
            if options.json.json {
                return print_json(&domains);
            }
            let row = |domain: &Value| {
                vec![
                    as_text(&domain["authority"]),
                    enabled(domain),
                    as_text(&domain["first_use"]),
                    as_text(&domain["state"]),
                    age(domain),
                    token_keys(domain),
                    as_text(&domain["clients"]),
                    as_text(&domain["last_error"]),
                ]
            };
            let header = [
                "authority",
                "switch",
                "first use",
                "bundle",
                "age",
                "jwt keys",
                "clients",
                "last error",
            ];
            let rows: Vec<_> = domains.iter().map(row).collect();
            print_list("authorities", &header, &rows, options.wide)
        }
        Trust::Show { name, json } => {
            let domain: Value = admin.get(&format!("/admin/v1/trust/{}", encode(&name))).await?;
            if json.json {
                return print_json(&domain);
            }
            let mut fields = vec![
                ("authority", as_text(&domain["authority"])),
                ("switch", enabled(&domain)),
                ("first use", as_text(&domain["first_use"])),
                ("credentials", as_text(&domain["credentials"])),
                ("use", as_text(&domain["uses"])),
                ("issuer", as_text(&domain["issuer"])),
                ("token review", as_text(&domain["token_review"])),
                ("clients", as_text(&domain["clients"])),
                ("bundle", as_text(&domain["state"])),
                ("source", as_text(&domain["source"])),
                ("age", age(&domain)),
                (
                    "maximum age",
                    format!("{} s", as_text(&domain["max_staleness_seconds"])),
                ),
                ("refreshed", refreshed(&domain)),
                ("sequence", as_text(&domain["sequence"])),
                ("held back", as_text(&domain["held_back"])),
                ("jwt keys", token_keys(&domain)),
                ("wit keys", items(&domain["wit_keys"]).count().to_string()),
                ("x509 authorities", as_text(&domain["x509_authorities"])),
            ];
            fields.extend(one_per_line("ignored", &domain["ignored"]));
            fields.push(("last error", as_text(&domain["last_error"])));
            fields.extend(items(&domain["keys"]).flat_map(|key| key_lines(key, &domain)));
            print_fields(&fields)
        }
        Trust::Refresh { name, change } => act(&admin, &name, "refresh", &change).await,
        Trust::Accept { name, change } => act(&admin, &name, "accept", &change).await,
        Trust::Disable { name, change } => act(&admin, &name, "disable", &change).await,
        Trust::Enable { name, change } => act(&admin, &name, "enable", &change).await,
    }
}

/// A key: what names it, how long a certificate is valid, its algorithms, and since when this server knows it.
fn key_lines(key: &Value, domain: &Value) -> Vec<(&'static str, String)> {
    let [usage, kid, thumbprint, algorithms, first_seen] =
        ["use", "kid", "thumbprint", "algorithms", "first_seen"].map(|member| as_text(&key[member]));
    let known = format!("{algorithms}, first seen {first_seen}");
    if usage != "x509-svid" {
        let label = if usage == "wit-svid" { "wit key" } else { "jwt key" };
        let thumbprint = format!("thumbprint {thumbprint}");
        return vec![(label, kid), ("", thumbprint), ("", known)];
    }
    let mut lines = vec![("x509 authority", thumbprint)];
    let mut validity = items(&domain["x509_authority_validity"]);
    if let Some(validity) = validity.find(|validity| validity["thumbprint"] == key["thumbprint"]) {
        let [from, until, state] =
            ["valid_from", "valid_until", "state"].map(|member| as_text(&validity[member]));
        lines.push(("", format!("{state}, {from} to {until}")));
    }
    lines.push(("", known));
    lines
}

fn token_keys(domain: &Value) -> String {
    items(&domain["jwt_keys"]).count().to_string()
}

async fn act(admin: &Admin, name: &str, verb: &str, change: &Change) -> Result<(), Failed> {
    let path = format!("/admin/v1/trust/{}/{verb}", encode(name));
    admin.change(&path, json!({}), change).await
}

fn enabled(domain: &Value) -> String {
    if domain["is_enabled"] == true {
        "enabled"
    } else {
        "DISABLED"
    }
    .to_owned()
}

/// How often keys are fetched from the source, and why this differs from the publisher's refresh hint.
fn refreshed(domain: &Value) -> String {
    let interval = domain["refresh_interval_seconds"].as_f64().unwrap_or_default();
    match domain["refresh_hint_seconds"].as_i64() {
        Some(hint) if hint as f64 > interval && domain["state"] != "expired" => {
            format!("every {interval} s; the publisher hints {hint} s, shortened by the maximum age")
        }
        _ => format!("every {interval} s"),
    }
}

fn age(domain: &Value) -> String {
    domain["age_seconds"]
        .as_i64()
        .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"))
}

//! `testudo trust …`.

use crate::admin::{Admin, encode, print_done};
use crate::arguments::{Change, Json, Listing, Place};
use crate::output::{Failed, print_fields, print_json, print_list};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Trust {
    /// All authorities.
    List(Listing),
    /// One authority: age of its keys, the keys, last error.
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
    /// Take what is held back: a bundle with a lower sequence, without one, or, from a Workload API, without a kind of
    /// authority that was there.
    Accept {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        change: Change,
    },
    /// Refuse the authority from the next request on.
    Disable {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        change: Change,
    },
    /// Let the authority in again.
    Enable {
        /// Name of the trust domain or issuer, or its key as `testudo trust list` prints it.
        name: String,
        #[command(flatten)]
        change: Change,
    },
}

pub async fn run(place: &Place, command: Trust) -> Result<(), Failed> {
    let admin = Admin::at(place);
    match command {
        Trust::List(options) => {
            let domains: Vec<Value> = admin.get("/admin/v1/trust").await?;
            if options.json.json {
                return print_json(&domains);
            }
            let row = |domain: &Value| {
                let keys = domain["jwt_keys"].as_array().map_or(0, Vec::len);
                vec![
                    text(&domain["authority"]),
                    enabled(domain),
                    text(&domain["first_use"]),
                    text(&domain["state"]),
                    age(domain),
                    keys.to_string(),
                    text(&domain["clients"]),
                    text(&domain["last_error"]),
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
            let list = |value: &Value| {
                value
                    .as_array()
                    .map(|items| items.iter().map(text).collect::<Vec<_>>().join(" "))
                    .unwrap_or_default()
            };
            let mut fields = vec![
                ("authority", text(&domain["authority"])),
                ("switch", enabled(&domain)),
                ("first use", text(&domain["first_use"])),
                ("credentials", list(&domain["credentials"])),
                ("clients", text(&domain["clients"])),
                ("bundle", text(&domain["state"])),
                ("source", text(&domain["source"])),
                ("age", age(&domain)),
                (
                    "maximum age",
                    format!("{} s", text(&domain["max_staleness_seconds"])),
                ),
                ("refreshed", refreshed(&domain)),
                ("sequence", text(&domain["sequence"])),
                ("held back", text(&domain["held_back"])),
                ("jwt keys", list(&domain["jwt_keys"])),
                ("x509 authorities", text(&domain["x509_authorities"])),
                ("ignored", list(&domain["ignored"])),
                ("last error", text(&domain["last_error"])),
            ];
            let authorities = domain["x509_authority_validity"].as_array();
            fields.extend(authorities.into_iter().flatten().map(|known| {
                let [thumbprint, from, until, state] =
                    ["thumbprint", "valid_from", "valid_until", "state"].map(|member| text(&known[member]));
                (
                    "x509 authority",
                    format!("{thumbprint} {state}, {from} to {until}"),
                )
            }));
            print_fields(&fields)
        }
        Trust::Refresh { name, change } => act(&admin, &name, "refresh", &change).await,
        Trust::Accept { name, change } => act(&admin, &name, "accept", &change).await,
        Trust::Disable { name, change } => act(&admin, &name, "disable", &change).await,
        Trust::Enable { name, change } => act(&admin, &name, "enable", &change).await,
    }
}

async fn act(admin: &Admin, name: &str, verb: &str, change: &Change) -> Result<(), Failed> {
    let (path, body) = (
        format!("/admin/v1/trust/{}/{verb}", encode(name)),
        json!({ "reason": change.reason }),
    );
    let answer: Value = admin.post(&path, &body).await?;
    print_done(&answer, change.json)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn enabled(domain: &Value) -> String {
    if domain["is_enabled"] == true {
        "enabled"
    } else {
        "DISABLED"
    }
    .to_owned()
}

/// How often the source is asked, and why not as often as its publisher says.
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

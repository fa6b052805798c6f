//! `testudo trust …`.

use crate::admin::{Admin, encode};
use crate::arguments::{Change, Json, Listing, Place};
use crate::output::{Failed, print_fields, print_json, print_list, words};
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
                    words(&domain["authority"]),
                    enabled(domain),
                    words(&domain["first_use"]),
                    words(&domain["state"]),
                    age(domain),
                    keys.to_string(),
                    words(&domain["clients"]),
                    words(&domain["last_error"]),
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
                ("authority", words(&domain["authority"])),
                ("switch", enabled(&domain)),
                ("first use", words(&domain["first_use"])),
                ("credentials", words(&domain["credentials"])),
                ("clients", words(&domain["clients"])),
                ("bundle", words(&domain["state"])),
                ("source", words(&domain["source"])),
                ("age", age(&domain)),
                (
                    "maximum age",
                    format!("{} s", words(&domain["max_staleness_seconds"])),
                ),
                ("refreshed", refreshed(&domain)),
                ("sequence", words(&domain["sequence"])),
                ("held back", words(&domain["held_back"])),
                ("jwt keys", words(&domain["jwt_keys"])),
                ("x509 authorities", words(&domain["x509_authorities"])),
                ("ignored", words(&domain["ignored"])),
                ("last error", words(&domain["last_error"])),
            ];
            let authorities = domain["x509_authority_validity"].as_array();
            fields.extend(authorities.into_iter().flatten().map(|known| {
                let [thumbprint, from, until, state] =
                    ["thumbprint", "valid_from", "valid_until", "state"].map(|member| words(&known[member]));
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

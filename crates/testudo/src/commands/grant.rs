//! `testudo grant …`.

use crate::admin::{Admin, Each, encode};
use crate::arguments::{Change, Listing, Place};
use crate::output::{Failed, as_text, print_json, print_list};
use clap::{Args, Subcommand};
use serde_json::Value;
use testudo_core::records::counted;

/// Selects grants.
#[derive(Args)]
pub struct Filter {
    /// Only what this person granted: the name of the account, or `sub`.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only what was granted to this client.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

#[derive(Subcommand)]
pub enum Grant {
    /// List what people granted to clients and has not ended.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        listing: Listing,
    },
    /// Revoke grants: their tokens are refused at this server, and the person is asked again.
    Revoke {
        /// Ids of grants.
        grant_ids: Vec<String>,
        #[command(flatten)]
        filter: Filter,
        /// Confirm that all grants that the filter selects are revoked.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        change: Change,
    },
}

pub async fn run(place: &Place, command: Grant) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Grant::List { filter, listing } => {
            let grants = list(&admin, &filter).await?;
            if listing.json.json {
                return print_json(&grants);
            }
            let header = [
                "grant",
                "user",
                "name",
                "client",
                "scope",
                "usable",
                "created",
                "ends unused",
                "ends",
            ];
            let row = |grant: &Value| {
                let members = [
                    "grant_id",
                    "sub",
                    "name",
                    "client_id",
                    "scope",
                    "is_usable",
                    "created",
                    "live_until",
                    "ends",
                ];
                members.map(|member| as_text(&grant[member])).to_vec()
            };
            let rows: Vec<_> = grants.iter().map(row).collect();
            print_list("grants", &header, &rows, listing.wide)
        }
        Grant::Revoke {
            grant_ids,
            filter,
            yes,
            change,
        } => {
            let grant_ids = selected(&admin, grant_ids, &filter, yes).await?;
            let each = Each {
                path: "/admin/v1/grants/revoke",
                member: "grant_id",
                verb: "revoke",
                noun: "grant",
            };
            admin.change_each(&each, grant_ids, &change).await
        }
    }
}

/// The ids that are given, or those of the grants that the filter selects.
async fn selected(
    admin: &Admin,
    grant_ids: Vec<String>,
    filter: &Filter,
    is_confirmed: bool,
) -> Result<Vec<String>, Failed> {
    let has_filter = filter.user.is_some() || filter.client_id.is_some();
    if has_filter != grant_ids.is_empty() {
        return Err(Failed::new("give either ids of grants or a filter, not both")
            .hint("for example: testudo grant revoke --user alice --yes"));
    }
    if !has_filter {
        return Ok(grant_ids);
    }
    let grants = list(admin, filter).await?;
    if !is_confirmed {
        return Err(
            Failed::new(format!("the filter selects {}", counted(grants.len(), "grant")))
                .hint("list them with `testudo grant list`, then repeat this command with --yes"),
        );
    }
    Ok(grants.iter().map(|grant| as_text(&grant["grant_id"])).collect())
}

/// All grants that the filter selects, from all pages.
async fn list(admin: &Admin, filter: &Filter) -> Result<Vec<Value>, Failed> {
    let mut query = String::new();
    for (name, value) in [("user", &filter.user), ("client_id", &filter.client_id)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", encode(value)));
        }
    }
    admin.pages("/admin/v1/grants", &query, "grants").await
}

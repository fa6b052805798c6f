//! `testudo client …`.

use crate::admin::{Admin, Each, encode};
use crate::arguments::{Change, Json, Listing, Place};
use crate::output::{Failed, as_text, note, print_fields, print_json, print_line, print_list};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use testudo_core::records::counted;

/// Selects clients.
#[derive(Args, Clone, Default)]
pub struct Filter {
    /// Only clients of this authority (trust domain or issuer), by its name or its key (`spiffe://prod.example`,
    /// `cluster-a:`).
    #[arg(long, value_name = "NAME", conflicts_with = "trust_domain")]
    pub authority: Option<String>,
    /// The same as `--authority`.
    #[arg(long, value_name = "NAME")]
    pub trust_domain: Option<String>,
    /// Only clients that this rule admitted.
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// Only clients in this state: active or frozen.
    #[arg(long, value_name = "STATE", value_parser = ["active", "frozen"])]
    pub state: Option<String>,
    /// Only clients that were not used for at least this time: 30d, 12h.
    #[arg(long, value_name = "DURATION")]
    pub unused_for: Option<String>,
    /// Only clients that no rule governs today.
    #[arg(long)]
    pub orphaned: bool,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.authority.is_none()
            && self.trust_domain.is_none()
            && self.rule.is_none()
            && self.state.is_none()
            && self.unused_for.is_none()
            && !self.orphaned
    }
}

/// One client by id, or many by filter.
#[derive(Args)]
pub struct Selection {
    /// Client ids.
    pub client_ids: Vec<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// Confirm that all clients that the filter selects are changed.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Subcommand)]
pub enum Client {
    /// List clients.
    List {
        #[command(flatten)]
        filter: Filter,
        /// List each instance of a workload. Without it, the instances of one workload that are clients of their own are
        /// one entry.
        #[arg(long, conflicts_with = "json")]
        instances: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show one client.
    Show {
        /// Client id.
        client_id: String,
        #[command(flatten)]
        json: Json,
    },
    /// Refuse clients until they are thawed.
    Freeze(Selection),
    /// Accept frozen clients again.
    Thaw(Selection),
    /// Delete clients; a client that a rule still admits is registered again by its next request.
    Delete(Selection),
    /// Delete clients that are idle or past their lifetime.
    Sweep {
        /// List what would be deleted, and delete nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        change: Change,
    },
}

pub async fn run(place: &Place, command: Client) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Client::List {
            filter,
            instances,
            listing,
        } => {
            let clients = list(&admin, &filter).await?;
            if listing.json.json {
                return print_json(&clients);
            }
            return print_clients(&clients, instances, listing.wide);
        }
        Client::Show { client_id, json } => {
            let client: Value = admin
                .post("/admin/v1/clients/show", &json!({ "client_id": client_id }))
                .await?;
            if json.json {
                return print_json(&client);
            }
            return show(&client);
        }
        Client::Freeze(selection) => act(&admin, selection, "freeze").await?,
        Client::Thaw(selection) => act(&admin, selection, "thaw").await?,
        Client::Delete(selection) => act(&admin, selection, "delete").await?,
        Client::Sweep { dry_run, change } => {
            let body = json!({ "dry_run": dry_run, "reason": change.reason });
            let swept: Value = admin.post("/admin/v1/clients/sweep", &body).await?;
            if change.json.json {
                return print_json(&swept);
            }
            let visited = swept["visited"]
                .as_u64()
                .and_then(|count| usize::try_from(count).ok());
            let visited = counted(visited.unwrap_or_default(), "client");
            let verb = if dry_run { "would be removed" } else { "removed" };
            note(&format!("{} of {visited} {verb}", swept["removed"]));
            if let Some(left) = idle_left(&swept) {
                note(&left);
            }
            for client_id in swept["client_ids"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                print_line(client_id)?;
            }
        }
    }
    Ok(())
}

/// The line about idle clients that a sweep could not judge.
fn idle_left(swept: &Value) -> Option<String> {
    let left = swept["idle_left"].as_u64().filter(|left| *left > 0)?;
    let idle = counted(usize::try_from(left).unwrap_or(usize::MAX), "idle client");
    Some(format!(
        "{idle} not judged: what people granted could not be read in ten minutes"
    ))
}

fn print_clients(clients: &[Value], each_instance: bool, is_wide: bool) -> Result<(), Failed> {
    let groups: Vec<Vec<&Value>> = match each_instance {
        true => clients.iter().map(|client| vec![client]).collect(),
        false => by_workload(clients),
    };
    let header = [
        "client",
        "state",
        "rule",
        "credential",
        "first seen",
        "last used",
        "orphaned",
    ];
    let rows: Vec<_> = groups.iter().map(|group| row(group)).collect();
    print_list("clients", &header, &rows, is_wide)?;
    if groups.len() < clients.len() {
        note("hint: --instances lists each instance");
    }
    Ok(())
}

/// The clients; those that are instances of one workload are together, where the first of them is.
fn by_workload(clients: &[Value]) -> Vec<Vec<&Value>> {
    let mut groups: Vec<Vec<&Value>> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for client in clients {
        let workload = client["authority"].as_str().zip(client["workload"].as_str());
        let place = workload.map_or(groups.len(), |workload| {
            *places.entry(workload).or_insert(groups.len())
        });
        match groups.get_mut(place) {
            Some(group) => group.push(client),
            None => groups.push(vec![client]),
        }
    }
    groups
}

/// The row of a client, or of the instances of a workload.
fn row(group: &[&Value]) -> Vec<String> {
    let name = match group {
        [] => String::new(),
        [client] => as_text(&client["client_id"]),
        [client, ..] => format!(
            "{} ({})",
            as_text(&client["workload"]),
            counted(group.len(), "instance")
        ),
    };
    let each =
        |text: &dyn Fn(&Value) -> String| group.iter().map(|client| text(client)).collect::<BTreeSet<_>>();
    let all = |texts: BTreeSet<String>| texts.into_iter().collect::<Vec<_>>().join(", ");
    let (first_seen, last_used) = (
        each(&|client| as_text(&client["first_seen"])),
        each(&|client| as_text(&client["last_used"])),
    );
    let is_orphaned = group.iter().any(|client| client["is_orphaned"] == true);
    vec![
        name,
        all(each(&|client| as_text(&client["state"]))),
        all(each(&governing)),
        all(each(&|client| as_text(&client["credential_kind"]))),
        first_seen.first().cloned().unwrap_or_default(),
        last_used.last().cloned().unwrap_or_default(),
        if is_orphaned { "yes" } else { "" }.to_owned(),
    ]
}

/// The rule that governs the client today, and the rule that admitted it where they differ.
fn governing(client: &Value) -> String {
    let (governing, admitting) = (&client["governed_by"], as_text(&client["rule"]));
    match governing.as_str() {
        None => format!("none (admitted by {admitting})"),
        Some(rule) if rule == admitting => admitting,
        Some(rule) => format!("{rule} (admitted by {admitting})"),
    }
}

/// All clients that the filter selects, from all pages.
async fn list(admin: &Admin, filter: &Filter) -> Result<Vec<Value>, Failed> {
    let mut query = String::new();
    let pairs = [
        ("authority", &filter.authority),
        ("trust_domain", &filter.trust_domain),
        ("rule", &filter.rule),
        ("state", &filter.state),
        ("unused_for", &filter.unused_for),
    ];
    for (name, value) in pairs {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", encode(value)));
        }
    }
    if filter.orphaned {
        query.push_str("&orphaned=true");
    }
    admin.pages("/admin/v1/clients", &query, "clients").await
}

async fn act(admin: &Admin, selection: Selection, verb: &str) -> Result<(), Failed> {
    let client_ids = match (selection.client_ids.is_empty(), selection.filter.is_empty()) {
        (false, true) => selection.client_ids,
        (true, false) => {
            let selected = list(admin, &selection.filter).await?;
            if !selection.yes {
                return Err(Failed::new(format!(
                    "the filter selects {}",
                    counted(selected.len(), "client")
                ))
                .hint("list them with `testudo client list`, then repeat this command with --yes"));
            }
            selected
                .iter()
                .map(|client| as_text(&client["client_id"]))
                .collect()
        }
        _ => {
            return Err(Failed::new("give either client ids or a filter, not both")
                .hint("for example: testudo client freeze --rule payments --yes"));
        }
    };
    let each = Each {
        path: &format!("/admin/v1/clients/{verb}"),
        member: "client_id",
        verb,
        noun: "client",
    };
    admin.change_each(&each, client_ids, &selection.change).await
}

fn show(client: &Value) -> Result<(), Failed> {
    let predecessor = &client["predecessor"];
    let earlier = if predecessor.is_null() {
        "-".to_owned()
    } else {
        let [created, removed, reason] =
            ["created", "removed", "reason"].map(|member| as_text(&predecessor[member]));
        format!("from {created} to {removed} ({reason})")
    };
    print_fields(&[
        ("client", as_text(&client["client_id"])),
        ("identity", as_text(&client["subject"])),
        ("instance", as_text(&client["instance"])),
        ("authority", as_text(&client["authority"])),
        ("state", state(client)),
        (
            "admitted by rule",
            format!(
                "{} (revision {})",
                as_text(&client["rule"]),
                as_text(&client["rule_revision"])
            ),
        ),
        ("governed by", as_text(&client["governed_by"])),
        ("credential", as_text(&client["credential_kind"])),
        ("first seen", as_text(&client["first_seen"])),
        ("last used", as_text(&client["last_used"])),
        ("expires", as_text(&client["expires"])),
        ("name", as_text(&client["metadata"]["client_name"])),
        ("registered for", registered(&client["registration"])),
        ("vouched for by", as_text(&client["sponsor"]["subject"])),
        ("redirect URIs", as_text(&client["metadata"]["redirect_uris"])),
        ("earlier client", earlier),
    ])
}

/// The state, with the reason where the server froze the client itself.
fn state(client: &Value) -> String {
    let state = as_text(&client["state"]);
    match client["frozen_because"].as_str() {
        Some(reason) => format!("{state} ({reason})"),
        None => state,
    }
}

/// The restrictions that the client requested when it registered.
fn registered(registration: &Value) -> String {
    if registration.is_null() {
        return "-".to_owned();
    }
    let given = |member: &str| Some(as_text(registration.get(member)?));
    let mut parts = vec![match given("scope") {
        Some(scope) => format!("scope `{scope}`"),
        None => "all scopes of the rule".to_owned(),
    }];
    parts.extend(given("grant_types"));
    parts.extend(given("credential").map(|kind| format!("{kind} only")));
    if registration["must_bind_tokens"] == true {
        parts.push("bound tokens only".to_owned());
    }
    parts.extend(given("until").map(|until| format!("until {until}")));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_clients_that_a_sweep_could_not_judge_have_a_line_of_their_own() {
        let line = |left: Value| idle_left(&json!({ "removed": 1, "idle_left": left }));
        let why = "not judged: what people granted could not be read in ten minutes";
        assert_eq!(line(json!(1)), Some(format!("1 idle client {why}")));
        assert_eq!(line(json!(2)), Some(format!("2 idle clients {why}")));
        for nothing in [json!(0), Value::Null] {
            assert_eq!(line(nothing), None);
        }
    }

    #[test]
    fn instances_of_one_workload_are_one_row_and_other_clients_one_each() {
        let instance = |workload: &str, id: &str, state: &str, seen: &str| {
            json!({
                "client_id": id, "authority": "at1:", "workload": workload, "state": state, "rule": "r",
                "governed_by": "r", "credential_kind": "attestation", "first_seen": seen, "last_used": seen,
                "is_orphaned": false,
            })
        };
        let clients = [
            instance("at1:app", "AAA", "active", "2026-11-02"),
            json!({ "client_id": "batch", "authority": "configuration", "state": "active", "rule": "s" }),
            instance("at1:app", "BBB", "frozen", "2026-11-01"),
            instance("at1:other", "CCC", "active", "2026-11-03"),
        ];
        let rows: Vec<_> = by_workload(&clients).iter().map(|group| row(group)).collect();
        let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        // One instance alone is listed with the id that other commands take.
        assert_eq!(names, ["at1:app (2 instances)", "batch", "CCC"]);
        assert_eq!(
            rows[0][1..],
            [
                "active, frozen",
                "r",
                "attestation",
                "2026-11-01",
                "2026-11-02",
                ""
            ]
        );
    }
}

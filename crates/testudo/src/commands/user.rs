//! `testudo user …`.

use crate::admin::{Admin, encode, print_done};
use crate::arguments::{Change, Json, Listing, Place};
use crate::output::{Failed, as_text, items, print_fields, print_json, print_line, print_list};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum User {
    /// List the accounts of people.
    List {
        /// Only accounts in this state: active, locked or removed. Without it, removed accounts are not listed.
        #[arg(long, value_name = "STATE", value_parser = ["active", "locked", "removed"])]
        state: Option<String>,
        /// Only people of this group: PROVIDER/GROUP, or the plain name of a group of this server.
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show one account.
    Show {
        #[command(flatten)]
        user: Named,
        #[command(flatten)]
        json: Json,
    },
    /// Invite a person: print a link with which the person makes a passkey, once, within 24 hours.
    Invite {
        /// Name of the new account; with --recover, its name or the `sub` of its person.
        #[arg(value_name = "USER")]
        user: String,
        /// Plain name of a group that the new account will have; several: repeat it.
        #[arg(long, value_name = "GROUP", conflicts_with = "recover")]
        group: Vec<String>,
        /// Recover the account of a person who lost the passkeys: its passkeys, sessions and accounts at providers end when the link is used, and so does a lock that it has now.
        #[arg(long)]
        recover: bool,
        #[command(flatten)]
        change: Change,
    },
    /// Lock an account: its sessions end, and what the person granted cannot be used.
    Lock {
        #[command(flatten)]
        user: Named,
        #[command(flatten)]
        change: Change,
    },
    /// Unlock an account: the person can sign in again.
    Unlock {
        #[command(flatten)]
        user: Named,
        #[command(flatten)]
        change: Change,
    },
    /// Remove an account and erase its data: names, links, passkeys, sessions, grants and consents.
    Remove {
        #[command(flatten)]
        user: Named,
        #[command(flatten)]
        change: Change,
    },
    /// Change the groups that administrators give.
    #[command(subcommand)]
    Group(Group),
}

/// The account of a person.
#[derive(Args)]
pub struct Named {
    /// Name of the account, or `sub` of the person.
    #[arg(value_name = "USER")]
    user: String,
}

#[derive(Subcommand)]
pub enum Group {
    /// Add a person to a group of this server.
    Add {
        #[command(flatten)]
        user: Named,
        /// Plain name of the group.
        group: String,
        #[command(flatten)]
        change: Change,
    },
    /// Remove a person from a group of this server.
    Remove {
        #[command(flatten)]
        user: Named,
        /// Plain name of the group.
        group: String,
        #[command(flatten)]
        change: Change,
    },
}

pub async fn run(place: &Place, command: User) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        User::List {
            state,
            group,
            listing,
        } => {
            let mut query = String::new();
            for (name, value) in [("state", state), ("group", group)] {
                if let Some(value) = value {
                    query.push_str(&format!("&{name}={}", encode(&value)));
                }
            }
            let users = admin.pages("/admin/v1/users", &query, "users").await?;
            if listing.json.json {
                return print_json(&users);
            }
            let header = ["user", "name", "state", "groups", "signs in with", "created"];
            let rows: Vec<_> = users.iter().map(row).collect();
            print_list("users", &header, &rows, listing.wide)
        }
        User::Show { user, json } => {
            let user: Value = admin
                .post("/admin/v1/users/show", &json!({ "user": user.user }))
                .await?;
            match json.json {
                true => print_json(&user),
                false => show(&user),
            }
        }
        User::Invite {
            user,
            group,
            recover,
            change,
        } => {
            let body = json!({ "user": user, "groups": group, "recover": recover, "reason": change.reason });
            let made: Value = admin.post("/admin/v1/users/invite", &body).await?;
            print_done(&made, &change)?;
            match change.json.json {
                true => Ok(()),
                false => print_line(&as_text(&made["link"])),
            }
        }
        User::Lock { user, change } => act(&admin, "lock", &user, &change).await,
        User::Unlock { user, change } => act(&admin, "unlock", &user, &change).await,
        User::Remove { user, change } => act(&admin, "remove", &user, &change).await,
        User::Group(Group::Add { user, group, change }) => {
            let body = json!({ "user": user.user, "group": group });
            admin.change("/admin/v1/users/groups/add", body, &change).await
        }
        User::Group(Group::Remove { user, group, change }) => {
            let body = json!({ "user": user.user, "group": group });
            admin.change("/admin/v1/users/groups/remove", body, &change).await
        }
    }
}

async fn act(admin: &Admin, verb: &str, user: &Named, change: &Change) -> Result<(), Failed> {
    let body = json!({ "user": user.user });
    admin
        .change(&format!("/admin/v1/users/{verb}"), body, change)
        .await
}

fn row(user: &Value) -> Vec<String> {
    let name = [&user["name"], &user["display_name"]]
        .into_iter()
        .find(|name| name.is_string());
    vec![
        as_text(&user["sub"]),
        name.map(as_text).unwrap_or_default(),
        as_text(&user["state"]),
        groups(user).join(" "),
        ways(user).join(" "),
        as_text(&user["created"]),
    ]
}

/// All groups, as rules name them.
fn groups(user: &Value) -> Vec<String> {
    let own = items(&user["groups"]).map(as_text);
    let providers = user["provider_groups"].as_object().into_iter().flatten();
    let of_providers = providers.flat_map(|(provider, groups)| {
        items(groups).map(move |group| format!("{provider}/{}", as_text(group)))
    });
    own.chain(of_providers).collect()
}

/// How the person signs in.
fn ways(user: &Value) -> Vec<String> {
    let passkeys = items(&user["passkeys"]).map(|_| "passkey".to_owned());
    let providers = items(&user["providers"]).map(|account| as_text(&account["issuer"]));
    let mut ways: Vec<String> = passkeys.chain(providers).collect();
    ways.dedup();
    ways
}

fn show(user: &Value) -> Result<(), Failed> {
    let passkey = |passkey: &Value| {
        let [name, created, last_used] =
            ["name", "created", "last_used"].map(|member| as_text(&passkey[member]));
        format!("{name} (added {created}, last used {last_used})")
    };
    let account =
        |account: &Value| format!("{} as {}", as_text(&account["issuer"]), as_text(&account["sub"]));
    let or_none = |texts: Vec<String>| match texts.is_empty() {
        true => "-".to_owned(),
        false => texts.join(", "),
    };
    print_fields(&[
        ("user", as_text(&user["sub"])),
        ("name", as_text(&user["name"])),
        ("display name", as_text(&user["display_name"])),
        ("e-mail", as_text(&user["email"])),
        ("state", as_text(&user["state"])),
        ("groups", or_none(groups(user))),
        (
            "passkeys",
            or_none(items(&user["passkeys"]).map(passkey).collect()),
        ),
        (
            "providers",
            or_none(items(&user["providers"]).map(account).collect()),
        ),
        ("created", as_text(&user["created"])),
    ])
}

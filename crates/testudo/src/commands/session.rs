//! `testudo session …`.

use crate::admin::{Admin, Each, encode};
use crate::arguments::{Change, Listing, Place};
use crate::output::{Failed, as_text, print_json, print_list};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Session {
    /// List sessions that have not ended.
    List {
        /// Only sessions of this person: the name of the account, or `sub`.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// End sessions: the person has to sign in again in that browser.
    End {
        /// Ids of sessions.
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        sessions: Vec<String>,
        /// All sessions of this person: the name of the account, or `sub`.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        #[command(flatten)]
        change: Change,
    },
}

pub async fn run(place: &Place, command: Session) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Session::List { user, listing } => {
            let query = user.map(|user| format!("&user={}", encode(&user)));
            let query = query.unwrap_or_default();
            let sessions = admin.pages("/admin/v1/sessions", &query, "sessions").await?;
            if listing.json.json {
                return print_json(&sessions);
            }
            let header = [
                "session",
                "user",
                "name",
                "method",
                "created",
                "last used",
                "ends",
            ];
            let row = |session: &Value| {
                let members = ["session", "sub", "name", "method", "created", "last_used", "ends"];
                members.map(|member| as_text(&session[member])).to_vec()
            };
            let rows: Vec<_> = sessions.iter().map(row).collect();
            print_list("sessions", &header, &rows, listing.wide)
        }
        Session::End {
            user: Some(user),
            change,
            ..
        } => {
            let body = json!({ "user": user });
            admin.change("/admin/v1/users/sessions/end", body, &change).await
        }
        Session::End {
            sessions,
            user: None,
            change,
        } => {
            let each = Each {
                path: "/admin/v1/sessions/end",
                member: "session",
                verb: "end",
                noun: "session",
            };
            admin.change_each(&each, sessions, &change).await
        }
    }
}

//! `testudo key …`.

use crate::admin::{Admin, print_done};
use crate::arguments::{Json, Place, Reason};
use crate::output::{Failed, print_json, print_table};
use clap::Subcommand;
use serde_json::{Value, json};
use testudo_server::state::keys::ListedKey;

#[derive(Subcommand)]
pub enum Key {
    /// All signing keys: the next, the active, the retiring.
    List(Json),
    /// Make a new key. It is published at once, and signs ten minutes later.
    Rotate {
        /// When a key was stolen: the new one signs at once, and all others are withdrawn on every node.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        reason: Reason,
    },
    /// Withdraw one key on every node: tokens that it signed are refused. If it is the one that signs, another is
    /// made first.
    Revoke {
        /// Key id, as `key list` shows it. One in 64 begins with `-`.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        reason: Reason,
    },
}

pub async fn run(place: &Place, command: Key) -> Result<(), Failed> {
    let admin = Admin::at(place);
    match command {
        Key::List(options) => {
            let keys: Vec<ListedKey> = admin.get("/admin/v1/keys").await?;
            if options.json {
                return print_json(&keys);
            }
            let row = |key: &ListedKey| {
                let state = serde_json::to_value(key.state).unwrap_or_default();
                vec![
                    key.kid.clone(),
                    key.algorithm.clone(),
                    state.as_str().unwrap_or_default().to_owned(),
                    key.active_from.to_string(),
                    key.created.to_string(),
                    key.published_until
                        .map(|until| until.to_string())
                        .unwrap_or_default(),
                ]
            };
            print_table(
                &[
                    "key",
                    "algorithm",
                    "state",
                    "signs from",
                    "made",
                    "published until",
                ],
                keys.iter().map(row).collect(),
            );
        }
        Key::Rotate { now, reason } => {
            let body = json!({ "now": now, "reason": reason.reason });
            print_done(&admin.post::<Value>("/admin/v1/keys/rotate", &body).await?);
        }
        Key::Revoke { kid, reason } => {
            let body = json!({ "kid": kid, "reason": reason.reason });
            print_done(&admin.post::<Value>("/admin/v1/keys/revoke", &body).await?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line::{Arguments, Command};
    use clap::Parser as _;

    #[test]
    fn key_id_that_begins_with_a_hyphen_is_no_option() {
        for kid in ["-zg66X9wm", "-hg66", "--g66", "hg66"] {
            let line = ["testudo", "key", "revoke", kid, "--reason", "stolen"];
            let parsed = Arguments::try_parse_from(line).map_err(|error| error.to_string());
            let Ok(Arguments {
                command: Command::Key(Key::Revoke { kid: found, reason }),
                ..
            }) = parsed
            else {
                panic!("{kid}: {:?}", parsed.err());
            };
            assert_eq!((found.as_str(), reason.reason.as_deref()), (kid, Some("stolen")));
        }
    }
}

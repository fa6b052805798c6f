//! `testudo key …`.

use crate::admin::Admin;
use crate::arguments::{Change, Listing, Place};
use crate::output::{Failed, as_text, print_json, print_list};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Key {
    /// List all signing keys: the next, the active and the retiring ones.
    List(Listing),
    /// Make a new key. It is published at once, and used for signing ten minutes later.
    Rotate {
        /// After the theft of a key: use the new key at once, and withdraw all others on every node.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        change: Change,
    },
    /// Withdraw one key on every node: tokens that it signed are refused. If it is the active key, a new one is made
    /// first.
    Revoke {
        /// Key id as `key list` shows it. It may begin with `-`.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        change: Change,
    },
}

pub async fn run(place: &Place, command: Key) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Key::List(options) => {
            let keys: Vec<Value> = admin.get("/admin/v1/keys").await?;
            if options.json.json {
                return print_json(&keys);
            }
            let members = [
                "kid",
                "algorithm",
                "state",
                "active_from",
                "created",
                "published_until",
            ];
            let row = |key: &Value| members.map(|member| as_text(&key[member])).to_vec();
            let rows: Vec<_> = keys.iter().map(row).collect();
            let header = [
                "key",
                "algorithm",
                "state",
                "signs from",
                "made",
                "published until",
            ];
            print_list("keys", &header, &rows, options.wide)
        }
        Key::Rotate { now, change } => {
            let body = json!({ "now": now });
            admin.change("/admin/v1/keys/rotate", body, &change).await
        }
        Key::Revoke { kid, change } => {
            let body = json!({ "kid": kid });
            admin.change("/admin/v1/keys/revoke", body, &change).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Noun;
    use crate::command_line::{Arguments, Command};
    use clap::Parser as _;

    #[test]
    fn key_id_that_begins_with_a_hyphen_is_not_parsed_as_an_option() {
        for kid in ["-zg66X9wm", "-hg66", "--g66", "hg66"] {
            let line = ["testudo", "key", "revoke", kid, "--reason", "stolen"];
            let parsed = Arguments::try_parse_from(line).map_err(|error| error.to_string());
            let Ok(Arguments {
                command:
                    Command::Key(Noun {
                        command: Key::Revoke { kid: found, change },
                        ..
                    }),
                ..
            }) = parsed
            else {
                panic!("{kid}: {:?}", parsed.err());
            };
            assert_eq!((found.as_str(), change.reason.as_deref()), (kid, Some("stolen")));
        }
    }
}

//! `testudo key …`.

use crate::admin::{Admin, print_done};
use crate::arguments::{Key, Place};
use crate::output::{Failed, print_json, print_table};
use serde_json::{Value, json};
use testudo_server::state::keys::ListedKey;

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

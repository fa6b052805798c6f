//! `testudo identity …`.

use crate::admin::{Admin, print_done};
use crate::arguments::{Json, Place, Reason};
use crate::output::{Failed, print_json, print_table};
use clap::Subcommand;
use serde_json::{Value, json};
use testudo_core::records::Block;

#[derive(Subcommand)]
pub enum Identity {
    /// Keep an identity, a pattern or an authority out, whether or not it ever registered.
    Block {
        /// An identity, a pattern, a configured client's id, or the name of an authority for all of its identities.
        identity: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let it in again.
    Unblock {
        /// As it was blocked.
        identity: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// All blocks.
    List(Json),
}

pub async fn run(place: &Place, command: Identity) -> Result<(), Failed> {
    let admin = Admin::at(place);
    match command {
        Identity::Block { identity, reason } => {
            let body = json!({ "identity": identity, "reason": reason.reason });
            print_done(&admin.post::<Value>("/admin/v1/blocks", &body).await?);
        }
        Identity::Unblock { identity, reason } => {
            let body = json!({ "identity": identity, "reason": reason.reason });
            print_done(&admin.post::<Value>("/admin/v1/blocks/remove", &body).await?);
        }
        Identity::List(options) => {
            if options.json {
                let blocks: Value = admin.get("/admin/v1/blocks").await?;
                return print_json(&blocks);
            }
            let blocks: Vec<Block> = admin.get("/admin/v1/blocks").await?;
            let row = |block: &Block| {
                vec![
                    block.identity.clone(),
                    block.since.to_string(),
                    block.by.clone(),
                    block.reason.clone().unwrap_or_default(),
                ]
            };
            print_table(
                &["identity", "since", "by", "reason"],
                blocks.iter().map(row).collect(),
            );
        }
    }
    Ok(())
}

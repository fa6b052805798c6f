//! `testudo identity …`.

use crate::admin::Admin;
use crate::arguments::{Change, Listing, Place};
use crate::output::{Failed, print_json, print_list, words};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Identity {
    /// Keep an identity, a pattern or an authority out, whether or not it ever registered.
    Block {
        /// An identity, a pattern, a configured client's id, or the name of an authority for all of its identities.
        identity: String,
        #[command(flatten)]
        change: Change,
    },
    /// Let it in again.
    Unblock {
        /// As it was blocked.
        identity: String,
        #[command(flatten)]
        change: Change,
    },
    /// All blocks.
    List(Listing),
}

pub async fn run(place: &Place, command: Identity) -> Result<(), Failed> {
    let admin = Admin::at(place);
    match command {
        Identity::Block { identity, change } => {
            let body = json!({ "identity": identity });
            admin.change("/admin/v1/blocks", body, &change).await
        }
        Identity::Unblock { identity, change } => {
            let body = json!({ "identity": identity });
            admin.change("/admin/v1/blocks/remove", body, &change).await
        }
        Identity::List(options) => {
            let blocks: Vec<Value> = admin.get("/admin/v1/blocks").await?;
            if options.json.json {
                return print_json(&blocks);
            }
            let header = ["identity", "since", "by", "reason"];
            let row = |block: &Value| header.map(|member| words(&block[member])).to_vec();
            let rows: Vec<_> = blocks.iter().map(row).collect();
            print_list("blocked identities", &header, &rows, options.wide)
        }
    }
}

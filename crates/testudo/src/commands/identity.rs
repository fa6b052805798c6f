//! `testudo identity …`.

use crate::admin::Admin;
use crate::arguments::{Change, Listing, Place};
use crate::output::{Failed, as_text, print_json, print_list};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Identity {
    /// Refuse an identity, all identities of a pattern, or an authority, whether it is registered or not.
    Block {
        /// An identity, a pattern, the id of a configured client, or the name of an authority for all of its identities.
        identity: String,
        #[command(flatten)]
        instance: Instance,
        #[command(flatten)]
        change: Change,
    },
    /// Remove a block.
    Unblock {
        /// The text that was given to `block`.
        identity: String,
        #[command(flatten)]
        instance: Instance,
        #[command(flatten)]
        change: Change,
    },
    /// List all blocks.
    List(Listing),
}

/// One instance of an identity.
#[derive(Args)]
pub struct Instance {
    /// Only this instance of the identity, as the claim `instance` of its tokens names it. IDENTITY is then the identity of
    /// the workload, or the id of the client that its instances share (`spiffe://prod.example/fleet/cam/*`).
    #[arg(long, value_name = "INSTANCE")]
    instance: Option<String>,
}

pub async fn run(place: &Place, command: Identity) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Identity::Block {
            identity,
            instance,
            change,
        } => {
            let body = json!({ "identity": identity, "instance": instance.instance });
            admin.change("/admin/v1/blocks", body, &change).await
        }
        Identity::Unblock {
            identity,
            instance,
            change,
        } => {
            let body = json!({ "identity": identity, "instance": instance.instance });
            admin.change("/admin/v1/blocks/remove", body, &change).await
        }
        Identity::List(options) => {
            let blocks: Vec<Value> = admin.get("/admin/v1/blocks").await?;
            if options.json.json {
                return print_json(&blocks);
            }
            let header = ["identity", "instance", "since", "by", "reason"];
            let row = |block: &Value| header.map(|member| as_text(&block[member])).to_vec();
            let rows: Vec<_> = blocks.iter().map(row).collect();
            print_list("blocked identities", &header, &rows, options.wide)
        }
    }
}

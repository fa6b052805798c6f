//! Reads the switches of authorities and the blocks of identities from the store.
//!
//! A record that cannot be read still blocks the identity that its key names: whether it was altered by mistake or by
//! an attacker, the identity that the administrator blocked must stay blocked.

use crate::state::refused::RefusedRecord;
use testudo_core::policy::Switches;
use testudo_core::records::{Block, Switch};
use testudo_core::rules::blocks::Blocks;
use testudo_core::rules::blocks::{canonical, pattern};
use testudo_protocol::Timestamp;
use testudo_store::{Row, Store, StoreFault};

/// The disabled authorities, the blocks, and the records of both that cannot be read.
pub(crate) async fn load(store: &Store) -> Result<(Switches, Vec<RefusedRecord>), StoreFault> {
    let (blocks, mut refused) = blocks(store).await?;
    let mut disabled = std::collections::HashSet::new();
    for row in store.read_each::<Switch>().await? {
        let key = String::from_utf8_lossy(&row.key).into_owned();
        let why = match row.record {
            Ok(switch) if switch.authority == key => None,
            Ok(switch) => {
                let why = format!("names {:?}: both authorities are disabled", switch.authority);
                disabled.insert(switch.authority);
                Some(why)
            }
            Err(fault) => Some(format!("{fault}: the authority is disabled")),
        };
        refused.extend(why.map(|why| RefusedRecord::new("switch", &row.key, why)));
        disabled.insert(key);
    }
    let blocks = Blocks::new(&blocks);
    Ok((Switches { disabled, blocks }, refused))
}

/// All blocks. For a record that cannot be read, a block of the identity that its key names.
pub(crate) async fn blocks(store: &Store) -> Result<(Vec<Block>, Vec<RefusedRecord>), StoreFault> {
    let mut blocks = Vec::new();
    let mut refused = Vec::new();
    for row in store.read_each::<Block>().await? {
        let key = row.key.clone();
        let (meant, why) = read_block(row);
        blocks.extend(meant);
        refused.extend(why.map(|why| RefusedRecord::new("block", &key, why)));
    }
    Ok((blocks, refused))
}

fn read_block(row: Row<Block>) -> (Vec<Block>, Option<String>) {
    let Ok(key) = String::from_utf8(row.key) else {
        return match row.record {
            Ok(block) => {
                let why = format!(
                    "has a key that is not the identity of its block; {:?} is blocked",
                    block.identity
                );
                (vec![block], Some(why))
            }
            Err(fault) => (
                Vec::new(),
                Some(format!(
                    "{fault}, and its key is not UTF-8: it blocks no identity"
                )),
            ),
        };
    };
    match row.record {
        Ok(block) if block.identity != key => {
            let why = format!("names {:?}: both are blocked", block.identity);
            (vec![block, stand_in(key, &why)], Some(why))
        }
        Ok(block) => {
            let is_broken = matches!(pattern(&canonical(&key, |_| None)), Some(Err(_)));
            let why = is_broken.then(|| "is not a valid pattern: it blocks no identity".to_owned());
            (vec![block], why)
        }
        Err(fault) => {
            let why = format!("{fault}: the identity or pattern of its key is blocked");
            (vec![stand_in(key, &why)], Some(why))
        }
    }
}

fn stand_in(identity: String, why: &str) -> Block {
    Block {
        identity,
        reason: Some(format!("the record {why}")),
        by: "unknown".to_owned(),
        since: Timestamp(0),
    }
}

//! Tries what `serve` will need, door by door and file by file, and says how it went. What would make `serve` refuse
//! the start, or every request of a kind fail, is a failure here.
//!
//! It runs before a start, or beside a server that runs. Nothing stays behind of what it tries.

mod finding;
mod places;
mod sources;
mod store;
mod tls;

pub use finding::Finding;

use crate::config::Configuration;
use crate::state::clock::Clock;
use finding::{Outcome, finding, problem};
use testudo_fetch::Network;

/// Tries everything that a configuration names.
pub async fn examine(configuration: &Configuration) -> Vec<Finding> {
    let clock = Clock::default();
    let mut findings = vec![finding("clock", judge_clock(&clock))];
    let opened = store::examine(configuration, &clock, &mut findings).await;
    findings.extend(places::examine(configuration).await);
    findings.extend(tls::examine(configuration, clock.now()));
    match configuration.outbound.fetcher(Network::default()) {
        Ok(fetcher) => {
            let tried = sources::Tried {
                configuration,
                opened: opened.as_ref(),
                fetcher: &fetcher,
                clock: &clock,
            };
            findings.extend(sources::examine(&tried).await);
        }
        Err(why) => findings.push(finding("outbound TLS", Err(why.into()))),
    }
    findings
}

/// The clock by itself: one that shows a time before the software was written is wrong. Others are compared where a
/// bundle endpoint or a database states its own.
fn judge_clock(clock: &Clock) -> Outcome {
    const WRITTEN: i64 = 1_795_000_000;
    let now = clock.now();
    if now.0 < WRITTEN {
        return Err(problem(
            format!("{now} lies before this software was written"),
            "run a time server on this machine",
        ));
    }
    Ok(now.to_string())
}

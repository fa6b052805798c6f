//! `testudo doctor`: checks every file, address, key source and store that the configuration names. A check fails where
//! `serve` would not start, or would refuse every request with one kind of credential.
//!
//! It can run before the first start, or while the server runs. Files and records that it creates are removed again.

mod finding;
mod passkeys;
mod places;
mod providers;
mod reviews;
mod sources;
mod store;
mod tls;

pub use finding::Finding;

use crate::config::Configuration;
use crate::state::clock::Clock;
use finding::{Outcome, finding, problem};
use testudo_fetch::Network;

/// Checks everything that a configuration names.
pub async fn examine(configuration: &Configuration) -> Vec<Finding> {
    let clock = Clock::default();
    let mut findings = vec![finding("clock", check_clock(&clock))];
    let opened = store::examine(configuration, &clock, &mut findings).await;
    findings.extend(passkeys::examine(configuration, opened.as_ref()).await);
    findings.extend(places::examine(configuration).await);
    findings.extend(tls::examine(configuration, clock.now()));
    match configuration.outbound.fetcher(Network::default()) {
        Ok(fetcher) => {
            let checked = sources::Checked {
                configuration,
                opened: opened.as_ref(),
                fetcher: &fetcher,
                clock: &clock,
            };
            findings.extend(sources::examine(&checked).await);
            findings.extend(reviews::examine(configuration, &fetcher).await);
            findings.extend(providers::examine(configuration, &fetcher).await);
        }
        Err(why) => findings.push(finding("outbound TLS", Err(why.into()))),
    }
    findings
}

/// Fails where the clock shows a time before this software was written. Smaller differences are found by comparison with
/// the clocks of bundle endpoints and of the database.
fn check_clock(clock: &Clock) -> Outcome {
    const WRITTEN: i64 = 1_795_000_000;
    let now = clock.now();
    if now.0 < WRITTEN {
        return Err(problem(
            format!("{now} is before this software was written"),
            "run a time server on this machine",
        ));
    }
    Ok(now.to_string())
}

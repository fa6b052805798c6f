//! `cargo xtask bench rules`: matching among 10,000 rules must not be slower than among 10.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "an error in a benchmark panics, and a benchmark needs a clock"
)]

use std::time::Instant;
use testudo_core::Authority;
use testudo_core::rules::{ClaimCaptures, Rule, RuleSet, RuleSpec};

fn main() {
    println!("rules    first match   last match     no match   (ns per match, medians)");
    let ten = measure(10);
    let many = measure(10_000);
    let ratio = |a: f64, b: f64| b / a;
    println!(
        "10,000 to 10 rules: first {:.2}, last {:.2}, none {:.2}",
        ratio(ten[0], many[0]),
        ratio(ten[1], many[1]),
        ratio(ten[2], many[2])
    );
}

fn measure(count: usize) -> [f64; 3] {
    let rules = (0..count)
        .map(|number| {
            let identity = format!("spiffe://a.example/ns/n{number}/sa/{{service}}");
            let spec = RuleSpec {
                name: format!("r{number}"),
                identities: vec![identity],
                ..RuleSpec::default()
            };
            Rule::compile(&spec).unwrap()
        })
        .collect();
    let set = RuleSet::new(rules, ClaimCaptures::default());
    let authority = Authority::of_key("spiffe://a.example").unwrap();
    let times = [0, count - 1, count].map(|number| {
        let id = format!("spiffe://a.example/ns/n{number}/sa/api");
        let expected = number < count;
        median(|| assert_eq!(set.first_match(&authority, &id, |_| true).is_some(), expected))
    });
    println!(
        "{count:>6} {:>12.0} {:>12.0} {:>12.0}",
        times[0], times[1], times[2]
    );
    times
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut samples: Vec<f64> = (0..101)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..1000 {
                work();
            }
            started.elapsed().as_secs_f64() * 1e9 / 1000.0
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

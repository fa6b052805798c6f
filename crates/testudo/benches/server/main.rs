//! `cargo xtask bench token | proofs | issuers | people | hostile | compare`: benchmarks of the built binary over loopback. `docs/performance.md`
//! explains the output.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "an error in a benchmark panics"
)]

mod compare;
mod credentials;
mod fixture;
mod hostile;
mod issuers;
mod mutual_tls;
mod people;
mod proofs;
mod raw;
mod token;

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let built = env!("CARGO_BIN_EXE_testudo");
    match words.as_slice() {
        ["token"] => runtime.block_on(token::run(false)),
        ["token", "--full"] => runtime.block_on(token::run(true)),
        ["proofs"] => runtime.block_on(proofs::run()),
        ["issuers"] => runtime.block_on(issuers::run()),
        ["people"] => runtime.block_on(people::run()),
        ["hostile"] => runtime.block_on(hostile::run(Path::new(built))),
        ["hostile", binary] => runtime.block_on(hostile::run(Path::new(binary))),
        ["compare", "--postgres", old, new @ ..] => {
            runtime.block_on(compare::over_postgres(Path::new(old), newer(new, built)))
        }
        ["compare", old, new @ ..] => {
            runtime.block_on(compare::over_sqlite(Path::new(old), newer(new, built)))
        }
        _ => {
            panic!(
                "the arguments must be: token [--full], proofs, issuers, people, hostile [BINARY] or compare [--postgres] OLD [NEW]"
            )
        }
    }
}

/// The binary in the arguments, or the one that was built with this benchmark.
fn newer<'a>(words: &[&'a str], built: &'a str) -> &'a Path {
    Path::new(words.first().copied().unwrap_or(built))
}

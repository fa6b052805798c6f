//! `cargo xtask bench token | hostile | compare`: the built binary over loopback. `docs/performance.md` says how to
//! read the output.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark fails loudly"
)]

mod compare;
mod hostile;
mod mutual_tls;
mod place;
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
        ["hostile"] => runtime.block_on(hostile::run(Path::new(built))),
        ["hostile", binary] => runtime.block_on(hostile::run(Path::new(binary))),
        ["compare", old] => runtime.block_on(compare::run(Path::new(old), Path::new(built))),
        ["compare", old, new] => runtime.block_on(compare::run(Path::new(old), Path::new(new))),
        _ => panic!("what is to be measured? token [--full], hostile [BINARY], compare OLD [NEW]"),
    }
}

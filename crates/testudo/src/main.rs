//! `testudo`: the program. Its code is in the library of this crate (`lib.rs`).

fn main() -> std::process::ExitCode {
    testudo::main()
}

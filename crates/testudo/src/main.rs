//! `testudo`: the program. Its code is in the library of this crate (`lib.rs`).

/// Decision 0027.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // An idle server would have 11 MB more of memory with huge pages. Where the call is refused, it has them.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    testudo::main()
}

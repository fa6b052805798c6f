//! `testudo`: the program. Its code is in the library of this crate (`lib.rs`).

/// Decision 0027.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // An idle server would have 12 MB more of memory with huge pages. A kernel that does not know the call has none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    testudo::main()
}

//! The wall clock as tests of the built binary want it: `TESTUDO_TEST_CLOCK` names a file that holds an offset in
//! seconds, read at each look. Behind the cargo feature `test-clock`, which no release has.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// The offset now. A file that is absent or is being written leaves the last one in force.
pub(super) fn seconds() -> i64 {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    static LAST: AtomicI64 = AtomicI64::new(0);
    let file = FILE.get_or_init(|| std::env::var_os("TESTUDO_TEST_CLOCK").map(PathBuf::from));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    if let Some(seconds) = text.and_then(|text| text.trim().parse().ok()) {
        LAST.store(seconds, Ordering::Relaxed);
    }
    LAST.load(Ordering::Relaxed)
}

//! An offset of the wall clock for tests of the built binary: `TESTUDO_TEST_CLOCK` names a file that contains the
//! offset in seconds. The file is read each time the clock is read. Only with the cargo feature `test-clock`, which no
//! release has.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// The current offset. While the file is absent or being written, the last offset is used.
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

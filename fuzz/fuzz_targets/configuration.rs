#![no_main]
//! Configuration files: every text is either usable or refused with at least one error.

use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    if let Err(report) = testudo_server::config::parse(text, Path::new("/nowhere"), 1) {
        assert!(report.has_errors());
    }
});

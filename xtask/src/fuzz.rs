//! Runs every fuzz target for a limited time, with the stable compiler.

use crate::root;

/// Runs all targets, each for `seconds`.
pub fn run(seconds: u32) -> Result<(), String> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut targets: Vec<String> = std::fs::read_dir(&folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    targets.sort();
    for target in targets {
        let time = format!("-max_total_time={seconds}");
        let arguments = [
            "fuzz",
            "run",
            "--fuzz-dir",
            "fuzz",
            &target,
            "--",
            &time,
            "-max_len=20000",
            "-verbosity=0",
        ];
        crate::run("cargo", &arguments, &[("RUSTC_BOOTSTRAP", "1")])
            .map_err(|why| format!("{why} (is cargo-fuzz installed? `cargo install cargo-fuzz`)"))?;
        eprintln!("{target}: {seconds} s without a finding");
    }
    Ok(())
}

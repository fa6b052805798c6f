//! Checks that the tests leave no files and no processes. They run with a separate temporary folder, which must be
//! empty at the end, and no process with this temporary folder may be running.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use testudo_testkit::scratch;

/// The time for the shell of `testkit/scratch.rs`, which after the end of a test process ends the processes that the test
/// started and removes their files.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs tests with environment variables for their temporary folder. Fails if the tests fail, or if they leave files or
/// processes.
pub fn none_after(tests: impl FnOnce(&[(&str, &str)]) -> Result<(), String>) -> Result<(), String> {
    let folder = scratch::folder("ci");
    // The same mode as `/tmp`, because some programs of the tests run as other users.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o1777))
        .map_err(|error| error.to_string())?;
    let outcome = tests(&[("TMPDIR", &folder.display().to_string())]);
    let started = Instant::now();
    let mut left = leftovers(&folder);
    while !left.is_empty() && started.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(100));
        left = leftovers(&folder);
    }
    match (outcome, left.is_empty()) {
        (outcome, true) => outcome,
        (outcome, false) => Err(format!(
            "{}the tests left files or processes of their temporary folder ({}):\n  {}\n\
             hint: use testudo_testkit::scratch::folder, which is removed after the end of the test process",
            outcome.err().map(|why| format!("{why}\n")).unwrap_or_default(),
            folder.display(),
            left.join("\n  ")
        )),
    }
}

/// Files in the folder, and processes that use it as their temporary folder.
fn leftovers(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<String> = files.map(|entry| entry.path().display().to_string()).collect();
    let variable = format!("TMPDIR={}", folder.display());
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Processes of other users cannot be read; they were not started by these tests.
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|one| one == variable.as_bytes())
        {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(format!("process {}: {command}", process.file_name().display()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn file_and_process_that_tests_leave_are_named() {
        let folder = scratch::folder("leftovers");
        assert_eq!(leftovers(&folder), Vec::<String>::new());
        std::fs::write(folder.join("forgotten"), "").unwrap();
        let mut process = Command::new("sleep")
            .arg("1000")
            .env("TMPDIR", &folder)
            .spawn()
            .unwrap();
        let found = leftovers(&folder).join("\n");
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(
            found.contains("/forgotten\n") && found.contains("sleep 1000"),
            "{found}"
        );
    }

    #[test]
    fn failure_of_the_tests_is_reported_if_nothing_is_left() {
        assert_eq!(
            none_after(|_| Err("one failed".to_owned())),
            Err("one failed".to_owned())
        );
        assert_eq!(none_after(|_| Ok(())), Ok(()));
    }
}

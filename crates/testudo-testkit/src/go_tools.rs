//! Programs that `go` builds from their modules, once, into a folder of the caller's choice.

use std::path::Path;
use std::process::Command;

/// Runs `go` in the folder of a module; programs that it installs come into `bin`. Its standard output.
pub(crate) fn go(module: &Path, bin: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(module)
        .env(
            "GOBIN",
            std::path::absolute(bin).map_err(|error| error.to_string())?,
        )
        .output()
        .map_err(|error| format!("go cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "go {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    ))
}

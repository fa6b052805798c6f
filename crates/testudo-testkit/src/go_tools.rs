//! Builds programs from their Go modules, once, into a folder that the caller chooses.

use std::path::Path;
use std::process::Command;

/// Runs `go` in the folder of a module and returns its standard output; programs are installed into `bin`.
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

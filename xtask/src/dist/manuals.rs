//! Installs man pages and completions into the archive and the Debian package.

use super::output;
use crate::command_line;
use clap_complete::Shell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path from which each shell of Debian reads its completions.
const COMPLETIONS: &[(Shell, &str)] = &[
    (Shell::Bash, "usr/share/bash-completion/completions/testudo"),
    (Shell::Zsh, "usr/share/zsh/vendor-completions/_testudo"),
    (Shell::Fish, "usr/share/fish/vendor_completions.d/testudo.fish"),
];

/// Installs man pages, compressed as Debian requires, and completions below `root`. Returns their paths below `root`.
pub fn install(root: &Path) -> Result<Vec<PathBuf>, String> {
    let pages = root.join("usr/share/man/man1");
    std::fs::create_dir_all(&pages).map_err(|error| format!("{}: {error}", pages.display()))?;
    command_line::man_pages(&pages)?;
    let mut names: Vec<PathBuf> = std::fs::read_dir(&pages)
        .map_err(|error| format!("{}: {error}", pages.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    names.sort();
    // `-n` leaves out name and time of the file, so that the same page always gives the same bytes.
    output(Command::new("gzip").args(["-9", "-n"]).args(&names))?;
    let below = |path: &Path| path.strip_prefix(root).map(Path::to_owned).unwrap_or_default();
    let mut installed: Vec<PathBuf> = names
        .iter()
        .map(|path| below(&path.with_extension("1.gz")))
        .collect();
    for (shell, name) in COMPLETIONS {
        let path = root.join(name);
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        std::fs::write(&path, command_line::completions(*shell))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        installed.push(PathBuf::from(name));
    }
    Ok(installed)
}

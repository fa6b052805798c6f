//! The archive that `cargo binstall` and users download: `[package.metadata.binstall]` of `crates/testudo/Cargo.toml`
//! contains the path of the binary in it.

use super::{TARGET, VERSION, commit_seconds, output};
use crate::root;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn make(binary: &Path, folder: &Path) -> Result<PathBuf, String> {
    let name = format!("testudo-{VERSION}-{TARGET}");
    let content = folder.join(&name);
    let _ = std::fs::remove_dir_all(&content);
    std::fs::create_dir_all(&content).map_err(|error| error.to_string())?;
    let copy = |from: &Path, to: &str| {
        std::fs::copy(from, content.join(to))
            .map(drop)
            .map_err(|error| format!("{}: {error}", from.display()))
    };
    copy(binary, "testudo")?;
    copy(&root().join("LICENSE"), "LICENSE")?;
    copy(&root().join("README.md"), "README.md")?;
    super::manuals::install(&content)?;
    let archive = folder.join(format!("{name}.tar.gz"));
    output(
        Command::new("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{}", commit_seconds()?))
            .arg("-czf")
            .arg(&archive)
            .arg(&name)
            .current_dir(folder),
    )?;
    std::fs::remove_dir_all(&content).map_err(|error| error.to_string())?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// Replaces the placeholders in the metadata of binstall.
    fn filled_in(template: &str) -> String {
        template
            .replace("{ version }", VERSION)
            .replace("{ target }", TARGET)
            .replace("{ bin }", "testudo")
            .replace("{ binary-ext }", "")
    }

    #[test]
    fn name_and_paths_of_the_archive_are_those_in_the_metadata_of_binstall() {
        let scratch = Scratch::with(&[("binary", "bytes")]);
        let archive = make(&scratch.path().join("binary"), scratch.path()).unwrap();
        let manifest = std::fs::read_to_string(root().join("crates/testudo/Cargo.toml")).unwrap();
        let value = |key: &str| {
            let line = manifest
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{key} = ")));
            filled_in(line.unwrap().trim_matches('"'))
        };
        let (_, name) = value("pkg-url")
            .rsplit_once('/')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert_eq!(archive.file_name().unwrap().to_str().unwrap(), name);
        let listed = output(Command::new("tar").arg("-tzf").arg(&archive)).unwrap();
        let page = format!("testudo-{VERSION}-{TARGET}/usr/share/man/man1/testudo-event-follow.1.gz");
        assert!(listed.contains(&page), "{listed} has no {page}");
        assert!(
            listed.lines().any(|line| line == value("bin-dir")),
            "{listed} has no {}",
            value("bin-dir")
        );
    }
}

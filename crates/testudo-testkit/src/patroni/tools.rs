//! Finds the programs of a cluster, and installs Patroni.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Patroni and its dependencies, each with a fixed version.
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Debian's Python, which every user may read. PostgreSQL's user cannot run a Python in root's home folder.
const PYTHON: &str = "/usr/bin/python3";
const ETCD: &str = "/usr/bin/etcd";
const HAPROXY: &str = "/usr/sbin/haproxy";
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

/// Installs Patroni by pip into a virtual environment at `folder`, once for each list of versions.
pub fn install(folder: &Path) -> Result<(), String> {
    if is_installed(folder) {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(folder);
    run(Command::new(PYTHON).args(["-m", "venv"]).arg(folder))
        .map_err(|why| format!("{why}\nhint: apt-get install python3-venv"))?;
    let list = folder.join("requirements.txt");
    std::fs::write(&list, REQUIREMENTS).map_err(|error| error.to_string())?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(python(folder)).args(pip).arg("-r").arg(&list))?;
    // Written last: without this file, the installation is not complete.
    std::fs::write(marker(folder), REQUIREMENTS).map_err(|error| error.to_string())
}

fn is_installed(folder: &Path) -> bool {
    std::fs::read_to_string(marker(folder)).is_ok_and(|found| found == REQUIREMENTS)
}

fn marker(folder: &Path) -> PathBuf {
    folder.join("installed.txt")
}

fn python(folder: &Path) -> PathBuf {
    folder.join("bin/python3")
}

/// The paths of the programs.
#[derive(Debug, Clone)]
pub struct Tools {
    pub(super) etcd: PathBuf,
    pub(super) haproxy: PathBuf,
    /// The folder of PostgreSQL's server programs, which Debian does not put into PATH.
    pub(super) postgres_bin: PathBuf,
    pub(super) patroni: PathBuf,
}

impl Tools {
    /// Finds the programs; the error names all missing programs and the commands that install them. `patroni` is the
    /// folder of [`install`].
    pub fn find(patroni: &Path) -> Result<Tools, String> {
        let mut missing = Vec::new();
        for (program, package) in [
            (ETCD, "etcd-server"),
            (HAPROXY, "haproxy"),
            (PGBOUNCER, "pgbouncer"),
        ] {
            if !Path::new(program).exists() {
                missing.push(format!("{program} is missing: apt-get install {package}"));
            }
        }
        let postgres_bin = crate::postgres::find().unwrap_or_else(|why| {
            missing.push(why);
            PathBuf::new()
        });
        if !is_installed(patroni) {
            missing.push(format!(
                "Patroni is not in {}: run cargo xtask soak install",
                patroni.display()
            ));
        }
        match missing.is_empty() {
            true => Ok(Tools {
                etcd: ETCD.into(),
                haproxy: HAPROXY.into(),
                postgres_bin,
                patroni: patroni.to_owned(),
            }),
            false => Err(missing.join("\n")),
        }
    }

    /// If PostgreSQL's user cannot read the installed Patroni, makes a readable copy in `folder`.
    pub(super) fn readable_in(mut self, folder: &Path) -> Result<Tools, String> {
        let looked = as_postgres(Vec::new(), "/usr/bin/test")
            .arg("-r")
            .arg(self.patroni.join("bin/patroni"))
            .status()
            .map_err(|error| error.to_string())?;
        if !looked.success() {
            let copy = folder.join("patroni");
            run(Command::new("cp").arg("-a").arg(&self.patroni).arg(&copy))?;
            self.patroni = copy;
        }
        Ok(self)
    }

    pub(super) fn python(&self) -> PathBuf {
        python(&self.patroni)
    }
}

/// A command that runs as PostgreSQL's user if this process is root, after a prefix (a network namespace). The process
/// is the program itself, without a shell or `runuser` as its parent, so that signals reach it.
pub(super) fn as_postgres(prefix: Vec<String>, program: &str) -> Command {
    let mut words = prefix;
    if is_root() {
        words.extend(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"].map(str::to_owned));
    }
    words.push(program.to_owned());
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::null()).current_dir("/");
    command
}

pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Runs a command that must succeed; returns its standard output.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?} cannot be run: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{command:?} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

//! A temporary PostgreSQL from Debian's packages. If this process is root, it runs as an unprivileged user.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A running server. It is stopped when the value is dropped.
pub struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Creates a database cluster in `folder` and starts it on a free port of the loopback address.
    pub fn start(folder: &Path) -> Result<Postgres, String> {
        let bin = find()?;
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        // The unprivileged user must be able to write into the folder.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))
            .map_err(|error| error.to_string())?;
        let port = crate::free_port();
        let postgres = Postgres {
            bin,
            folder: folder.to_owned(),
            port,
        };
        let data = postgres.data();
        postgres.run(
            "initdb",
            &[
                "-D",
                &data,
                "-A",
                "trust",
                "-U",
                "postgres",
                "--no-sync",
                "-E",
                "UTF8",
            ],
        )?;
        postgres.resume()?;
        Ok(postgres)
    }

    /// Creates a database with this name; returns its URL.
    pub fn database(&self, name: &str) -> Result<String, String> {
        let port = self.port.to_string();
        self.run(
            "createdb",
            &["-h", "127.0.0.1", "-p", &port, "-U", "postgres", name],
        )?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.port))
    }

    /// The port on which the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL in a database, as its owner.
    pub fn execute(&self, database: &str, sql: &str) -> Result<(), String> {
        let port = self.port.to_string();
        let at = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database];
        self.run(
            "psql",
            &[&at[..], &["-q", "-v", "ON_ERROR_STOP=1", "-c", sql]].concat(),
        )
        .map(drop)
    }

    /// From now on accepts only TLS connections, with this certificate.
    pub fn encrypt(&self, certificate_pem: &str, key_pem: &str) -> Result<(), String> {
        let data = self.data();
        let data = Path::new(&data);
        let owner = std::fs::metadata(data).map_err(|error| error.to_string())?;
        let files = [
            ("server.crt", certificate_pem),
            ("server.key", key_pem),
            ("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n"),
        ];
        for (name, text) in files {
            let path = data.join(name);
            std::fs::write(&path, text).map_err(|error| error.to_string())?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
                .and_then(|()| std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())))
                .map_err(|error| error.to_string())?;
        }
        let settings = data.join("postgresql.conf");
        let mut text = std::fs::read_to_string(&settings).map_err(|error| error.to_string())?;
        text.push_str("\nssl = on\n");
        std::fs::write(&settings, text).map_err(|error| error.to_string())?;
        self.crash()?;
        self.resume()
    }

    /// Stops the server at once, as a crash would.
    pub fn crash(&self) -> Result<(), String> {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"])
            .map(drop)
    }

    /// Starts the server again.
    pub fn resume(&self) -> Result<(), String> {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' \
             -c dynamic_shared_memory_type={SHARED_MEMORY}",
            self.port
        );
        let log = self.folder.join("log").display().to_string();
        self.run(
            "pg_ctl",
            &["-D", &self.data(), "-w", "-l", &log, "-o", &options, "start"],
        )
        .map(drop)
        .map_err(|error| format!("{error}{}", std::fs::read_to_string(&log).unwrap_or_default()))
    }

    /// Makes a copy of the database for [`Postgres::restore`] and restarts the server.
    pub fn back_up(&self) -> Result<(), String> {
        self.crash()?;
        copy(&self.data(), &self.backup())?;
        self.resume()
    }

    /// Stops the server and starts it from the backup, as after a failover to a standby whose data was late.
    pub fn restore(&self) -> Result<(), String> {
        self.crash()?;
        std::fs::remove_dir_all(self.data()).map_err(|error| error.to_string())?;
        copy(&self.backup(), &self.data())?;
        self.resume()
    }

    /// Sends a signal to every process of the server: `STOP` pauses it, `CONT` continues it.
    pub fn signal(&self, name: &str) -> Result<(), String> {
        let pid = self.process()?;
        let children = Command::new("pgrep")
            .args(["-P", &pid])
            .output()
            .map_err(|error| error.to_string())?;
        let mut pids = vec![pid];
        pids.extend(
            String::from_utf8_lossy(&children.stdout)
                .lines()
                .map(str::to_owned),
        );
        let status = Command::new("kill").arg(format!("-{name}")).args(&pids).status();
        status.map(drop).map_err(|error| error.to_string())
    }

    /// The number of its first process.
    pub fn process(&self) -> Result<String, String> {
        noted(&self.data(), 1, 1)
    }

    /// The shared memory by which it keeps other servers out of its data.
    pub fn shared_memory(&self) -> Result<String, String> {
        shared_memory(&self.data())
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    fn backup(&self) -> String {
        self.folder.join("backup").display().to_string()
    }

    /// Runs a program as the unprivileged user, because PostgreSQL refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, String> {
        let program = self.bin.join(program);
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        let mut command = if is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let output = command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        if output.status.success() {
            return Ok(output);
        }
        Err(format!(
            "{} failed: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// Files in the folder of the data: a server that is killed leaves what it has elsewhere.
pub(crate) const SHARED_MEMORY: &str = "mmap";

/// Removes the shared memory of a server that was killed.
pub(crate) fn remove_shared_memory(data: &str) {
    if let Ok(id) = shared_memory(data) {
        let _ = Command::new("ipcrm").args(["-m", &id]).output();
    }
}

fn shared_memory(data: &str) -> Result<String, String> {
    noted(data, 7, 2)
}

/// A word of the file that a server keeps in its data while it runs, and longer where it was killed.
fn noted(data: &str, line: usize, word: usize) -> Result<String, String> {
    let file = Path::new(data).join("postmaster.pid");
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let mut words = text.lines().nth(line - 1).unwrap_or_default().split_whitespace();
    let found = words.nth(word - 1).map(str::to_owned);
    found.ok_or_else(|| format!("{} has no line {line}", file.display()))
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.signal("CONT");
        let _ = self.crash();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Copies a folder with the owners of its files.
fn copy(from: &str, to: &str) -> Result<(), String> {
    let status = Command::new("cp").args(["-a", from, to]).status();
    match status.map_err(|error| error.to_string())?.success() {
        true => Ok(()),
        false => Err(format!("{from} cannot be copied to {to}")),
    }
}

/// The folder of PostgreSQL's server programs, which Debian does not put into PATH.
pub(crate) fn find() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .map_err(|_| "PostgreSQL is not installed: apt-get install postgresql".to_owned())?;
    versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .max()
        .ok_or_else(|| "PostgreSQL has no initdb".to_owned())
}

//! A temporary pgbouncer from Debian's packages, in front of a PostgreSQL on loopback.

use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running pooler. It is stopped when the value is dropped.
pub struct Pgbouncer {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Pgbouncer {
    /// True if Debian's package is installed.
    pub fn is_installed() -> bool {
        Path::new(PROGRAM).exists()
    }

    /// Starts pgbouncer in front of the server on `server_port`. `mode`: `session` or `transaction`.
    pub fn start(folder: &Path, server_port: u16, mode: &str) -> Result<Pgbouncer, String> {
        Pgbouncer::start_with(folder, server_port, &format!("pool_mode = {mode}\n"))
    }

    /// As [`Pgbouncer::start`], with these lines in its configuration.
    pub fn start_with(folder: &Path, server_port: u16, settings_more: &str) -> Result<Pgbouncer, String> {
        let text = |error: std::io::Error| error.to_string();
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).map_err(text)?;
        // pgbouncer refuses to run as root, so it runs as another user, who must be able to read the folder.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).map_err(text)?;
        let port = crate::free_port();
        let settings = folder.join("pgbouncer.ini");
        let written = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n{settings_more}"
        );
        std::fs::write(&settings, written).map_err(text)?;
        std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o644)).map_err(text)?;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        let mut command = Command::new(PROGRAM);
        if is_root {
            command.args(["-u", "postgres"]);
        }
        let child = command
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(text)?;
        let pooler = Pgbouncer {
            child,
            folder: folder.to_owned(),
            port,
        };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if started.elapsed() > Duration::from_secs(20) {
                return Err("pgbouncer does not accept connections".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(pooler)
    }

    /// The URL of a database with this name, through the pooler.
    pub fn database(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const PROGRAM: &str = "/usr/sbin/pgbouncer";

//! Where tests write: one folder for each test process. When the process has ended, however it ended, what it started
//! is ended and the folder removed.
//!
//! Statics are not dropped, and a process that is killed drops nothing. So a shell waits for the end of the process:
//! it reads from a pipe whose other end the process holds.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

struct Scratch {
    folder: PathBuf,
    /// Holds our end of the pipe.
    _watcher: Child,
}

static SCRATCH: LazyLock<Scratch> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short, since the path of a Unix socket has 107 bytes at most, and in CI this folder is within another such folder.
    let name = format!(
        "testudo-{}-{:04x}",
        std::process::id(),
        since.subsec_micros() & 0xffff
    );
    let folder = std::env::temp_dir().join(name);
    let watcher = Command::new("sh")
        .args(["-c", include_str!("scratch.sh")])
        .env("FOLDER", &folder)
        .current_dir("/")
        // Ctrl-C ends every process of the terminal's group.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    std::fs::DirBuilder::new()
        .mode(0o755)
        .create(&folder)
        .expect("a folder for this test process");
    // PostgreSQL's user looks for its own folder in here, whatever the umask is.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    Scratch {
        folder,
        _watcher: watcher,
    }
});

/// A new folder whose name begins with this.
pub fn folder(name: &str) -> PathBuf {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let folder = SCRATCH.folder.join(format!("{name}-{number}"));
    std::fs::create_dir(&folder).expect("a new folder");
    folder
}

/// A command of the shell for the end of the process, by which something outside of the folder is removed. It may be
/// gone by then.
pub fn at_end(command: &str) {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(SCRATCH.folder.join("at-end.sh"));
    writeln!(file.expect("the folder is ours"), "{command}").expect("the folder is ours");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Postgres;
    use std::io::{BufRead as _, BufReader};
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// The process that the other test ends. It says where its folder is and which servers it started.
    #[test]
    #[ignore = "started by another test"]
    #[allow(clippy::zombie_processes, reason = "left running on purpose")]
    fn process_with_servers() {
        let place = folder("place");
        let postgres = Box::leak(Box::new(Postgres::start(&folder("postgres")).unwrap()));
        let ends_by = std::env::var("ENDS_BY").unwrap();
        let process = postgres.process().unwrap();
        let memory = postgres.shared_memory().unwrap();
        // A paused server does not see that it is to end, and one that is killed removes nothing.
        postgres
            .signal(if ends_by == "panic" { "KILL" } else { "STOP" })
            .unwrap();
        at_end(&format!("rmdir {}", std::env::var("OUTSIDE").unwrap()));
        let idle = |more: &mut Command| more.arg("1000").spawn().unwrap().id().to_string();
        let pids = [
            idle(Command::new("sleep").current_dir(&place)),
            idle(Command::new("sleep").env("PLACE", place.join("file"))),
            process,
        ];
        println!("folder {} {memory} {}", SCRATCH.folder.display(), pids.join(" "));
        match ends_by.as_str() {
            "panic" => panic!("on purpose"),
            _ => std::thread::park(),
        }
    }

    #[test]
    fn folder_within_a_folder_leaves_room_for_the_socket_of_testudo_dev() {
        let of_process = SCRATCH.folder.file_name().unwrap().len();
        assert!(of_process <= "testudo-4194304-ffff".len());
        let within = |folder: usize| folder + "/".len() + of_process + "/bin-1000".len();
        let socket = "/testudo-dev-0123456789abcdef/testudo.sock".len();
        assert!(within(within("/tmp".len())) + socket <= 107);
    }

    fn has_memory(id: &str) -> bool {
        let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
        segments
            .lines()
            .any(|line| line.split_whitespace().nth(1) == Some(id))
    }

    #[test]
    fn folder_and_servers_of_a_test_process_are_gone_however_it_ended() {
        for ends_by in ["panic", "INT", "KILL"] {
            let outside = folder("outside");
            // A shell starts a process in the background with SIGINT ignored, and all processes below inherit that.
            let mut process = Command::new("env")
                .arg("--default-signal=INT")
                .arg(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "--nocapture"])
                .arg("scratch::tests::process_with_servers")
                .env("ENDS_BY", ends_by)
                .env("OUTSIDE", &outside)
                .process_group(0)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let line = lines.find_map(|line| Some(line.unwrap().split_once("folder ")?.1.to_owned()));
            let line = line.expect("the process has its servers");
            let mut words = line.split(' ');
            let folder = Path::new(words.next().unwrap());
            let memory = words.next().unwrap();
            let pids: Vec<_> = words.collect();
            assert!(folder.exists() && pids.len() == 3, "{line}");
            if ["INT", "KILL"].contains(&ends_by) {
                // As a terminal does it, to the whole group.
                let group = format!("-{}", process.id());
                let signal = format!("-{ends_by}");
                assert!(
                    Command::new("kill")
                        .args([&signal, "--", &group])
                        .status()
                        .unwrap()
                        .success()
                );
            }
            wait_until(&format!("{ends_by}: the process ends"), || {
                process.try_wait().unwrap().is_some()
            });
            let is_left = |pid: &&str| Path::new("/proc").join(pid).exists();
            wait_until(&format!("{ends_by}: nothing of {line} is left"), || {
                !folder.exists() && !outside.exists() && !pids.iter().any(is_left) && !has_memory(memory)
            });
        }
    }

    fn wait_until(expected: &str, mut is_true: impl FnMut() -> bool) {
        let started = Instant::now();
        while !is_true() {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "not within 60 s: {expected}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

//! Builds the root file system of `deploy/Containerfile` without a container engine: carries out the instructions of its
//! last stage in a folder.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct RootFs {
    pub folder: PathBuf,
    /// `USER`, as `65532:65532`.
    pub user: String,
    entrypoint: String,
    /// Arguments of the health check.
    pub health_check: Vec<String>,
    environment: Vec<String>,
    working_folder: String,
}

/// The static binary of `cargo xtask dist check`, else the binary of this build, which needs the libraries of this
/// machine.
pub fn binary() -> PathBuf {
    match std::env::var_os("TESTUDO_STATIC_BINARY") {
        Some(path) => path.into(),
        None => env!("CARGO_BIN_EXE_testudo").into(),
    }
}

impl RootFs {
    pub fn build(folder: &Path) -> RootFs {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = std::fs::read_to_string(repository.join("deploy/Containerfile")).unwrap();
        let (_, stage) = text.split_once("FROM scratch\n").unwrap();
        let mut root = RootFs {
            folder: folder.to_owned(),
            user: String::new(),
            entrypoint: String::new(),
            health_check: Vec::new(),
            environment: Vec::new(),
            working_folder: String::new(),
        };
        for line in stage.lines().filter(|line| !line.starts_with('#')) {
            let (instruction, rest) = line.split_once(' ').unwrap();
            match instruction {
                "COPY" => root.copy(&repository, rest),
                "ENV" => root.environment.push(rest.to_owned()),
                "USER" => root.user = rest.to_owned(),
                "WORKDIR" => root.working_folder = rest.to_owned(),
                "ENTRYPOINT" => root.entrypoint = rest.trim_matches(['[', ']', '"']).to_owned(),
                "HEALTHCHECK" => {
                    let (_, words) = rest.split_once("CMD ").unwrap();
                    let words: Vec<String> = serde_json::from_str(words).unwrap();
                    assert_eq!(words[0], root.entrypoint);
                    root.health_check = words[1..].to_vec();
                }
                "EXPOSE" | "CMD" => {}
                other => panic!(
                    "deploy/Containerfile has the instruction {other}, which this test does not support"
                ),
            }
        }
        root.libraries();
        // Folders that every container engine mounts.
        for name in ["proc", "etc/testudo"] {
            std::fs::create_dir_all(root.folder.join(name)).unwrap();
        }
        root
    }

    /// `--from=build [--chown=UID:GID] SOURCE TARGET`
    fn copy(&self, repository: &Path, instruction: &str) {
        let words: Vec<&str> = instruction.split(' ').collect();
        let [options @ .., source, target] = words.as_slice() else {
            panic!("COPY {instruction}")
        };
        let target = self.folder.join(target.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if *source == "/empty/" {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            let source = match source.strip_prefix("/src/") {
                Some(built) if built.starts_with("target/") => binary(),
                Some(ours) => repository.join(ours).join("."),
                None => PathBuf::from(source),
            };
            ok(Command::new("cp").arg("-rL").arg(source).arg(&target));
        }
        if let Some(owner) = options.iter().find_map(|option| option.strip_prefix("--chown=")) {
            ok(Command::new("chown").arg(owner).arg(target));
        }
    }

    /// Copies the libraries that `ldd` lists for the binary. A static binary must need none.
    fn libraries(&self) {
        let listed = Command::new("ldd").arg(binary()).output().unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        let is_static = std::env::var_os("TESTUDO_STATIC_BINARY").is_some();
        for library in text
            .split_whitespace()
            .filter(|word| word.starts_with('/') && word.contains(".so"))
        {
            assert!(!is_static, "the static binary needs {library}");
            let target = self.folder.join(library.trim_start_matches('/'));
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            ok(Command::new("cp").arg("-L").arg(library).arg(target));
        }
    }

    /// A file that the administrator mounts.
    pub fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.folder.join(path.trim_start_matches('/'));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A command that runs the entry point in the new root, as the user of the container and in new namespaces. The
    /// process ends when `unshare` ends.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        let proc = self.folder.join("proc");
        command
            .args(["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"])
            .arg(format!("--mount-proc={}", proc.display()))
            .args(["env", "-i"])
            .args(&self.environment)
            .arg("RUST_LOG=info")
            // The program of this machine: the new root contains no tools.
            .args(["/usr/sbin/chroot", &format!("--userspec={}", self.user)])
            .arg(&self.folder)
            .arg(&self.entrypoint)
            .args(arguments)
            .current_dir(self.folder.join(self.working_folder.trim_start_matches('/')));
        command
    }
}

#[track_caller]
fn ok(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

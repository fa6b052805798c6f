//! The Debian package: binary, unit, user, example configuration. `dpkg-deb` builds it from a folder.

use super::{VERSION, commit_seconds, manuals, output};
use crate::root;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Source, installed path and mode of each file. The static binary needs its own nsswitch.conf, which the systemd unit
/// mounts over the file of the machine.
const FILES: &[(&str, &str, u32)] = &[
    (
        "deploy/systemd/testudo.service",
        "usr/lib/systemd/system/testudo.service",
        0o644,
    ),
    (
        "deploy/systemd/testudo.socket",
        "usr/lib/systemd/system/testudo.socket",
        0o644,
    ),
    (
        "deploy/systemd/testudo.sysusers",
        "usr/lib/sysusers.d/testudo.conf",
        0o644,
    ),
    (
        "deploy/container/etc/nsswitch.conf",
        "usr/share/testudo/nsswitch.conf",
        0o644,
    ),
    ("deploy/debian/testudo.toml", "etc/testudo/testudo.toml", 0o640),
    ("LICENSE", "usr/share/doc/testudo/copyright", 0o644),
    ("deploy/debian/postinst", "DEBIAN/postinst", 0o755),
    ("deploy/debian/prerm", "DEBIAN/prerm", 0o755),
    ("deploy/debian/postrm", "DEBIAN/postrm", 0o755),
];

pub fn make(binary: &Path, folder: &Path) -> Result<PathBuf, String> {
    let content = folder.join("deb");
    let _ = std::fs::remove_dir_all(&content);
    for (from, to, mode) in FILES {
        install(&root().join(from), &content.join(to), *mode)?;
    }
    install(binary, &content.join("usr/bin/testudo"), 0o755)?;
    // Created outside of the package folder first, so that `install` sets the mode of every file and folder.
    let made = folder.join("manuals");
    let _ = std::fs::remove_dir_all(&made);
    for name in manuals::install(&made)? {
        install(&made.join(&name), &content.join(&name), 0o644)?;
    }
    std::fs::remove_dir_all(&made).map_err(|error| error.to_string())?;
    let control = std::fs::read_to_string(root().join("deploy/debian/control"))
        .map_err(|error| format!("deploy/debian/control: {error}"))?;
    let write = |name: &str, text: &str| {
        std::fs::write(content.join("DEBIAN").join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    write("control", &control.replace("{version}", VERSION))?;
    // For files in this list, a package update keeps the changes of the administrator.
    write("conffiles", "/etc/testudo/testudo.toml\n")?;
    std::fs::set_permissions(
        content.join("etc/testudo"),
        std::fs::Permissions::from_mode(0o750),
    )
    .map_err(|error| error.to_string())?;
    let package = path(folder);
    output(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .arg(&content)
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", commit_seconds()?),
    )?;
    std::fs::remove_dir_all(&content).map_err(|error| error.to_string())?;
    Ok(package)
}

/// The path of the package.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(format!("testudo_{VERSION}_amd64.deb"))
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} to {}: {error}", from.display(), to.display());
    // Every created folder gets the mode 0755, independent of the umask.
    let folder = to.parent().unwrap_or(to);
    for missing in folder
        .ancestors()
        .filter(|ancestor| !ancestor.exists())
        .collect::<Vec<_>>()
        .iter()
        .rev()
    {
        std::fs::create_dir(missing).map_err(failed)?;
        std::fs::set_permissions(missing, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    std::fs::copy(from, to).map_err(failed)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// A package with a program that exists on every machine instead of the server.
    fn package(scratch: &Scratch) -> PathBuf {
        make(Path::new("/bin/true"), scratch.path()).unwrap()
    }

    fn dpkg(machine: &Path, arguments: &[&str]) -> Result<String, String> {
        output(
            Command::new("dpkg")
                .arg(format!("--root={}", machine.display()))
                .args(["--force-not-root", "--force-script-chrootless", "--force-depends"])
                .args(arguments)
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        )
    }

    /// A folder that dpkg uses as the root of a machine.
    fn empty_machine() -> Scratch {
        let machine = Scratch::with(&[("var/lib/dpkg/status", ""), ("var/lib/dpkg/available", "")]);
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
            std::fs::create_dir_all(machine.path().join(folder)).unwrap();
        }
        machine
    }

    #[test]
    fn package_has_binary_unit_user_and_configuration_with_their_owners_and_modes() {
        let scratch = Scratch::with(&[("x", "")]);
        let listed = output(Command::new("dpkg-deb").arg("--contents").arg(package(&scratch))).unwrap();
        for (mode, path) in [
            ("-rwxr-xr-x root/root", "./usr/bin/testudo"),
            ("-rw-r--r-- root/root", "./usr/lib/systemd/system/testudo.service"),
            ("-rw-r--r-- root/root", "./usr/lib/systemd/system/testudo.socket"),
            ("-rw-r--r-- root/root", "./usr/lib/sysusers.d/testudo.conf"),
            ("-rw-r--r-- root/root", "./usr/share/testudo/nsswitch.conf"),
            ("-rw-r--r-- root/root", "./usr/share/man/man1/testudo.1.gz"),
            (
                "-rw-r--r-- root/root",
                "./usr/share/man/man1/testudo-client-sweep.1.gz",
            ),
            (
                "-rw-r--r-- root/root",
                "./usr/share/bash-completion/completions/testudo",
            ),
            (
                "-rw-r--r-- root/root",
                "./usr/share/zsh/vendor-completions/_testudo",
            ),
            (
                "-rw-r--r-- root/root",
                "./usr/share/fish/vendor_completions.d/testudo.fish",
            ),
            ("drwxr-x--- root/root", "./etc/testudo/"),
            ("-rw-r----- root/root", "./etc/testudo/testudo.toml"),
        ] {
            let found = listed
                .lines()
                .any(|line| line.starts_with(mode) && line.ends_with(path));
            assert!(found, "{mode} {path} is not in\n{listed}");
        }
    }

    #[test]
    fn package_creates_its_user_and_keeps_an_edited_configuration_until_it_is_purged() {
        let (scratch, machine) = (Scratch::with(&[("x", "")]), empty_machine());
        let (package, root) = (package(&scratch), machine.path());
        let file = package.display().to_string();
        dpkg(root, &["--install", &file]).unwrap();
        assert!(root.join("usr/bin/testudo").exists());
        let users = std::fs::read_to_string(root.join("etc/passwd")).unwrap();
        assert!(users.contains("testudo:x:"), "{users}");
        let configuration = root.join("etc/testudo/testudo.toml");
        std::fs::write(&configuration, "issuer = \"https://as.example.net\"\n").unwrap();
        std::fs::create_dir_all(root.join("var/lib/testudo")).unwrap();
        dpkg(root, &["--install", &file]).unwrap();
        let kept = std::fs::read_to_string(&configuration).unwrap();
        assert_eq!(kept, "issuer = \"https://as.example.net\"\n");
        dpkg(root, &["--remove", "testudo"]).unwrap();
        assert!(!root.join("usr/bin/testudo").exists());
        assert!(
            configuration.exists(),
            "the removal of the package must keep the configuration"
        );
        dpkg(root, &["--purge", "testudo"]).unwrap();
        assert!(!configuration.exists());
        assert!(
            root.join("var/lib/testudo").exists(),
            "the database and the key-encryption key must be kept"
        );
    }

    /// A systemd before version 253 does not know `notify-reload`, so this one warning is ignored.
    #[test]
    fn systemd_accepts_the_units_and_their_security_exposure_is_within_the_limit() {
        let machine = Scratch::with(&[("usr/bin/testudo", "#!/bin/sh\n")]);
        let program = machine.path().join("usr/bin/testudo");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = machine.path().join("units");
        std::fs::create_dir(&folder).unwrap();
        for name in ["testudo.service", "testudo.socket"] {
            let text = std::fs::read_to_string(root().join("deploy/systemd").join(name)).unwrap();
            let text = text.replace("/usr/bin/testudo", &program.display().to_string());
            std::fs::write(folder.join(name), text).unwrap();
        }
        let analyze = |arguments: &[&str]| {
            let done = Command::new("systemd-analyze")
                .args(arguments)
                .current_dir(&folder)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            (
                done.status.success(),
                format!("{}{said}", String::from_utf8_lossy(&done.stdout)),
            )
        };
        let (accepted, said) = analyze(&["verify", "./testudo.service", "./testudo.socket"]);
        let problems: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("testudo") && !line.contains("notify-reload"))
            .collect();
        assert!(accepted && problems.is_empty(), "{said}");
        let threshold = [
            "security",
            "--offline=true",
            "--threshold=20",
            "./testudo.service",
        ];
        let (accepted, said) = analyze(&threshold);
        assert!(accepted, "{said}");
    }
}

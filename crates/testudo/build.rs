//! Finds what `testudo version` prints: the commit that the program is built from, and its date.
//!
//! The date is that of the commit, or `SOURCE_DATE_EPOCH`, never that of the build: two builds of one commit are the
//! same program. Where there is no git (a source archive, a container build), `TESTUDO_COMMIT` may name the commit.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for variable in ["SOURCE_DATE_EPOCH", "TESTUDO_COMMIT"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    // The sources of the program. After a change there, the build must also check again whether they differ from the commit.
    for path in ["crates", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    let given = |variable| {
        std::env::var(variable)
            .ok()
            .filter(|text: &String| !text.is_empty())
    };
    let mut seconds = given("SOURCE_DATE_EPOCH");
    let mut commit = given("TESTUDO_COMMIT");
    if let Some(repository) = Repository::at(&root) {
        repository.watch();
        if let Some(found) = repository.git(&["rev-parse", "HEAD"]) {
            commit = Some(found);
            if repository.git(&["status", "--porcelain", "--untracked-files=no"]) != Some(String::new()) {
                println!("cargo:rustc-env=TESTUDO_MODIFIED=true");
            }
        }
        seconds = seconds.or_else(|| repository.git(&["log", "-1", "--format=%ct"]));
    }
    for (name, value) in [("TESTUDO_COMMIT", commit), ("TESTUDO_DATE_SECONDS", seconds)] {
        if let Some(value) = value {
            println!("cargo:rustc-env={name}={value}");
        }
    }
}

/// The git repository whose root is this workspace.
struct Repository<'a>(&'a Path);

impl<'a> Repository<'a> {
    /// None where git is missing, and where the sources are in the repository of another project.
    fn at(root: &'a Path) -> Option<Repository<'a>> {
        let repository = Repository(root);
        let top = repository.git(&["rev-parse", "--show-toplevel"])?;
        let is_ours = std::fs::canonicalize(top).ok()? == std::fs::canonicalize(root).ok()?;
        is_ours.then_some(repository)
    }

    /// Makes cargo build again when another commit is checked out.
    fn watch(&self) {
        let head = self.git(&["symbolic-ref", "--quiet", "HEAD"]);
        for name in ["HEAD".to_owned(), "packed-refs".to_owned()]
            .into_iter()
            .chain(head)
        {
            let path = self.git(&["rev-parse", "--git-path", &name]);
            // For a path that does not exist, cargo would build again each time.
            if let Some(path) = path.map(|path| self.0.join(path)).filter(|path| path.exists()) {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
    }

    fn git(&self, arguments: &[&str]) -> Option<String> {
        // Without this option, `git status` writes the index, which another git process may have locked.
        let mut git = Command::new("git");
        git.arg("--no-optional-locks").args(arguments).current_dir(self.0);
        let output = git.output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }
}

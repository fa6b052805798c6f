//! Installs programs of other projects from their registries, at the versions that the caller gives. Each is installed
//! once, into a separate folder under `target/interop`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Only one installation runs at a time, because parallel tests may need the same one.
static INSTALLING: Mutex<()> = Mutex::new(());

/// If the installation failed, the test fails in CI; on other machines it is skipped with a message.
pub fn or_skipped<T>(outcome: Result<T, String>) -> Option<T> {
    match outcome {
        Ok(found) => Some(found),
        Err(why) if std::env::var_os("CI").is_some() => panic!("CI must run this test: {why}"),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/interop")
        .join(name)
}

/// Creates the folder with these steps, unless it was created before for the same versions (`wanted`).
fn installed(
    name: &str,
    wanted: &str,
    steps: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let _turn = INSTALLING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = folder(name);
    let mark = folder.join("installed.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    steps(&folder)?;
    std::fs::write(&mark, wanted).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// A virtual environment of Python with these packages and their dependencies.
pub fn python(name: &str, packages: &[String]) -> Result<PathBuf, String> {
    installed(name, &packages.join("\n"), |folder| {
        done(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let pip = folder.join("bin/pip");
        done(
            Command::new(pip)
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .args(packages),
        )
    })
}

/// A module of Go that requires these others.
pub fn go(name: &str, modules: &[String]) -> Result<PathBuf, String> {
    installed(name, &modules.join("\n"), |folder| {
        done(
            Command::new("go")
                .args(["mod", "init", "recipe"])
                .current_dir(folder),
        )?;
        done(Command::new("go").arg("get").args(modules).current_dir(folder))
    })
}

/// The program of one file of Go, built in the folder of its module.
pub fn build_go(module: &Path, program: &str) -> PathBuf {
    std::fs::write(module.join("main.go"), program).unwrap();
    // The dependencies of the packages are added to the module as well.
    let build = ["build", "-mod=mod", "-o", "recipe", "."];
    done(Command::new("go").args(build).current_dir(module)).unwrap();
    module.join("recipe")
}

/// A folder with these packages of npm.
pub fn node(name: &str, packages: &[String]) -> Result<PathBuf, String> {
    installed(name, &packages.join("\n"), |folder| {
        std::fs::write(folder.join("package.json"), "{\"private\": true}")
            .map_err(|error| error.to_string())?;
        let install = ["install", "--silent", "--no-audit", "--no-fund", "--save-exact"];
        done(
            Command::new("npm")
                .args(install)
                .args(packages)
                .current_dir(folder),
        )
    })
}

/// A program in this folder that runs the JavaScript. Programs of several tests are in one folder, so `file` must be unique.
pub fn build_node(folder: &Path, file: &str, program: &str) -> impl Fn() -> Command + use<> {
    let file = folder.join(file);
    std::fs::write(&file, program).unwrap();
    move || {
        let mut node = Command::new("node");
        node.arg(&file);
        node
    }
}

/// The Python program, run in this virtual environment.
pub fn build_python(folder: &Path, program: &str) -> impl Fn() -> Command + use<> {
    let (python, program) = (folder.join("bin/python"), program.to_owned());
    move || {
        let mut python = Command::new(&python);
        python.args(["-c", &program]);
        python
    }
}

/// A folder with the dependencies of a Maven project, in `lib`.
pub fn java(name: &str, pom: &str) -> Result<PathBuf, String> {
    // Dependencies of several recipes are downloaded once.
    let repository = folder("maven");
    installed(name, pom, |folder| {
        std::fs::write(folder.join("pom.xml"), pom).map_err(|error| error.to_string())?;
        let repository = std::path::absolute(repository).map_err(|error| error.to_string())?;
        done(
            Command::new("mvn")
                .args(["--quiet", "--batch-mode", "dependency:copy-dependencies"])
                .arg(format!("-Dmaven.repo.local={}", repository.display()))
                .arg("-DoutputDirectory=lib")
                .current_dir(folder),
        )
    })
}

/// Compiles one Java file in such a folder. Returns the command that runs it; the caller must add the name of the class.
pub fn build_java(project: &Path, file: &str, program: &str) -> impl Fn() -> Command {
    std::fs::write(project.join(file), program).unwrap();
    let compile = ["-cp", "lib/*", "-d", "classes", file];
    done(Command::new("javac").args(compile).current_dir(project)).unwrap();
    let project = std::path::absolute(project).unwrap();
    let path = format!("{0}/classes:{0}/lib/*", project.display());
    move || {
        let mut java = Command::new("java");
        // This makes the start faster.
        java.args(["-XX:TieredStopAtLevel=1", "-cp", &path]);
        java
    }
}

/// Runs a command to its end.
pub fn done(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

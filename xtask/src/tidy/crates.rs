//! Checks which crate of this repository depends on which other one, that only tests enable the features of tests, and
//! that banned crates are not in the lock file.

use super::repository::Text;
use crate::root;
use std::path::Path;
use toml::{Table, Value};

/// The allowed dependencies between the crates of this repository; ARCHITECTURE.md shows the same as a drawing. For
/// `testudo-fetch`, see decision 0002.
const ARROWS: &[(&str, &[&str])] = &[
    ("testudo-protocol", &[]),
    ("testudo-core", &["testudo-protocol"]),
    ("testudo-store", &["testudo-core", "testudo-protocol"]),
    ("testudo-fetch", &["testudo-protocol"]),
    (
        "testudo-server",
        &[
            "testudo-core",
            "testudo-fetch",
            "testudo-protocol",
            "testudo-store",
        ],
    ),
    ("testudo-client", &["testudo-fetch", "testudo-protocol"]),
    ("testudo-resource", &["testudo-fetch", "testudo-protocol"]),
    ("testudo-issuer", &["testudo-protocol"]),
    ("testudo-testkit", &["testudo-issuer", "testudo-protocol"]),
    // The binary contains `dev`, which needs an issuer, and the commands of workloads. It must not link the test kit:
    // fake credentials and load drivers are not part of a release.
    (
        "testudo",
        &[
            "testudo-client",
            "testudo-core",
            "testudo-fetch",
            "testudo-protocol",
            "testudo-resource",
            "testudo-server",
            "testudo-issuer",
        ],
    ),
];

/// Crates that must not be in the lock file. `ring` cannot be listed here: the lock file contains it for features that
/// are disabled. `deny.toml` bans it from the crates that are really built.
const BANNED: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "reqwest",
    "sqlx",
    "serde_yaml",
    "rustls-pemfile",
];

/// Complains about a dependency between crates of this repository that is not in [`ARROWS`], and about a crate without
/// a row there.
pub fn arrows(complaints: &mut Vec<String>) -> Result<(), String> {
    let workspace = manifest(&root().join("Cargo.toml"))?;
    let folder = root().join("crates");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry
            .map_err(|error| format!("{}: {error}", folder.display()))?
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            complaints.push(format!(
                "{name} has no row in xtask/src/tidy/crates.rs and ARCHITECTURE.md: add it"
            ));
            continue;
        };
        let own = manifest(&path.join("Cargo.toml"))?;
        for dependency in own_dependencies(&own, &workspace) {
            if !allowed.contains(&dependency.as_str()) {
                complaints.push(format!(
                    "{name} must not depend on {dependency}: ARCHITECTURE.md shows the allowed dependencies"
                ));
            }
        }
    }
    Ok(())
}

fn manifest(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse()
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// The crates of this repository that a manifest depends on, also for its build and for one platform. Their names are
/// those of the packages: a dependency may have another name.
fn own_dependencies(manifest: &Table, workspace: &Table) -> Vec<String> {
    let shared = table(workspace, "workspace").and_then(|workspace| table(workspace, "dependencies"));
    let platforms = table(manifest, "target").into_iter().flat_map(Table::values);
    let parts = platforms.filter_map(Value::as_table).chain([manifest]);
    let tables = parts.flat_map(|part| {
        ["dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|kind| table(part, kind))
    });
    tables
        .flatten()
        .map(|(name, dependency)| {
            let is_shared = dependency.get("workspace").and_then(Value::as_bool) == Some(true);
            let described = match is_shared {
                true => shared.and_then(|shared| shared.get(name)),
                false => Some(dependency),
            };
            let package = described.and_then(|described| described.get("package")?.as_str());
            package.unwrap_or(name).to_owned()
        })
        .filter(|package| package.starts_with("testudo"))
        .collect()
}

fn table<'t>(of: &'t Table, name: &str) -> Option<&'t Table> {
    of.get(name)?.as_table()
}

/// The door of a kind of authority that exists in tests only, a feature of `testudo-core`.
const TEST_DOOR: &str = "test-door";

/// Complains about a manifest, the workspace's included, that enables [`TEST_DOOR`] outside of dev-dependencies: a
/// release would accept the credentials of tests.
pub fn test_door(texts: &[Text], complaints: &mut Vec<String>) -> Result<(), String> {
    let is_manifest = |text: &&Text| text.name.rsplit('/').next() == Some("Cargo.toml");
    for Text { name, text } in texts.iter().filter(is_manifest) {
        let manifest = text.parse().map_err(|error| format!("{name}: {error}"))?;
        if enables_test_door(&Value::Table(manifest)) {
            complaints.push(format!(
                "{name}: only dev-dependencies may enable {TEST_DOOR}, which no release has"
            ));
        }
    }
    Ok(())
}

/// True if a dependency enables the feature, or another feature does, as `testudo-core/test-door`.
fn enables_test_door(value: &Value) -> bool {
    match value {
        Value::String(text) => text.rsplit('/').next() == Some(TEST_DOOR),
        Value::Array(entries) => entries.iter().any(enables_test_door),
        Value::Table(table) => table
            .iter()
            .any(|(key, value)| key != "dev-dependencies" && enables_test_door(value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
    }
}

/// Complains about a banned crate in the lock file.
pub fn bans(complaints: &mut Vec<String>) -> Result<(), String> {
    let path = root().join("Cargo.lock");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    for banned in BANNED {
        if text.contains(&format!("name = \"{banned}\"\n")) {
            complaints.push(format!("Cargo.lock contains {banned}, which is banned"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::repository::Repository;

    #[test]
    fn no_crate_of_a_release_depends_on_the_test_kit() {
        for (name, allowed) in ARROWS {
            assert!(!allowed.contains(&"testudo-testkit"), "{name}");
        }
        let mut complaints = Vec::new();
        arrows(&mut complaints).unwrap();
        assert_eq!(complaints, Vec::<String>::new());
    }

    #[test]
    fn test_door_is_found_wherever_a_release_could_get_it() {
        let texts = Repository::read(&root()).unwrap().texts(&root()).unwrap();
        let mut complaints = Vec::new();
        test_door(&texts, &mut complaints).unwrap();
        assert_eq!(complaints, Vec::<String>::new());
        let features = "features = [\"test-door\"]";
        for (manifest, is_enabled) in [
            (
                format!("[dependencies]\ntestudo-core = {{ workspace = true, {features} }}"),
                true,
            ),
            (
                format!("[dependencies.x]\npackage = \"testudo-core\"\n{features}"),
                true,
            ),
            (
                format!("[build-dependencies]\ntestudo-core = {{ path = \"x\", {features} }}"),
                true,
            ),
            (
                format!("[target.'cfg(unix)'.dependencies]\ntestudo-core = {{ path = \"x\", {features} }}"),
                true,
            ),
            (
                format!("[workspace.dependencies]\ntestudo-core = {{ path = \"x\", {features} }}"),
                true,
            ),
            (
                "[features]\ndefault = [\"test-door\"]\ntest-door = []".to_owned(),
                true,
            ),
            ("[features]\nx = [\"testudo-core/test-door\"]".to_owned(), true),
            ("[features]\nx = [\"testudo-core?/test-door\"]".to_owned(), true),
            ("[features]\ntest-door = []".to_owned(), false),
            (
                format!("[dev-dependencies]\ntestudo-core = {{ workspace = true, {features} }}"),
                false,
            ),
            (
                format!(
                    "[target.'cfg(unix)'.dev-dependencies]\ntestudo-core = {{ path = \"x\", {features} }}"
                ),
                false,
            ),
        ] {
            let parsed = Value::Table(manifest.parse().unwrap());
            assert_eq!(enables_test_door(&parsed), is_enabled, "{manifest}");
        }
    }

    #[test]
    fn dependency_with_another_name_of_a_platform_or_of_the_build_is_found() {
        let workspace: Table =
            "[workspace.dependencies]\nst = { package = \"testudo-store\", path = \"x\" }\n\
                                testudo-core = { path = \"y\" }\nserde = \"1\"\n"
                .parse()
                .unwrap();
        for (manifest, expected) in [
            ("[dependencies]\ntestudo-core.workspace = true\n", "testudo-core"),
            ("[dependencies]\nst.workspace = true\n", "testudo-store"),
            ("[dependencies]\nst = { workspace = true }\n", "testudo-store"),
            (
                "[dependencies]\nx = { package = \"testudo-store\", path = \"x\" }\n",
                "testudo-store",
            ),
            ("[dependencies.x]\npackage = \"testudo-store\"\n", "testudo-store"),
            ("[build-dependencies]\nst.workspace = true\n", "testudo-store"),
            (
                "[target.'cfg(unix)'.dependencies]\nst.workspace = true\n",
                "testudo-store",
            ),
            (
                "[dev-dependencies]\nst.workspace = true\n[dependencies]\nserde.workspace = true\n",
                "",
            ),
        ] {
            let found = own_dependencies(&manifest.parse().unwrap(), &workspace);
            assert_eq!(found.join(" "), expected, "{manifest}");
        }
    }
}

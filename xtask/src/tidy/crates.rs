//! Checks which crate of this repository depends on which other one, and that banned crates are not in the lock file.

use crate::root;

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

/// Complains about a dependency between crates of this repository that is not in [`ARROWS`].
pub fn arrows(complaints: &mut Vec<String>) -> Result<(), String> {
    for (name, allowed) in ARROWS {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let released = text.split("[dev-dependencies]").next().unwrap_or_default();
        if *name != "testudo-core" && released.contains("test-door") {
            complaints.push(format!(
                "{name}: only dev-dependencies may enable test-door, which no release has"
            ));
        }
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter(|line| line.starts_with("testudo-")) {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&dependency) {
                complaints.push(format!(
                    "{name} must not depend on {dependency}: ARCHITECTURE.md shows the allowed dependencies"
                ));
            }
        }
    }
    Ok(())
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

    #[test]
    fn no_crate_of_a_release_depends_on_the_test_kit() {
        for (name, allowed) in ARROWS {
            assert!(!allowed.contains(&"testudo-testkit"), "{name}");
        }
        let mut complaints = Vec::new();
        arrows(&mut complaints).unwrap();
        assert_eq!(complaints, Vec::<String>::new());
    }
}

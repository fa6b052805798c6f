//! Files that only this user should read, judged as ssh judges a private key.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Who besides this user can read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// The file is ours, and its mode lets others in: ours to mend.
    Ours(u32),
    /// The file is another user's, who lets everybody in. A group alone is let pass: that is how an orchestrator
    /// shows a secret to a process.
    Foreign(u32),
}

impl std::fmt::Display for Exposure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Exposure::Ours(mode) | Exposure::Foreign(mode)) = self;
        write!(f, "can be read by other users of this machine (mode {mode:04o})")
    }
}

/// How a file is exposed; `None` where it is not, or is not there.
pub fn exposure(path: &Path) -> Option<Exposure> {
    let file = std::fs::metadata(path).ok()?;
    let mode = file.mode() & 0o777;
    // Without /proc, the stricter of the two is assumed.
    let is_ours = std::fs::metadata("/proc/self").map_or(true, |process| process.uid() == file.uid());
    match is_ours {
        true => (mode & 0o077 != 0).then_some(Exposure::Ours(mode)),
        false => (mode & 0o007 != 0).then_some(Exposure::Foreign(mode)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn file_that_others_can_read_is_exposed() {
        let path = testudo_testkit::scratch::folder("exposure").join("file");
        std::fs::write(&path, "x").unwrap();
        for (mode, is_exposed) in [
            (0o600, false),
            (0o400, false),
            (0o640, true),
            (0o604, true),
            (0o660, true),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let expected = is_exposed.then_some(Exposure::Ours(mode));
            assert_eq!(exposure(&path), expected, "{mode:o}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(exposure(&path), None);
    }
}

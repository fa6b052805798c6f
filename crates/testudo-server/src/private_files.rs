//! Checks the permissions of files that only this user should be able to read, by the rules of ssh for private keys.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Who besides this user can read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// The file belongs to this user, and its mode lets other users read it.
    Ours(u32),
    /// The file belongs to another user, and its mode lets every user read it. Read permission for the group alone is
    /// accepted: orchestrators mount secrets in that way.
    Foreign(u32),
}

impl std::fmt::Display for Exposure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Exposure::Ours(mode) | Exposure::Foreign(mode)) = self;
        write!(f, "can be read by other users of this machine (mode {mode:04o})")
    }
}

/// How other users can read a file; `None` where they cannot, or there is no file.
pub fn exposure(path: &Path) -> Option<Exposure> {
    let file = std::fs::metadata(path).ok()?;
    let mode = file.mode() & 0o777;
    // Without /proc, the stricter rule is used.
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

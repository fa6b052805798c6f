//! A folder of files for one test.

use std::path::{Path, PathBuf};

/// A new folder, used by one test only.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A folder with these files: (path in the folder, text).
    pub fn with(files: &[(&str, &str)]) -> Self {
        let folder = testudo_testkit::scratch::folder("xtask");
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

//! Why a file that the configuration names cannot be read, and what to do.

use std::io::{Error, ErrorKind};
use std::path::Path;

/// Why a file cannot be read: the rest of a sentence that begins with its name, and the remedy.
#[derive(Debug)]
pub(crate) struct FileFault {
    pub(crate) problem: String,
    pub(crate) hint: &'static str,
}

impl FileFault {
    /// The whole sentence, for a line of the log.
    pub(crate) fn of(&self, path: &Path) -> String {
        format!("{} {} ({})", path.display(), self.problem, self.hint)
    }
}

/// Reads a file of any size, which only the administrator can name.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FileFault> {
    if path.is_dir() {
        return Err(is_folder());
    }
    std::fs::read(path).map_err(|error| cannot_read(&error))
}

/// The fault of a path that is a folder.
pub(crate) fn is_folder() -> FileFault {
    FileFault {
        problem: "is a folder".to_owned(),
        hint: "name the file in the folder",
    }
}

/// The fault of an error of the operating system.
pub(crate) fn cannot_read(error: &Error) -> FileFault {
    let hint = if error.kind() == ErrorKind::NotFound {
        "create the file, or correct the path; a relative path begins in the folder of the configuration file"
    } else if error.kind() == ErrorKind::PermissionDenied {
        "let the user that runs testudo read the file and enter the folders above it"
    } else {
        "try to read the file as the user that runs testudo, such as with cat"
    };
    FileFault {
        problem: format!("cannot be read: {error}"),
        hint,
    }
}

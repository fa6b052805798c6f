//! The limit of open files, which connections share with the store, bundles and the admin socket.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are reserved for other uses than connections of clients: store, log, bundles and other fetches, the
/// admin socket, sockets that are closing.
const RESERVED: u64 = 256;

/// The limit of open files of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// How many files this process may have open.
    pub limit: u64,
}

/// Raises the soft limit to the hard limit and returns the new limit. Services are often started with a soft limit of
/// 1024, which exists for programs that use `select`.
pub fn open_files() -> OpenFiles {
    let had = getrlimit(Resource::Nofile);
    if had.current != had.maximum {
        let wanted = Rlimit {
            current: had.maximum,
            maximum: had.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            tracing::warn!(event = "server.open_files_kept", fault = %error, "the limit of open files could not be raised");
        }
    }
    OpenFiles {
        limit: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    }
}

impl OpenFiles {
    /// `wanted` connections, or fewer if the limit of open files requires it. If the limit is low, half of it is reserved.
    pub fn connections(self, wanted: usize) -> usize {
        let reserved = RESERVED.min(self.limit / 2);
        let available = usize::try_from(self.limit - reserved).unwrap_or(usize::MAX);
        wanted.min(available).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::OpenFiles;

    #[test]
    fn connections_and_the_reserve_fit_into_the_limit_of_open_files() {
        let connections = |limit, wanted| OpenFiles { limit }.connections(wanted);
        assert_eq!(connections(20_000, 10_000), 10_000);
        assert_eq!(connections(10_256, 10_000), 10_000);
        assert_eq!(connections(10_255, 10_000), 9_999);
        assert_eq!(connections(1024, 10_000), 768);
        assert_eq!(connections(256, 10_000), 128);
        assert_eq!(connections(0, 10_000), 1);
        assert_eq!(connections(u64::MAX, 10_000), 10_000);
    }
}

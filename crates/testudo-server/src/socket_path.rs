//! The length of the path of a Unix socket, which the operating system limits. Without these checks an administrator
//! reads `path must be shorter than SUN_LEN`.

use std::path::{Path, PathBuf};

/// Longest path of a Unix socket, in bytes: Linux keeps it in 108 bytes, of which the last one is zero.
const BYTES_MAX: usize = 107;

/// What is wrong with the path of a socket to which this process wants to connect.
pub fn too_long(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().len();
    (bytes > BYTES_MAX).then(|| format!("{} has {bytes} bytes: {LIMIT}", path.display()))
}

/// What is wrong with the path at which the admin socket is to be created.
pub fn too_long_to_create(path: &Path) -> Option<String> {
    too_long(path).or_else(|| {
        let first = too_long(&staging(path, 0).join(STAGED))?;
        let path = path.display();
        Some(format!(
            "{path} is created under another name in the same folder first, and {first}"
        ))
    })
}

/// The limit, as a part of a sentence.
const LIMIT: &str =
    "the path of a Unix socket has at most 107 bytes (108 on Linux with the zero byte at its end)";

/// Name of the socket in its staging folder.
pub(crate) const STAGED: &str = "s";

/// The folder beside a socket in which it is created. The name is short, because the length of the path is limited.
pub(crate) fn staging(path: &Path, number: u32) -> PathBuf {
    path.with_file_name(format!(".t{number:08x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::SocketAddr;

    #[test]
    fn path_is_refused_exactly_where_the_system_refuses_it_and_the_text_names_length_and_limit() {
        for bytes in [106, 107, 108, 200] {
            let path = PathBuf::from(format!("/{}", "x".repeat(bytes - 1)));
            let refused = too_long(&path);
            assert_eq!(
                refused.is_none(),
                SocketAddr::from_pathname(&path).is_ok(),
                "{bytes}"
            );
            if let Some(text) = refused {
                let names = [&*path.to_string_lossy(), &format!("{bytes} bytes"), "107", "108"];
                assert!(names.iter().all(|name| text.contains(name)), "{text}");
            }
        }
    }

    #[test]
    fn name_under_which_the_admin_socket_is_created_counts_where_it_is_longer() {
        let folder = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        let path = |bytes: usize, name: &str| PathBuf::from(format!("{}/{name}", folder(bytes)));
        assert_eq!(too_long_to_create(&path(94, "s")), None);
        let text = too_long_to_create(&path(95, "s")).unwrap();
        assert!(text.contains("/.t00000000/s has 108 bytes"), "{text}");
        assert_eq!(too_long_to_create(&path(94, "testudo.sock")), None);
        let text = too_long_to_create(&path(95, "testudo.sock")).unwrap();
        assert!(text.contains("/testudo.sock has 108 bytes"), "{text}");
    }
}

//! Files with a credential. Each is read again for each token, since another program replaces it before it expires: a
//! kubelet exchanges the link `..data`, other programs rename or write the file.

use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// The size of a file with a credential: a certificate chain is larger than a token. A larger file is another one.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The content of the file. The error names the file.
pub(crate) async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(FILE_BYTES_MAX + 1);
    bounded.read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "{} is larger than {FILE_BYTES_MAX} bytes, so it is no credential",
            path.display()
        ));
    }
    Ok(bytes)
}

/// The token in the file, without the line break that most tools write at its end. The error names the file.
pub(crate) async fn read_token(path: &Path) -> Result<String, String> {
    let text =
        String::from_utf8(read(path).await?).map_err(|_| format!("{} is not UTF-8 text", path.display()))?;
    Ok(text.trim().to_owned())
}

//! Decompression with a bound on the output.

use crate::credentials::CredentialError;
use crate::limits::STATUS_LIST_BYTES_MAX;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use std::io::Read;

/// The container of the compressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// zlib. [TSL §4.1]
    Zlib,
    /// gzip. [BITSTRING §2.2]
    Gzip,
}

/// The decompressed bytes. Decompression stops one byte after the limit; bytes after the compressed ones are refused.
pub(super) fn inflate(compressed: &[u8], container: Container) -> Result<Box<[u8]>, CredentialError> {
    let (values, rest) = match container {
        Container::Zlib => {
            let mut decoder = ZlibDecoder::new(compressed);
            (bounded(&mut decoder)?, decoder.into_inner())
        }
        Container::Gzip => {
            let mut decoder = GzDecoder::new(compressed);
            (bounded(&mut decoder)?, decoder.into_inner())
        }
    };
    match rest.is_empty() {
        true => Ok(values.into_boxed_slice()),
        false => Err(CredentialError::List("has bytes after its compressed values")),
    }
}

fn bounded(decoder: &mut impl Read) -> Result<Vec<u8>, CredentialError> {
    let mut values = Vec::new();
    decoder
        .take(STATUS_LIST_BYTES_MAX as u64 + 1)
        .read_to_end(&mut values)
        .map_err(|_| CredentialError::List("is not compressed as it must be"))?;
    match values.len() > STATUS_LIST_BYTES_MAX {
        true => Err(CredentialError::List("has more than 8 MiB of values")),
        false => Ok(values),
    }
}

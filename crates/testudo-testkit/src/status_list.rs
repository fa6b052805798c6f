//! Status lists, as the issuers of credentials publish them. [TSL §5.1] [BITSTRING §2.2]

use crate::token::Draft;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write as _;
use testudo_protocol::jose::SigningKey;

/// The media type of a Token Status List.
pub const TOKEN_LIST: &str = "application/statuslist+jwt";
/// The media type of a Bitstring Status List.
pub const BITSTRING_LIST: &str = "application/vc+jwt";
/// Entries of a Bitstring Status List.
pub const BITSTRING_ENTRIES: usize = 131_072;

impl<'k> Draft<'k> {
    /// A Token Status List of two bits for each entry, with these values at the beginning; it is valid for an hour.
    pub fn token_list(key: &'k SigningKey, url: &str, values: &[u8], now: i64) -> Draft<'k> {
        let mut bytes = vec![0u8; 4096];
        for (index, value) in values.iter().enumerate() {
            bytes[index / 4] |= value << (2 * (index % 4));
        }
        Draft::by_kid(
            key,
            "statuslist+jwt",
            serde_json::json!({
                "sub": url, "iat": now, "exp": now + 3600, "ttl": 60,
                "status_list": { "bits": 2, "lst": lst(&bytes) },
            }),
        )
    }

    /// A Bitstring Status List for revocations, where these entries are revoked; it is valid for an hour.
    pub fn bitstring_list(
        key: &'k SigningKey,
        issuer: &str,
        url: &str,
        revoked: &[usize],
        now: i64,
    ) -> Draft<'k> {
        let mut bytes = vec![0u8; BITSTRING_ENTRIES / 8];
        for index in revoked {
            bytes[index / 8] |= 0x80 >> (index % 8);
        }
        Draft::by_kid(
            key,
            "vc+jwt",
            serde_json::json!({
                "@context": ["https://www.w3.org/ns/credentials/v2"],
                "type": ["VerifiableCredential", "BitstringStatusListCredential"],
                "id": url, "issuer": issuer, "iat": now, "exp": now + 3600,
                "credentialSubject": {
                    "type": "BitstringStatusList", "statusPurpose": "revocation", "ttl": 60_000,
                    "encodedList": encoded_list(&bytes),
                },
            }),
        )
    }
}

/// `encodedList`: multibase, base64url of gzip.
pub fn encoded_list(bytes: &[u8]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    format!("u{}", URL_SAFE_NO_PAD.encode(encoder.finish().unwrap()))
}

/// The zlib container.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `lst` of a Token Status List: base64url of the zlib container.
pub fn lst(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(zlib(bytes))
}

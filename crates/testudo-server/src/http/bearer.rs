//! The bearer token that a request contains, and the registration access tokens that this server issues.

use crate::key_encryption::random_32;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header;
use testudo_protocol::jose::sha256;
use testudo_protocol::oauth::bearer_token;
use zeroize::Zeroizing;

/// The bearer token of a request. `None` where `Authorization` is absent, sent twice, or of another scheme. [RFC6750
/// §2.1]
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let token = bearer_token(value.to_str().ok()?)?;
    Some(Zeroizing::new(token.to_owned()))
}

/// A registration access token: 256 random bits. The answer contains it once; the server keeps only its digest.
/// [RFC7592 §5]
pub(super) struct RegistrationToken(Zeroizing<String>);

impl RegistrationToken {
    pub(super) fn new() -> Option<RegistrationToken> {
        let random = random_32().ok()?;
        Some(RegistrationToken(Zeroizing::new(format!(
            "rat_{}",
            URL_SAFE_NO_PAD.encode(random.as_slice())
        ))))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

//! Bearer tokens: the one that a request shows, and those that this server gives out for a registration.

use crate::key_encryption::random_32;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header;
use testudo_protocol::jose::sha256;
use zeroize::Zeroizing;

/// The one bearer token of a request. [RFC6750 §2.1]
pub(super) fn bearer(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    is_bearer.then(|| Zeroizing::new(token.to_owned()))
}

/// A registration access token: 256 random bits. It is shown once and not kept. [RFC7592 §5]
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

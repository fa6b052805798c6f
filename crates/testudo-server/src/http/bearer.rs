//! The bearer token that a request contains, and the registration access tokens that this server issues.

use crate::key_encryption::random_32;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header;
use testudo_protocol::jose::sha256;
use testudo_protocol::oauth::{bearer_token, dpop_token};
use zeroize::Zeroizing;

/// The bearer token of a request. `None` where `Authorization` is absent, sent twice, or of another scheme. [RFC6750
/// §2.1]
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let token = bearer_token(only_authorization(headers)?)?;
    Some(Zeroizing::new(token.to_owned()))
}

fn only_authorization(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// An access token, with the scheme with which it is sent.
pub(super) struct ShownToken {
    pub(super) token: Zeroizing<String>,
    /// The scheme is DPoP: the token is accepted only with a proof. [RFC9449 §7.1]
    pub(super) needs_proof: bool,
}

/// The access token of a request, with the scheme Bearer or DPoP. `None` as for [`bearer`].
pub(super) fn access_token(headers: &HeaderMap) -> Option<ShownToken> {
    if let Some(token) = bearer(headers) {
        return Some(ShownToken {
            token,
            needs_proof: false,
        });
    }
    let token = dpop_token(only_authorization(headers)?)?;
    Some(ShownToken {
        token: Zeroizing::new(token.to_owned()),
        needs_proof: true,
    })
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

//! Hints for what is wrong with a request, whatever its client.

use crate::rejection::{CLIENT_CERTIFICATE, RequestReason};
use std::borrow::Cow;
use testudo_protocol::oauth::FormError;

pub(in crate::rejection) fn of_request(reason: &RequestReason) -> Cow<'static, str> {
    match reason {
        RequestReason::NotAForm | RequestReason::MalformedForm(FormError::NotText) => {
            "the client must send its parameters as a form (`curl --data-urlencode name=value`)"
        }
        RequestReason::MalformedForm(FormError::DuplicateParameter { .. }) => {
            "the client must send each parameter once; only resource and audience may repeat"
        }
        RequestReason::MalformedForm(FormError::TooManyParameters) => "the client must send fewer parameters",
        RequestReason::MalformedForm(FormError::ControlCharacter { .. }) => {
            "the client must send the value without control characters, line breaks among them"
        }
        RequestReason::MalformedForm(FormError::LineBreakAtEnd { .. }) => {
            "the client must remove the line break at the end of the value, which a file often has: `tr -d '\\n' < FILE`"
        }
        RequestReason::NotJson | RequestReason::MalformedJson(_) => {
            "the client must send one JSON object with Content-Type: application/json"
        }
        RequestReason::BodyTooLarge => "the client must send a smaller body: the maximum is 64 KiB",
        RequestReason::BodyLate => {
            "look for a slow network or proxy between client and server, or raise server.body_timeout"
        }
        RequestReason::BodyEncoded => "disable compression of requests in the client or the proxy",
        RequestReason::HostNotOne | RequestReason::HostInvalid => {
            "correct the Host field that the client or the proxy sends"
        }
        RequestReason::HostNotOurs => "open the page at the host of `issuer`; a proxy must forward Host unchanged",
        RequestReason::OriginNotOurs => "another site may have sent the form, or a proxy removed Origin",
        RequestReason::FlowNotOurs => "the browser may refuse cookies, or it is another one than before",
        RequestReason::FlowExpired => "the person must begin again at the application",
        RequestReason::NoSuchEndpoint => {
            "the client must take the URLs of the endpoints from the metadata of the issuer, and a proxy must forward paths unchanged"
        }
        RequestReason::MethodNotAllowed => "the client must use a method in the Allow header of the answer",
        RequestReason::CredentialsInUrl | RequestReason::TokenMissing => "the client must send all parameters in the body of a POST",
        RequestReason::MissingGrantType => "the client must send grant_type=client_credentials",
        RequestReason::UnsupportedGrantType { .. } => {
            "the client must use a grant of grant_types_supported in the metadata of this server"
        }
        RequestReason::MalformedClientId => "leave client_id out, or send the registered id",
        RequestReason::TwoMechanisms { found } => {
            let forwarded = match found.contains(&CLIENT_CERTIFICATE) {
                true => "; a certificate counts if the client connects with it or a trusted proxy forwards it",
                false => "",
            };
            return format!("the client must send only one of them{forwarded}").into();
        }
        RequestReason::AttestationNotOne => {
            "the client or a proxy must send each attestation header once, with a JWT and nothing else"
        }
        RequestReason::ClientIdMissing => "the client must send its SPIFFE ID as client_id",
        RequestReason::MalformedScope(_) => "the client must send scope values separated by single spaces",
        RequestReason::MalformedResource(_) => {
            "the client must send an absolute URI as resource, as listed in `resources` of its rule"
        }
        RequestReason::SeveralResources => "the client must request a separate token for each resource",
    }
    .into()
}

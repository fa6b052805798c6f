//! Where a request carries a credential.

use super::credentials::Credential;
use testudo_testkit::x509::X509Chain;

/// A token request before it is sent.
#[derive(Default)]
pub struct Request {
    pub fields: Vec<(&'static str, String)>,
    pub parameters: Vec<(&'static str, String)>,
    /// The client certificate of the connection.
    pub certificate: Option<X509Chain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    SpiffeAssertion,
    BearerAssertion,
    Attestation,
    Certificate,
}

impl Place {
    pub const ALL: [Place; 4] = [
        Place::SpiffeAssertion,
        Place::BearerAssertion,
        Place::Attestation,
        Place::Certificate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Place::SpiffeAssertion => "as assertion of type `jwt-spiffe`",
            Place::BearerAssertion => "as assertion of type `jwt-bearer`",
            Place::Attestation => "in `OAuth-Client-Attestation`",
            Place::Certificate => "as client certificate",
        }
    }

    /// The request with this credential at this place.
    pub fn put(self, credential: Credential) -> Result<Request, &'static str> {
        let mut request = Request::default();
        if let Some(client_id) = credential.client_id {
            request.parameters.push(("client_id", client_id.to_owned()));
        }
        let assertion = |kind: &str| {
            let kind = format!("urn:ietf:params:oauth:client-assertion-type:{kind}");
            [
                ("client_assertion_type", kind),
                ("client_assertion", credential.text()),
            ]
        };
        match self {
            Place::SpiffeAssertion => request.parameters.extend(assertion("jwt-spiffe")),
            Place::BearerAssertion => request.parameters.extend(assertion("jwt-bearer")),
            Place::Attestation => request
                .fields
                .push(("oauth-client-attestation", credential.text())),
            Place::Certificate => {
                let chain = credential.chain.ok_or("a JWT is no certificate")?;
                request.certificate = Some(chain);
            }
        }
        Ok(request)
    }
}

//! The answer of the registration endpoint: all metadata that is in force for the client, whether or not the request
//! contained it. [RFC7591 §3.2.1]

use serde_json::{Map, Value, json};
use testudo_core::AuthorityKind;
use testudo_core::members::{Field, Kind, MEMBERS};
use testudo_core::occasions::registered::Registered;
use testudo_core::policy::Policy;

/// What the answer contains besides the registered metadata.
pub(super) enum Extra<'a> {
    /// The software statement of the request, unchanged. The server does not store it. [RFC7591 §3.2.1]
    Statement(Option<&'a str>),
    /// The URL and the token with which the client manages its registration. [RFC7592 §3]
    Management { uri: String, token: &'a str },
}

pub(super) fn render(registered: &Registered, extra: Extra<'_>) -> Vec<u8> {
    let mut body = Body::default();
    for member in MEMBERS {
        if let Kind::Field(field) = member.kind {
            body.put_field(member.name, field, registered);
        }
    }
    for (name, label) in registered.client.metadata.labels.iter() {
        body.put(&name.to_string(), label);
    }
    body.put("client_id_issued_at", registered.client.created.0);
    match extra {
        Extra::Statement(statement) => body.put_some("software_statement", statement),
        Extra::Management { uri, token } => {
            body.put("registration_client_uri", uri);
            body.put("registration_access_token", token);
        }
    }
    Value::Object(body.0).to_string().into_bytes()
}

/// The URL at which a client manages its registration. [RFC7592 §3]
pub(super) fn client_uri(policy: &Policy, client_id: &str) -> String {
    let endpoint = policy.registration_endpoint().unwrap_or_default();
    format!("{endpoint}/{client_id}")
}

#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    /// Adds a member with the value that is in force; adds nothing where the client has no value for it.
    fn put_field(&mut self, name: &str, field: Field, registered: &Registered) {
        let (client, answer) = (&registered.client, &registered.answer);
        let metadata = &client.metadata;
        match field {
            Field::ClientId => self.put(name, &client.client_id),
            Field::SpiffeId => {
                let kind = AuthorityKind::of_key(&client.authority);
                let is_spiffe = kind == Some(AuthorityKind::Spiffe);
                self.put_some(name, is_spiffe.then_some(&client.subject));
            }
            Field::SpiffeBundleEndpoint => self.put_some(name, metadata.spiffe_bundle_endpoint.as_ref()),
            Field::ApplicationType => self.put_some(name, metadata.application_type),
            Field::RedirectUris => {
                let uris = Some(&answer.redirect_uris).filter(|uris| !uris.is_empty());
                self.put_some(name, uris);
            }
            Field::TokenEndpointAuthMethod => self.put(name, answer.token_endpoint_auth_method),
            Field::TokenEndpointAuthSigningAlg => {
                let registration = client.registration.as_ref();
                let algorithm = registration.and_then(|registration| registration.signing_algorithm.as_ref());
                self.put_some(name, algorithm);
            }
            Field::GrantTypes => self.put(name, &answer.grant_types),
            Field::ResponseTypes => self.put(name, &answer.response_types),
            Field::Scope => {
                let scope = Some(answer.scope.to_string()).filter(|scope| !scope.is_empty());
                self.put_some(name, scope);
            }
            Field::Jwks => self.put_some(name, metadata.jwks.as_ref()),
            Field::JwksUri => self.put_some(name, metadata.jwks_uri.as_ref()),
            Field::TlsClientCertificateBoundAccessTokens => self.put_demand(name, answer.must_bind_tokens),
            Field::RequirePushedAuthorizationRequests => self.put_demand(name, answer.must_push),
            Field::RequireSignedRequestObject => self.put_demand(name, answer.must_sign_requests),
            Field::DpopBoundAccessTokens => self.put_demand(name, answer.dpop_bound_access_tokens),
            // The software statement is not stored, see `Extra`.
            Field::SoftwareStatement => {}
        }
    }

    fn put_demand(&mut self, name: &str, is_demanded: bool) {
        self.put_some(name, is_demanded.then_some(true));
    }

    fn put(&mut self, name: &str, value: impl serde::Serialize) {
        self.0.insert(name.to_owned(), json!(value));
    }

    fn put_some(&mut self, name: &str, value: Option<impl serde::Serialize>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

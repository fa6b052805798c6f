//! What a registration answers: everything that holds, whether or not it was asked for. [RFC7591 §3.2.1]

use serde_json::{Map, Value, json};
use testudo_core::occasions::registered::Registered;
use testudo_core::policy::Policy;

/// What an answer carries besides what is registered.
pub(super) enum Extra<'a> {
    /// The statement, as it came: it is evidence of the moment, and kept nowhere. [RFC7591 §3.2.1]
    Statement(Option<&'a str>),
    /// Where and with what the client manages its registration. [RFC7592 §3]
    Management { uri: String, token: &'a str },
}

pub(super) fn render(registered: &Registered, extra: Extra<'_>) -> Vec<u8> {
    let (client, answer) = (&registered.client, &registered.answer);
    let mut body = Body::default();
    body.put("client_id", &client.client_id);
    body.put("client_id_issued_at", client.created.0);
    body.put("token_endpoint_auth_method", answer.token_endpoint_auth_method);
    body.put("grant_types", &answer.grant_types);
    body.put("response_types", &answer.response_types);
    body.put_some(
        "scope",
        Some(answer.scope.to_string()).filter(|scope| !scope.is_empty()),
    );
    let floors = [
        (
            "tls_client_certificate_bound_access_tokens",
            answer.must_bind_tokens,
        ),
        ("require_pushed_authorization_requests", answer.must_push),
        ("require_signed_request_object", answer.must_sign_requests),
    ];
    for (name, is_demanded) in floors {
        body.put_some(name, is_demanded.then_some(true));
    }
    let is_spiffe = client.subject.starts_with("spiffe://");
    body.put_some("spiffe_id", is_spiffe.then_some(&client.subject));

    let metadata = &client.metadata;
    let texts = [
        ("client_name", &metadata.client_name),
        ("client_uri", &metadata.client_uri),
        ("logo_uri", &metadata.logo_uri),
        ("tos_uri", &metadata.tos_uri),
        ("policy_uri", &metadata.policy_uri),
        ("software_id", &metadata.software_id),
        ("software_version", &metadata.software_version),
        ("jwks_uri", &metadata.jwks_uri),
        ("spiffe_bundle_endpoint", &metadata.spiffe_bundle_endpoint),
    ];
    for (name, text) in texts {
        body.put_some(name, text.as_ref());
    }
    for (name, text) in &metadata.tagged {
        body.put(name, text);
    }
    for (name, list) in [
        ("redirect_uris", &answer.redirect_uris),
        ("contacts", &metadata.contacts),
    ] {
        body.put_some(name, Some(list).filter(|list| !list.is_empty()));
    }
    body.put_some("application_type", metadata.application_type);
    body.put_some("jwks", metadata.jwks.as_ref());
    let registration = client.registration.as_ref();
    let algorithm = registration.and_then(|registration| registration.signing_algorithm.as_ref());
    body.put_some("token_endpoint_auth_signing_alg", algorithm);
    match extra {
        Extra::Statement(statement) => body.put_some("software_statement", statement),
        Extra::Management { uri, token } => {
            body.put("registration_client_uri", uri);
            body.put("registration_access_token", token);
        }
    }
    Value::Object(body.0).to_string().into_bytes()
}

/// Where a client manages its registration. [RFC7592 §3]
pub(super) fn client_uri(policy: &Policy, client_id: &str) -> String {
    let endpoint = policy.registration_endpoint().unwrap_or_default();
    format!("{endpoint}/{client_id}")
}

#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    fn put(&mut self, name: &str, value: impl serde::Serialize) {
        self.0.insert(name.to_owned(), json!(value));
    }

    fn put_some(&mut self, name: &str, value: Option<impl serde::Serialize>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

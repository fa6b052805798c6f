#![no_main]
//! Authorization requests and responses: the input is a query, a redirect URI and a code. A response changes nothing of
//! the redirect URI but its query or its fragment.

use libfuzzer_sys::fuzz_target;
use testudo_protocol::oauth::authorization::{
    AuthorizationOutcome, AuthorizationParameters, AuthorizationRequest, AuthorizationResponse, Delivery, ResponseMode,
    SentRequest,
};
use testudo_protocol::oauth::redirect_uri::form;
use testudo_protocol::oauth::{ErrorCode, Form, IssuerUrl, RedirectUri};

fuzz_target!(|parts: (&[u8], &str, &str, bool)| {
    let (query, uri, text, is_error) = parts;
    let mut response = None;
    if let Ok(sent) = Form::parse(query) {
        if let Err(error) = SentRequest::at_pushed_endpoint(&sent) {
            assert_eq!(error.code().status(), 400);
        }
        if let Err(error) = SentRequest::at_authorization_endpoint(&sent) {
            assert_eq!(error.code().status(), 400);
        }
        let parameters = AuthorizationParameters::parse(&sent);
        match AuthorizationRequest::parse(&parameters) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(request) => {
                let stored = serde_json::to_string(&request).expect("a request can be stored");
                let read: AuthorizationRequest = serde_json::from_str(&stored).expect("a stored request can be read");
                assert_eq!(read, request);
                assert_eq!(request.state.as_deref(), parameters.state_of_response());
            }
        }
        response = Some((
            parameters.mode_of_response(),
            parameters.state_of_response().map(str::to_owned),
        ));
    }
    if form(uri).is_err() {
        return;
    }
    let (mode, state) = response.unwrap_or_default();
    let to = RedirectUri::find(Some(uri), [uri]).expect("it is the registered one");
    let issuer = IssuerUrl::parse("https://as.example").expect("an issuer");
    let outcome = match is_error {
        true => AuthorizationOutcome::Error { code: ErrorCode::AccessDenied, description: text },
        false => AuthorizationOutcome::Code(text),
    };
    let state = state.as_deref();
    match (AuthorizationResponse { outcome, state, issuer: &issuer }).deliver(&to, mode) {
        Delivery::Form { action, .. } => assert!(mode == ResponseMode::FormPost && action == uri),
        Delivery::Redirect(location) => {
            let rest = location.strip_prefix(uri).expect("it begins with the redirect URI");
            assert!(rest.bytes().all(|byte| byte.is_ascii_graphic()));
            let added = match mode {
                ResponseMode::Fragment => rest.strip_prefix('#').expect("a fragment"),
                ResponseMode::Query | ResponseMode::FormPost => rest.trim_start_matches(['?', '&']),
            };
            assert!(!added.contains(['#', '?']));
            assert!(added.ends_with("iss=https%3A%2F%2Fas.example"));
        }
    }
});

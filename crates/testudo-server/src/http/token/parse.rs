//! What a token request asks for. How the client authenticates is parsed in `http/client/`.

use testudo_core::grants::{self, GrantRequest};
use testudo_core::rejection::{Rejection, RequestReason};
use testudo_protocol::oauth::Form;

/// Parses the grant, with the scope and resource that are asked for.
pub(super) fn parse(form: &Form, people_sign_in: bool) -> Result<GrantRequest, Rejection> {
    is_offered(form, people_sign_in)?;
    GrantRequest::parse(form)
}

/// Refuses the grants for which a person signs in, as long as people cannot: the metadata does not list them.
/// [RFC6749 §5.2]
fn is_offered(form: &Form, people_sign_in: bool) -> Result<(), Rejection> {
    let is_refused = |name: &&str| !grants::is_offered(name, people_sign_in);
    match form.get("grant_type").filter(is_refused) {
        Some(name) => Err(RequestReason::UnsupportedGrantType {
            found: name.to_owned(),
        }
        .into()),
        None => Ok(()),
    }
}

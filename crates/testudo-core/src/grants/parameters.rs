//! Request parameters that several grants have: `scope`, and `resource` with `audience`.

use crate::rejection::{Rejection, RequestReason};
use testudo_protocol::limits::RESOURCES_MAX;
use testudo_protocol::oauth::{Form, Resource, ScopeSet};

/// `scope`, by its syntax.
pub(super) fn parse_scope(form: &Form) -> Result<Option<ScopeSet>, Rejection> {
    form.get("scope")
        .map(|text| ScopeSet::parse(text).map_err(|why| RequestReason::MalformedScope(why).into()))
        .transpose()
}

/// `resource` and `audience` pass one gate (decision 0012), and a token has one audience.
pub(super) fn parse_resource(form: &Form) -> Result<Option<Resource>, Rejection> {
    let mut wanted: Option<Resource> = None;
    for text in form
        .all("resource")
        .chain(form.all("audience"))
        .take(RESOURCES_MAX + 1)
    {
        let resource = Resource::parse(text).map_err(RequestReason::MalformedResource)?;
        match &wanted {
            Some(known) if *known != resource => return Err(RequestReason::SeveralResources.into()),
            _ => wanted = Some(resource),
        }
    }
    Ok(wanted)
}

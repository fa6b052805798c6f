//! Every operation of the admin API, once: what is served is what is described.
//!
//! The table below is the router and, at `/admin/v1/openapi.json`, the OpenAPI document.

use super::reason::Reason;
use super::reply::{Done, Failure};
use super::{blocks, clients, events, explain, keys, rules, server, trust};
use crate::client_records::Swept;
use crate::state::app::App;
use crate::state::keys::ListedKey;
use axum::Router;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use testudo_core::administration::Access;
use testudo_core::records::{Block, Event};

/// One operation.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    /// What a token must be good for, over HTTP.
    access: Access,
    takes: Takes,
    gives: Describe,
    handler: MethodRouter<Arc<App>>,
}

type Describe = fn(&mut SchemaGenerator) -> Schema;

/// Where an operation's input is.
enum Takes {
    Nothing,
    Query(Describe),
    Body(Describe),
    /// Nothing is the same as `{}`.
    OptionalBody(Describe),
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    fn read<T: JsonSchema>(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Arc<App>>,
    ) -> Operation {
        Operation {
            method: "get",
            path,
            summary,
            access: Access::Read,
            takes: Takes::Nothing,
            gives: of::<T>,
            handler,
        }
    }

    fn act<T: JsonSchema>(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Arc<App>>,
    ) -> Operation {
        Operation {
            method: "post",
            access: Access::Write,
            ..Operation::read::<T>(path, summary, handler)
        }
    }

    /// Its input is too large or too private for a URL, but it changes nothing.
    fn ask<T: JsonSchema>(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Arc<App>>,
    ) -> Operation {
        Operation {
            access: Access::Read,
            ..Operation::act::<T>(path, summary, handler)
        }
    }

    fn by_query<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::Query(of::<T>),
            ..self
        }
    }

    fn by_body<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::Body(of::<T>),
            ..self
        }
    }

    fn by_optional_body<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::OptionalBody(of::<T>),
            ..self
        }
    }
}

fn operations() -> Vec<Operation> {
    use Operation as O;
    vec![
        O::read::<Value>(
            "/admin/v1/status",
            "What the server is doing.",
            get(server::status),
        ),
        O::act::<Done>(
            "/admin/v1/reload",
            "Apply the configuration file again, on every node.",
            post(server::reload),
        )
        .by_optional_body::<Reason>(),
        O::read::<Vec<trust::TrustView>>(
            "/admin/v1/trust",
            "Trust domains and their bundles.",
            get(trust::list),
        ),
        O::read::<trust::TrustView>("/admin/v1/trust/{name}", "One authority.", get(trust::show)),
        O::act::<Done>(
            "/admin/v1/trust/{name}/refresh",
            "Fetch its bundle now.",
            post(trust::refresh),
        )
        .by_optional_body::<Reason>(),
        O::act::<Done>(
            "/admin/v1/trust/{name}/accept",
            "Fetch its bundle now, and take what would be held back: a lower sequence than was taken, none after one, or, from a Workload API, no authority of a kind that was there.",
            post(trust::accept),
        )
        .by_optional_body::<Reason>(),
        O::act::<Done>(
            "/admin/v1/trust/{name}/disable",
            "Refuse it from the next request on.",
            post(trust::disable),
        )
        .by_optional_body::<Reason>(),
        O::act::<Done>(
            "/admin/v1/trust/{name}/enable",
            "Let it in again.",
            post(trust::enable),
        )
        .by_optional_body::<Reason>(),
        O::read::<Vec<rules::RuleView>>(
            "/admin/v1/rules",
            "Rules, in the order in which they govern.",
            get(rules::list),
        ),
        O::ask::<Vec<rules::Governed>>(
            "/admin/v1/rules/test",
            "Which rule governs an identity.",
            post(rules::test),
        )
        .by_body::<rules::Test>(),
        O::read::<clients::Page>("/admin/v1/clients", "Clients, page by page.", get(clients::list))
            .by_query::<clients::Filter>(),
        O::ask::<clients::ClientView>("/admin/v1/clients/show", "One client.", post(clients::show))
            .by_body::<clients::Named>(),
        O::act::<Done>(
            "/admin/v1/clients/freeze",
            "Refuse a client until it is thawed.",
            post(clients::freeze),
        )
        .by_body::<clients::Change>(),
        O::act::<Done>(
            "/admin/v1/clients/thaw",
            "Let a frozen client in again.",
            post(clients::thaw),
        )
        .by_body::<clients::Change>(),
        O::act::<Done>(
            "/admin/v1/clients/delete",
            "Remove a client.",
            post(clients::delete),
        )
        .by_body::<clients::Change>(),
        O::act::<Swept>(
            "/admin/v1/clients/sweep",
            "Remove idle clients now.",
            post(clients::sweep),
        )
        .by_body::<clients::SweepRequest>(),
        O::read::<Vec<Block>>(
            "/admin/v1/blocks",
            "Identities that are kept out.",
            get(blocks::list),
        ),
        O::act::<Done>(
            "/admin/v1/blocks",
            "Keep an identity or a pattern out.",
            post(blocks::block),
        )
        .by_body::<blocks::BlockRequest>(),
        O::act::<Done>(
            "/admin/v1/blocks/remove",
            "Let it in again.",
            post(blocks::unblock),
        )
        .by_body::<blocks::BlockRequest>(),
        O::read::<Vec<Event>>("/admin/v1/events", "Audit events.", get(events::list))
            .by_query::<events::Since>(),
        O::ask::<explain::Explanation>("/admin/v1/explain", "Walk a decision.", post(explain::explain))
            .by_body::<explain::Question>(),
        O::read::<Vec<ListedKey>>("/admin/v1/keys", "Signing keys.", get(keys::list)),
        O::act::<Done>(
            "/admin/v1/keys/rotate",
            "Make a signing key and publish it.",
            post(keys::rotate),
        )
        .by_body::<keys::Rotation>(),
        O::act::<Done>(
            "/admin/v1/keys/revoke",
            "Withdraw a signing key on every node at once.",
            post(keys::revoke),
        )
        .by_body::<keys::Revocation>(),
        O::read::<Value>("/admin/v1/openapi.json", "This document.", get(document)),
    ]
}

/// All of them.
pub(super) fn router() -> Router<Arc<App>> {
    operations().into_iter().fold(Router::new(), |router, operation| {
        router.route(operation.path, operation.handler)
    })
}

/// What the token of a request must be good for, by its method and the path of the table. What is not in the table
/// needs the most.
pub(super) fn access(method: &Method, path: Option<&str>) -> Access {
    static TABLE: LazyLock<HashMap<(&str, &str), Access>> = LazyLock::new(|| {
        let operations = operations().into_iter();
        operations
            .map(|operation| ((operation.method, operation.path), operation.access))
            .collect()
    });
    let method = match *method {
        // The router answers HEAD by the same handler.
        Method::GET | Method::HEAD => "get",
        Method::POST => "post",
        _ => return Access::Write,
    };
    let known = path.and_then(|path| TABLE.get(&(method, path)));
    known.copied().unwrap_or(Access::Write)
}

async fn document() -> axum::Json<Value> {
    axum::Json(openapi())
}

/// The OpenAPI document of the admin API.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let failure = of::<Failure>(&mut generator);
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let gives = (operation.gives)(&mut generator);
        let mut described = json!({
            "summary": operation.summary,
            "parameters": path_parameters(operation.path),
            // Over the socket nothing is needed, over HTTP a token with this scope value.
            "security": [{ "administrator": [operation.access.scope()] }, {}],
            "responses": {
                "200": answer("Done.", &gives),
                "default": answer("Not done, and what to do about it.", &failure),
            },
        });
        match operation.takes {
            Takes::Nothing => {}
            Takes::Query(describe) => {
                let schema = describe(&mut generator);
                // One parameter that is an object: in a query, its members are the parameters.
                described["parameters"] = json!([{ "name": "filter", "in": "query", "style": "form", "explode": true, "schema": schema }]);
            }
            Takes::Body(describe) => described["requestBody"] = body(&describe(&mut generator), true),
            Takes::OptionalBody(describe) => {
                described["requestBody"] = body(&describe(&mut generator), false);
            }
        }
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Testudo admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Over the admin socket, or over HTTP with an access token of an administrator or auditor for the issuer. `admin.write` implies `admin.read`.",
        },
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "administrator": { "type": "http", "scheme": "bearer" } },
        },
        "paths": paths,
    })
}

fn body(schema: &Schema, is_required: bool) -> Value {
    json!({ "required": is_required, "content": { "application/json": { "schema": schema } } })
}

fn answer(description: &str, schema: &Schema) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// `{name}` in a path.
fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_operations_need_read_and_all_others_need_write() {
        let needs = |method: Method, path: &str| access(&method, Some(path));
        for operation in operations() {
            let method = operation.method.to_uppercase().parse().unwrap();
            assert_eq!(
                needs(method, operation.path),
                operation.access,
                "{}",
                operation.path
            );
            assert!(
                operation.method == "post" || operation.access == Access::Read,
                "{}",
                operation.path
            );
        }
        let looks = [
            "/admin/v1/clients/show",
            "/admin/v1/explain",
            "/admin/v1/rules/test",
        ];
        for operation in operations().iter().filter(|operation| operation.method == "post") {
            let is_look = looks.contains(&operation.path);
            assert_eq!(operation.access == Access::Read, is_look, "{}", operation.path);
        }
        assert_eq!(needs(Method::HEAD, "/admin/v1/keys"), Access::Read);
        assert_eq!(needs(Method::GET, "/admin/v1/keys/rotate"), Access::Write);
        assert_eq!(needs(Method::DELETE, "/admin/v1/keys"), Access::Write);
        assert_eq!(access(&Method::GET, None), Access::Write);
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = openapi();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for rest in text.split("\"$ref\":\"").skip(1) {
            let reference = rest.split('"').next().unwrap();
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            assert!(schemas.contains_key(name), "{reference}");
        }
        assert!(schemas.contains_key("ClientView") && schemas.contains_key("Explanation"));
        assert_eq!(
            document["paths"]["/admin/v1/blocks"].as_object().unwrap().len(),
            2
        );
    }
}

//! The table of all operations of the admin API, from which the router and the OpenAPI document are made.
//!
//! The rows of a noun are in its file, beside the handlers. The OpenAPI document is served at
//! `/admin/v1/openapi.json`.

use super::input::Json;
use super::operation::{Operation, Takes, of};
use super::reply::ErrorBody;
use super::{
    blocks, clients, events, explain, grants, invitations, keys, rules, server, sessions, trust, users,
};
use crate::state::app::App;
use axum::Router;
use axum::http::Method;
use axum::routing::get;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use testudo_core::administration::Access;

/// All rows, noun by noun.
fn operations() -> Vec<Operation> {
    let document = Operation::read::<Value>("/admin/v1/openapi.json", "This document.", get(document));
    let nouns = [
        server::operations(),
        trust::operations(),
        rules::operations(),
        clients::operations(),
        blocks::operations(),
        users::operations(),
        invitations::operations(),
        sessions::operations(),
        grants::operations(),
        events::operations(),
        explain::operations(),
        keys::operations(),
        vec![document],
    ];
    nouns.into_iter().flatten().collect()
}

/// The router of all operations.
pub(super) fn router() -> Router<Arc<App>> {
    operations().into_iter().fold(Router::new(), |router, operation| {
        router.route(operation.path, operation.handler)
    })
}

/// True where an operation of the table has no query parameters.
pub(super) fn takes_no_query(method: &Method, path: Option<&str>) -> bool {
    static TABLE: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| {
        let operations = operations().into_iter();
        let without = operations.filter(|operation| !matches!(operation.takes, Takes::Query(_)));
        without
            .map(|operation| (operation.method, operation.path))
            .collect()
    });
    path.is_some_and(|path| TABLE.contains(&(name_of(method), path)))
}

/// The scope value that the token of a request needs, by its method and path. A request for an operation that is not in
/// the table needs `admin.write`.
pub(super) fn access(method: &Method, path: Option<&str>) -> Access {
    static TABLE: LazyLock<HashMap<(&str, &str), Access>> = LazyLock::new(|| {
        let operations = operations().into_iter();
        operations
            .map(|operation| ((operation.method, operation.path), operation.access))
            .collect()
    });
    let known = path.and_then(|path| TABLE.get(&(name_of(method), path)));
    known.copied().unwrap_or(Access::Write)
}

/// The name of a method in the table; empty for a method that no operation has.
fn name_of(method: &Method) -> &'static str {
    match *method {
        // The router answers HEAD by the same handler.
        Method::GET | Method::HEAD => "get",
        Method::POST => "post",
        _ => "",
    }
}

async fn document() -> Json<Value> {
    Json(openapi())
}

/// The OpenAPI document of the admin API.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let failure = of::<ErrorBody>(&mut generator);
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let gives = (operation.gives)(&mut generator);
        let mut described = json!({
            "operationId": operation_id(operation.method, operation.path),
            "summary": operation.summary,
            "parameters": path_parameters(operation.path),
            // Over HTTP a token with this scope value is needed, over the socket no token.
            "security": [{ "administrator": [operation.access.scope()] }, {}],
            "responses": { "200": answer("Done.", &gives) },
        });
        for (status, why) in operation.refusals() {
            described["responses"][status] = answer(why, &failure);
        }
        match operation.takes {
            Takes::Nothing => {}
            Takes::Query(describe) => {
                let schema = describe(&mut generator);
                described["parameters"] = query_parameters(schema, &mut generator);
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

/// The query parameters: the members of the type.
fn query_parameters(schema: Schema, generator: &mut SchemaGenerator) -> Value {
    let name = schema.get("$ref").and_then(Value::as_str);
    let name = name.and_then(|reference| reference.rsplit('/').next());
    // The document describes this type by its parameters, so its schema is removed.
    let own = name.and_then(|name| generator.definitions_mut().remove(name));
    let own = own.unwrap_or_else(|| schema.to_value());
    let members = own.get("properties").and_then(Value::as_object);
    let parameters = members.into_iter().flatten().map(|(name, schema)| {
        let mut schema = schema.clone();
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    });
    parameters.collect()
}

/// The `operationId`, from which code generators make the name of a function. Example: `get_trust_by_name`.
fn operation_id(method: &str, path: &str) -> String {
    let segments = path
        .split('/')
        .filter(|segment| !["", "admin", "v1"].contains(segment));
    let words = segments.map(|segment| match segment.strip_prefix('{') {
        Some(rest) => format!("by_{}", rest.trim_end_matches('}')),
        None => segment.replace('.', "_"),
    });
    std::iter::once(method.to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

/// The names in braces in a path, such as `{name}`.
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
        let reads = [
            "/admin/v1/clients/show",
            "/admin/v1/explain",
            "/admin/v1/rules/test",
            "/admin/v1/users/show",
        ];
        for operation in operations().iter().filter(|operation| operation.method == "post") {
            let is_read = reads.contains(&operation.path);
            assert_eq!(operation.access == Access::Read, is_read, "{}", operation.path);
        }
        assert_eq!(needs(Method::HEAD, "/admin/v1/keys"), Access::Read);
        assert_eq!(needs(Method::GET, "/admin/v1/keys/rotate"), Access::Write);
        assert_eq!(needs(Method::DELETE, "/admin/v1/keys"), Access::Write);
        assert_eq!(access(&Method::GET, None), Access::Write);
    }

    #[test]
    fn every_reference_in_the_document_has_a_schema() {
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

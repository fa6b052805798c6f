//! One operation of the admin API, as a row of a table. The file of each noun has its own rows, beside the handlers.

use crate::state::app::App;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::sync::Arc;
use testudo_core::administration::Access;

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// The scope value that a token needs, over HTTP.
    pub(super) access: Access,
    pub(super) takes: Takes,
    pub(super) gives: Describe,
    /// True where the operation fetches the keys of an authority from their publisher, which can fail.
    pub(super) asks_publisher: bool,
    pub(super) handler: MethodRouter<Arc<App>>,
}

pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// Where the input of an operation is.
pub(super) enum Takes {
    Nothing,
    Query(Describe),
    Body(Describe),
    /// A missing body is read as `{}`.
    OptionalBody(Describe),
}

pub(super) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    /// An operation that reads and takes no input.
    pub(super) fn read<T: JsonSchema>(
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
            asks_publisher: false,
            handler,
        }
    }

    /// The statuses of error answers, with their meaning.
    pub(super) fn refusals(&self) -> Vec<(&'static str, &'static str)> {
        let mut refusals = vec![
            (
                "400",
                "The input is not valid for this operation, or the change cannot be made.",
            ),
            ("401", "Over HTTP: no valid token of an administrator or auditor."),
            ("403", "Over HTTP: the token does not permit this operation."),
        ];
        let has_body = matches!(self.takes, Takes::Body(_) | Takes::OptionalBody(_));
        let has_filters = matches!(self.takes, Takes::Query(_));
        let names_something = has_body || has_filters || self.path.contains('{');
        if names_something {
            refusals.push(("404", "The client, authority, key or request does not exist."));
        }
        if self.access == Access::Write {
            refusals.push(("409", "The record was changed meanwhile: try again."));
        }
        if has_body {
            refusals.push(("413", "The body is larger than 2 MiB."));
        }
        if matches!(self.takes, Takes::Body(_)) {
            refusals.push(("415", "The body is not JSON."));
        }
        refusals.push(("500", "The server failed. The log has the reason."));
        if self.asks_publisher {
            refusals.push((
                "502",
                "The source of the keys did not answer, or its answer contains no valid keys: the earlier keys stay in force.",
            ));
        }
        refusals.push(("503", "The store cannot be reached, or is busy: try again."));
        refusals
    }

    /// An operation that changes something.
    pub(super) fn act<T: JsonSchema>(
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

    /// An operation that reads, but has its input in a body because it is too large or too private for a URL.
    pub(super) fn ask<T: JsonSchema>(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Arc<App>>,
    ) -> Operation {
        Operation {
            access: Access::Read,
            ..Operation::act::<T>(path, summary, handler)
        }
    }

    /// The operation with the status 502, for a source of keys that fails.
    pub(super) fn asking_a_publisher(self) -> Operation {
        Operation {
            asks_publisher: true,
            ..self
        }
    }

    /// The operation with its input in the query of the URL.
    pub(super) fn by_query<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::Query(of::<T>),
            ..self
        }
    }

    /// The operation with its input in the body.
    pub(super) fn by_body<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::Body(of::<T>),
            ..self
        }
    }

    /// The operation with its input in the body, which may be left out.
    pub(super) fn by_optional_body<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::OptionalBody(of::<T>),
            ..self
        }
    }
}

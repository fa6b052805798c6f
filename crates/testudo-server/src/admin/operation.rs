//! One operation of the admin API, as a row: each noun's file has its own rows, beside the handlers.

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
    /// What a token must be good for, over HTTP.
    pub(super) access: Access,
    pub(super) takes: Takes,
    pub(super) gives: Describe,
    /// It asks the publisher of an authority's keys, who may fail.
    pub(super) asks_publisher: bool,
    pub(super) handler: MethodRouter<Arc<App>>,
}

pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// Where an operation's input is.
pub(super) enum Takes {
    Nothing,
    Query(Describe),
    Body(Describe),
    /// A missing body is the same as `{}`.
    OptionalBody(Describe),
}

pub(super) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    /// It shows something.
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

    /// The errors that it answers besides 200, and when.
    pub(super) fn refusals(&self) -> Vec<(&'static str, &'static str)> {
        let mut refusals = vec![
            (
                "400",
                "The request is not what the operation takes, or cannot be done.",
            ),
            ("401", "Over HTTP: no valid token of an administrator or auditor."),
            ("403", "Over HTTP: the token is not good for this operation."),
        ];
        let has_body = matches!(self.takes, Takes::Body(_) | Takes::OptionalBody(_));
        let names_something = has_body || self.path.contains('{');
        if names_something {
            refusals.push(("404", "What the request names is not there."));
        }
        if self.access == Access::Write {
            refusals.push((
                "409",
                "The record changed meanwhile, or is held back: read it again.",
            ));
        }
        if has_body {
            refusals.push(("413", "The body is larger than 2 MiB."));
        }
        if matches!(self.takes, Takes::Body(_)) {
            refusals.push(("415", "The body is not JSON."));
        }
        refusals.push((
            "500",
            "The server could not do it, and the administrator can do nothing about it.",
        ));
        if self.asks_publisher {
            refusals.push((
                "502",
                "The source of the keys did not answer, or not with keys: what was held before stays in force.",
            ));
        }
        refusals.push(("503", "The store cannot be reached, or is busy: try again."));
        refusals
    }

    /// It changes something.
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

    /// Its input is too large or too private for a URL, but it changes nothing.
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

    /// It answers 502 where the publisher fails.
    pub(super) fn asking_a_publisher(self) -> Operation {
        Operation {
            asks_publisher: true,
            ..self
        }
    }

    /// Its input is in the query of the URL.
    pub(super) fn by_query<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::Query(of::<T>),
            ..self
        }
    }

    /// Its input is the body.
    pub(super) fn by_body<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::Body(of::<T>),
            ..self
        }
    }

    /// Its input is the body, which may be left out.
    pub(super) fn by_optional_body<T: JsonSchema>(self) -> Operation {
        Operation {
            takes: Takes::OptionalBody(of::<T>),
            ..self
        }
    }
}

//! The actor of a change: the verified administrator. Over HTTP it is the identity that the access token proves, at the
//! admin socket the process that connected. Nothing in the request itself names the actor.

use super::failure::Failure;
use super::reply::ErrorAnswer;
use crate::audit::Note;
use crate::change::Change;
use crate::peer::Peer;
use crate::state::app::App;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;
use testudo_core::Actor;

/// The administrator who sent the request.
pub(super) struct Administrator(Actor);

impl Administrator {
    /// Begins a change with this reason, after waiting for the lock of such changes.
    pub(super) async fn change<'a>(&'a self, app: &'a App, reason: Option<&'a str>) -> Change<'a> {
        Change::begin(app, self.because(reason)).await
    }

    /// The actor with the reason that the administrator gave.
    pub(super) fn because<'a>(&'a self, reason: Option<&'a str>) -> Note<'a> {
        Note {
            actor: &self.0,
            reason,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Administrator {
    type Rejection = ErrorAnswer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Administrator, ErrorAnswer> {
        if let Some(proven) = parts.extensions.get::<Actor>() {
            return Ok(Administrator(proven.clone()));
        }
        let process = parts.extensions.get::<Arc<Peer>>().and_then(|peer| peer.process);
        match process {
            Some(process) => Ok(Administrator(Actor::Process(process.owner()))),
            None => Err(ErrorAnswer {
                failure: Failure::NoAdministrator,
                error: "the operating system does not state which process is connected to the admin socket, so the event \
                        could not name the administrator: nothing was changed"
                    .into(),
                hint: None,
            }),
        }
    }
}

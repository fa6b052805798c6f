//! The actor of a change: the administrator that was verified. Over HTTP that is the identity of the access token, at
//! the socket the process that connected. The request itself never names the actor.

use super::reply::Failure;
use crate::audit::Note;
use crate::change::Change;
use crate::peer::Peer;
use crate::state::app::App;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::sync::Arc;
use testudo_core::Actor;

/// The administrator of this request.
pub(super) struct By(Actor);

impl By {
    /// Waits for the administrators' turn, to change something for this reason.
    pub(super) async fn change<'a>(&'a self, app: &'a App, reason: Option<&'a str>) -> Change<'a> {
        Change::begin(app, self.because(reason)).await
    }

    /// With the reason that the administrator gave.
    pub(super) fn because<'a>(&'a self, reason: Option<&'a str>) -> Note<'a> {
        Note {
            actor: &self.0,
            reason,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<By, Failure> {
        if let Some(proven) = parts.extensions.get::<Actor>() {
            return Ok(By(proven.clone()));
        }
        let process = parts.extensions.get::<Arc<Peer>>().and_then(|peer| peer.process);
        match process {
            Some(process) => Ok(By(Actor::Process(process.owner()))),
            None => Err(Failure {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "the system does not say which process is at the admin socket: nothing was changed, because \
                        the event could not name the administrator"
                    .into(),
                hint: None,
            }),
        }
    }
}

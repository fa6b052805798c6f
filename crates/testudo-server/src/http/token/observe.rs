//! Reports each token request to `testudo dev`, which prints it.

use crate::audit::RequestTrail;
use crate::state::app::App;
use crate::state::observer::Observation;

pub(super) fn observe(app: &App, trail: &RequestTrail<'_>, outcome: impl FnOnce() -> String) {
    if let Some(observer) = &app.observer {
        observer(&Observation {
            request_id: trail.id.to_owned(),
            identity: trail
                .identity
                .as_deref()
                .map(|identity| identity.subject.to_string()),
            outcome: outcome(),
        });
    }
}

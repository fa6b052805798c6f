//! The lines of audit events in the log: each event that is written has one.

use crate::state::app::App;
use testudo_core::Authority;
use testudo_core::records::{Batch, Event, EventClass};
use testudo_store::CommitError;

impl App {
    /// Commits a batch. Each of its events has its line in the log as soon as the batch is written.
    pub(crate) async fn commit(&self, mut batch: Batch) -> Result<(), CommitError> {
        let events = std::mem::take(&mut batch.events);
        self.store.commit(batch).await?;
        events.iter().for_each(log_event);
        Ok(())
    }
}

/// The line of an audit event: the second record beside the database.
pub(crate) fn log_event(event: &Event) {
    let kind = event.event;
    // Of a refusal the reason is the name of the rejection; of other events, what an administrator gave as the reason.
    let (rejection, reason) = match kind.class() == EventClass::Refused {
        true => (event.reason.as_deref(), None),
        false => (None, event.reason.as_deref()),
    };
    let authority = event.authority.as_deref().and_then(Authority::of_key);
    let trust_domain = authority.as_ref().and_then(Authority::trust_domain);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                event = kind.name(),
                request.id = event.request_id,
                client.id = event.client_id,
                authority = event.authority,
                trust_domain,
                identity = event.identity,
                door = event.door,
                rule = event.rule,
                rejection,
                reason,
                actor = event.actor,
                count = event.count,
                detail = event.detail,
                "{}",
                kind.name()
            )
        };
    }
    match kind.is_failure() {
        true => line!(error),
        false => line!(info),
    }
}

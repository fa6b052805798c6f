//! Reports the result of reading a TLS certificate of this server again.

use crate::audit::{Note, write_event};
use crate::state::app::App;
use crate::state::certificates::{Certificate, Renewal};
use testudo_core::records::EventKind;

/// Writes the log line and the event.
pub(crate) async fn tell_renewal(app: &App, certificate: &Certificate, renewal: Renewal, note: Note<'_>) {
    let section = certificate.section;
    let (kind, detail) = match renewal {
        Renewal::Unchanged | Renewal::StillKept => return,
        Renewal::Renewed(ends) => (EventKind::CertificateRenewed, format!("{section} ends at {ends}")),
        Renewal::Kept(why) => {
            let detail = format!("{section}: {why}; the certificate in force stays");
            (EventKind::CertificateRefused, detail)
        }
    };
    write_event(app, kind, |event| {
        event.detail = Some(detail);
        note.sign(event);
    })
    .await;
}

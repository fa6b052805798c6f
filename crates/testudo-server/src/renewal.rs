//! Reports the result of reading a TLS certificate of this server again.

use crate::audit::{Note, write_event};
use crate::state::app::App;
use crate::state::certificates::{Certificate, Renewal};
use crate::state::metrics::CertificateLabel;
use testudo_core::records::EventKind;

/// Writes the log line, the event and the metric.
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
    certificate_gauges(app);
    write_event(app, kind, |event| {
        event.detail = Some(detail);
        note.sign(event);
    })
    .await;
}

/// Sets the metric of when the certificates of this server end.
pub(crate) fn certificate_gauges(app: &App) {
    for certificate in app.certificates.all() {
        let label = CertificateLabel {
            section: certificate.section,
        };
        let ends = certificate.validity().not_after;
        app.metrics.certificate_expires.get_or_create(&label).set(ends.0);
    }
}

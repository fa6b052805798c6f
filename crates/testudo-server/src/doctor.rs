//! Tries everything that a configuration names, and says how it went.

use crate::admin;
use crate::config::{Configuration, TlsFiles};
use crate::database_clock;
use crate::open_store::{look_at_keys, look_at_store, look_for_encryption};
use crate::state::certificates::Certificate;
use crate::state::clock::Clock;
use crate::state::refused::RefusedRecord;
use crate::state::switches;
use crate::trust::{self, AuthorityStatus};
use serde::Serialize;
use testudo_core::CredentialKind;
use testudo_fetch::Network;
use testudo_protocol::Timestamp;

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was tried.
    pub subject: String,
    /// Whether it worked.
    pub is_good: bool,
    /// How it went.
    pub detail: String,
}

fn finding(subject: impl Into<String>, outcome: Result<String, String>) -> Finding {
    let is_good = outcome.is_ok();
    let detail = outcome.unwrap_or_else(|why| why);
    Finding {
        subject: subject.into(),
        is_good,
        detail,
    }
}

fn of_record(record: RefusedRecord) -> Finding {
    finding(
        format!("record {} {:?}", record.kind, record.key),
        Err(record.why),
    )
}

/// Tries clock, store, admin socket, TLS files, and each bundle source.
pub async fn examine(configuration: &Configuration) -> Vec<Finding> {
    let clock = Clock::default();
    let mut findings = vec![finding("clock", judge_clock(&clock))];
    let store = match look_at_store(configuration).await {
        Ok((store, what)) => {
            findings.push(finding("store", Ok(what)));
            let keys = look_at_keys(configuration, &store, clock.now()).await;
            let (keys, refused) = match keys {
                Ok((text, refused)) => (Ok(text), refused),
                Err(why) => (Err(why), Vec::new()),
            };
            findings.push(finding("key-encryption key", keys));
            if let Some(outcome) = database_clock::examine(&store, &clock).await {
                findings.push(finding("clock of the database", outcome));
            }
            findings.extend(refused.into_iter().map(of_record));
            match switches::load(&store).await {
                Ok((_, refused)) => findings.extend(refused.into_iter().map(of_record)),
                Err(fault) => findings.push(finding("switches and blocks", Err(fault.to_string()))),
            }
            Some(store)
        }
        Err(why) => {
            findings.push(finding("store", Err(why)));
            None
        }
    };
    let socket = admin::try_the_place(&configuration.admin.socket).await;
    findings.push(finding("admin socket", socket));
    // What is wrong with the key has been said.
    let encryption = look_for_encryption(configuration).ok().flatten();
    let tls = [
        ("server.tls", &configuration.server.tls),
        ("admin.tls", &configuration.admin.tls),
    ];
    for (section, files) in tls {
        if let Some(files) = files {
            let outcome = judge_certificate(section, files, clock.now());
            findings.push(finding(format!("TLS files of {section}"), outcome));
        }
    }
    let fetcher = match configuration.outbound.fetcher(Network::default()) {
        Ok(fetcher) => fetcher,
        Err(why) => {
            findings.push(finding("outbound TLS", Err(why)));
            return findings;
        }
    };
    for source in &configuration.bundles {
        let subject = format!("bundle of {}", source.authority);
        let bundle = match trust::look(source, &fetcher).await {
            Ok(bundle) => bundle,
            Err(why) => {
                findings.push(finding(subject, Err(why)));
                continue;
            }
        };
        let trusted = configuration.policy.authority(&source.authority);
        let takes = |kind| trusted.is_some_and(|trusted| trusted.credentials.contains(&kind));
        let keys = bundle.jwt_keys.len();
        let text = format!("{keys} JWT-SVID keys from {}", source.origin);
        let outcome = match keys == 0 && takes(CredentialKind::JwtSvid) {
            true => Err(format!("{text}: no JWT-SVID will be accepted")),
            false => Ok(text),
        };
        findings.push(finding(subject.clone(), outcome));
        if let (Some(store), Some(encryption)) = (&store, &encryption)
            && let Err(why) = trust::would_be_taken(source, &bundle, store, encryption).await
        {
            findings.push(finding(subject.clone(), Err(why)));
        }
        let authorities = trust::authorities(&bundle, clock.now());
        findings.extend(judge_authorities(
            &subject,
            &authorities,
            takes(CredentialKind::X509Svid),
        ));
        for ignored in bundle.ignored {
            findings.push(finding(subject.clone(), Ok(format!("ignored: {ignored}"))));
        }
    }
    findings
}

/// The X.509 authorities: those outside their validity, and whether any is left where the trust domain needs one.
fn judge_authorities(subject: &str, authorities: &[AuthorityStatus], is_needed: bool) -> Vec<Finding> {
    let (valid, others): (Vec<_>, Vec<_>) = authorities.iter().partition(|known| known.state == "valid");
    let ends = valid.iter().map(|known| known.valid_until.as_str()).min();
    let text = match ends {
        Some(ends) => format!(
            "{} X.509 authorities, the first of them ends at {ends}",
            valid.len()
        ),
        None => "no X.509 authority that is valid now".to_owned(),
    };
    let outcome = match (valid.is_empty(), is_needed) {
        (true, true) => Some(Err(format!("{text}: no X.509-SVID will be accepted"))),
        (true, false) => None,
        (false, _) => Some(Ok(text)),
    };
    let outside = others.into_iter().map(|known| {
        let (thumbprint, state) = (&known.thumbprint, known.state);
        let bound = match state {
            "ended" => format!("it ended at {}", known.valid_until),
            _ => format!("it is valid from {}", known.valid_from),
        };
        Ok(format!("ignored: X.509 authority {thumbprint}: {bound}"))
    });
    outcome
        .into_iter()
        .chain(outside)
        .map(|outcome| finding(subject, outcome))
        .collect()
}

/// Certificate and key fit together, and the certificate is valid now.
fn judge_certificate(section: &'static str, files: &TlsFiles, now: Timestamp) -> Result<String, String> {
    /// Renewal is usually done with a third of the life left; what has a week left was forgotten.
    const SOON: i64 = 7 * 86_400;
    let certificate = Certificate::read(section, files)?;
    let validity = certificate.validity();
    let (begins, ends) = (validity.not_before, validity.not_after);
    let name = files.certificate.display();
    if now < begins {
        return Err(format!("{name} is valid from {begins} only"));
    }
    if now >= ends {
        return Err(format!(
            "{name} ended at {ends}: replace it, it is read again without a restart"
        ));
    }
    let soon = if ends.0 - now.0 < SOON {
        ", which is soon"
    } else {
        ""
    };
    Ok(format!(
        "certificate and key fit together; it ends at {ends}{soon}"
    ))
}

/// The clock cannot be compared with anything here; a clock before the software was written is wrong.
fn judge_clock(clock: &Clock) -> Result<String, String> {
    const WRITTEN: i64 = 1_795_000_000;
    let now = clock.now();
    if now.0 < WRITTEN {
        Err(format!("{now} lies before this software was written"))
    } else {
        Ok(now.to_string())
    }
}

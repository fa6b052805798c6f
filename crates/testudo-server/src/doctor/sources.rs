//! Checks of the keys of each authority: they can be fetched from their source, the server would accept them, and each
//! kind of credential that the authority may issue can be verified with them.

use super::finding::{Finding, Outcome, Problem, finding, problem};
use super::store::Opened;
use crate::config::{BundleOrigin, BundleSource, Configuration};
use crate::state::clock::Clock;
use crate::trust::{self, AuthorityStatus, Looked, NoBundle};
use std::time::SystemTime;
use testudo_core::CredentialKind;
use testudo_fetch::Fetcher;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::Bundle;

/// The leeway of `nbf` and `iat`: if the clocks differ by more, SVIDs that were issued a moment ago are refused.
const CLOCK_DIFFERENCE_MAX: i64 = 30;

/// Input of the checks of all sources.
pub(super) struct Checked<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) opened: Option<&'a Opened>,
    pub(super) fetcher: &'a Fetcher,
    pub(super) clock: &'a Clock,
}

pub(super) async fn examine(checked: &Checked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &checked.configuration.bundles {
        let subject = format!("keys of {}", source.authority);
        match trust::look(source, checked.fetcher).await {
            Ok(looked) => findings.extend(check(checked, source, looked).await),
            Err(NoBundle::Malformed(error)) => {
                let text = format!("{}: {error}", source.origin);
                findings.push(finding(subject, Err(text.into())));
            }
            Err(NoBundle::Unreachable(why)) => {
                findings.push(finding(subject, Err(unreachable(source, &why))))
            }
        }
    }
    findings
}

fn unreachable(source: &BundleSource, why: &str) -> Problem {
    match &source.origin {
        BundleOrigin::File(_) => problem(
            why,
            "write the bundle of the trust domain into this file: `spire-server bundle show -format spiffe` prints it",
        ),
        BundleOrigin::HttpsWeb(url) => problem(
            format!("{url}: {why}"),
            "try the URL with curl from this machine; set `outbound.ca` for a private root certificate, `outbound.resolve` for the address of a host",
        ),
        BundleOrigin::WorkloadApi(socket) => problem(
            format!("{socket}: {why}"),
            "the SPIFFE agent must run on this machine, and this user must be able to open its socket",
        ),
    }
}

async fn check(checked: &Checked<'_>, source: &BundleSource, looked: Looked) -> Vec<Finding> {
    let subject = format!("keys of {}", source.authority);
    let Looked { bundle, date } = looked;
    let mut findings = credential_kinds(checked, source, &bundle);
    if let Some(Opened {
        store,
        encryption: Some(encryption),
    }) = checked.opened
        && let Err(why) = trust::would_be_taken(source, &bundle, store, encryption).await
    {
        findings.push(finding(&subject, Err(why.into())));
    }
    if let Some(date) = date {
        let name = format!("clock of the source of {}", source.authority);
        findings.push(finding(name, compare(checked.clock.now().0, date)));
    }
    let ended = trust::authorities(&bundle, checked.clock.now());
    let ended = ended.iter().filter(|known| known.state != "valid").map(outside);
    let ignored = bundle.ignored.iter().cloned();
    findings.extend(
        ended
            .chain(ignored)
            .map(|what| finding(&subject, Ok(format!("ignored: {what}")))),
    );
    findings
}

/// One finding per kind of credential that the authority may issue. A kind without usable keys is a failure also where
/// another kind has some: all requests with the kind without keys would be refused.
fn credential_kinds(checked: &Checked<'_>, source: &BundleSource, bundle: &Bundle) -> Vec<Finding> {
    let policy = checked.configuration.policy.authority(&source.authority);
    let kinds = policy.map_or(&[][..], |trusted| &trusted.credentials);
    let name = source.authority.name();
    let found = kinds.iter().filter_map(|kind| match kind {
        CredentialKind::JwtSvid => Some((*kind, tokens(source, bundle))),
        CredentialKind::X509Svid => {
            let accepts_jwt_svids = kinds.contains(&CredentialKind::JwtSvid);
            Some((*kind, certificates(checked, source, bundle, accepts_jwt_svids)))
        }
        // `check` reports WIT-SVIDs as not supported; the other two kinds are not issued by an authority.
        CredentialKind::WitSvid | CredentialKind::PrivateKeyJwt | CredentialKind::Public => None,
    });
    found
        .map(|(kind, outcome)| finding(format!("{kind} of {name}"), outcome))
        .collect()
}

fn tokens(source: &BundleSource, bundle: &Bundle) -> Outcome {
    let count = bundle.jwt_keys.len();
    if count > 0 {
        return Ok(format!("{count} JWT-SVID keys from {}", source.origin));
    }
    Err(none_usable(
        source,
        bundle,
        "0 JWT-SVID keys",
        "no JWT-SVID will be accepted",
        "jwt_svid",
    ))
}

fn certificates(
    checked: &Checked<'_>,
    source: &BundleSource,
    bundle: &Bundle,
    accepts_jwt_svids: bool,
) -> Outcome {
    let authorities = trust::authorities(bundle, checked.clock.now());
    let valid = authorities.iter().filter(|known| known.state == "valid");
    let ends = valid.clone().map(|known| known.valid_until.as_str()).min();
    let Some(ends) = ends else {
        return Err(none_usable(
            source,
            bundle,
            "no X.509 authority that is valid now",
            "no X.509-SVID will be accepted",
            "x509_svid",
        ));
    };
    let server = &checked.configuration.server;
    let forwards = server
        .proxy
        .as_ref()
        .is_some_and(crate::peer::Proxy::forwards_certificates);
    let found = format!(
        "{} X.509 authorities, the first of them expires at {ends}, from {}",
        valid.count(),
        source.origin
    );
    if server.tls.is_some() || forwards {
        return Ok(found);
    }
    let not_received = format!(
        "{found}; the server receives no client certificate, because neither server.tls nor a proxy that forwards certificates is configured"
    );
    match accepts_jwt_svids {
        // `check` warns of this configuration.
        true => Ok(not_received),
        false => Err(problem(
            not_received,
            "set server.tls, or server.proxy with client_certificate_header behind a TLS terminator",
        )),
    }
}

fn none_usable(source: &BundleSource, bundle: &Bundle, what: &str, follows: &str, kind: &str) -> Problem {
    let detail = format!("{what} from {}: {follows}", source.origin);
    let hint = match (bundle.of_other_protocols, bundle.is_empty_document()) {
        (_, true) => "the document lists no key, so no credential of the trust domain is accepted: have the trust domain publish its keys".to_owned(),
        (1.., false) if bundle.jwt_keys.is_empty() && bundle.x509_authorities.is_empty() => {
            "this is the key set of OpenID Connect or of another protocol: configure the SPIFFE bundle endpoint of the trust domain; `spire-server bundle show -format spiffe` prints its document".to_owned()
        }
        (_, false) => format!("remove \"{kind}\" from `credentials` of the trust domain, or have the trust domain publish keys of that kind"),
    };
    problem(detail, hint)
}

fn outside(known: &AuthorityStatus) -> String {
    let AuthorityStatus {
        thumbprint,
        valid_from,
        valid_until,
        state,
    } = known;
    match *state {
        "ended" => format!("X.509 authority {thumbprint}: it expired at {valid_until}"),
        _ => format!("X.509 authority {thumbprint}: it is valid from {valid_from}"),
    }
}

/// Compares the clock of this machine with the `Date` header of a bundle endpoint.
fn compare(now: i64, date: SystemTime) -> Outcome {
    let ahead = now - Timestamp::from(date).0;
    if ahead.abs() <= CLOCK_DIFFERENCE_MAX {
        return Ok("agrees with the clock of this machine".to_owned());
    }
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    Err(problem(
        format!(
            "this machine's clock is {} s {direction} it: valid SVIDs are refused as expired, or as not valid yet",
            ahead.abs()
        ),
        "run a time server on both machines",
    ))
}

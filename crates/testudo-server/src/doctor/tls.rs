//! Checks of TLS files: certificate and private key match, the certificate is valid now, its chain is complete and in
//! order, and it is issued for the host names that clients use.

use super::finding::{Finding, Outcome, finding, problem};
use crate::config::{Configuration, TlsFiles};
use crate::state::certificates::Certificate;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};
use testudo_protocol::Timestamp;
use testudo_protocol::certificate::{Issuance, Validity};
use url::Url;

/// Certificates are usually renewed when a third of their lifetime is left. With only a week left, a warning is due.
const SOON: i64 = 7 * 86_400;

pub(super) fn examine(configuration: &Configuration, now: Timestamp) -> Vec<Finding> {
    let server = &configuration.server;
    let mut findings = Vec::new();
    if let Some(files) = &server.tls {
        // Behind a proxy, clients verify the certificate of the proxy, not this one.
        let mut names = Vec::new();
        if server.proxy.is_none() {
            names.push(("issuer", configuration.policy.issuer.as_str()));
        }
        names.extend(
            server
                .mtls
                .iter()
                .map(|mtls| ("server.mtls.url", mtls.url.as_str())),
        );
        findings.extend(check("server.tls", files, &names, now));
    }
    if let Some(files) = &configuration.admin.tls {
        findings.extend(check("admin.tls", files, &[], now));
    }
    findings
}

fn check(section: &'static str, files: &TlsFiles, names: &[(&str, &str)], now: Timestamp) -> Vec<Finding> {
    let subject = format!("TLS files of {section}");
    let certificate = match Certificate::read(section, files) {
        Ok(certificate) => certificate,
        Err(why) => {
            let hint = format!(
                "{section} needs a PEM certificate chain with the leaf first, and the PEM private key of the leaf"
            );
            return vec![finding(subject, Err(problem(why, hint)))];
        }
    };
    let chain = certificate.chain();
    let file = files.certificate.display().to_string();
    let mut findings = vec![
        finding(subject, check_validity(&file, certificate.validity(), now)),
        finding(format!("chain of {section}"), check_chain(&file, &chain, now)),
    ];
    for (key, url) in names {
        let name = format!("name of {section} for {key}");
        findings.push(finding(name, check_name(&file, &chain, key, url)));
    }
    findings
}

fn check_validity(file: &str, validity: Validity, now: Timestamp) -> Outcome {
    let (begins, ends) = (validity.not_before, validity.not_after);
    if now < begins {
        return Err(problem(
            format!("{file} is not valid before {begins}"),
            "check the clock of this machine, or have the certificate issued again",
        ));
    }
    if now >= ends {
        return Err(problem(
            format!("{file} expired at {ends}"),
            "replace certificate and key: the server reads them again without a restart",
        ));
    }
    let soon = if ends.0 - now.0 < SOON {
        ", which is in less than a week: renew it"
    } else {
        ""
    };
    Ok(format!(
        "certificate and key match; the certificate expires at {ends}{soon}"
    ))
}

/// Each certificate of the file must be issued by the next one, and all of them must be valid.
fn check_chain(file: &str, chain: &[CertificateDer<'_>], now: Timestamp) -> Outcome {
    let mut issuances = Vec::new();
    for (at, der) in chain.iter().enumerate() {
        let Some(issuance) = Issuance::of(der) else {
            let text = format!("certificate {} of {file} cannot be read", at + 1);
            return Err(problem(text, "write the chain again, as the issuer sent it"));
        };
        issuances.push(issuance);
    }
    let broken = issuances.windows(2).position(|pair| match pair {
        [lower, upper] => !lower.may_be_issued_by(upper),
        _ => false,
    });
    if let Some(at) = broken {
        return Err(problem(
            format!(
                "certificate {} of {file} was not issued by certificate {}: clients cannot verify the chain",
                at + 1,
                at + 2
            ),
            "write the leaf first, then the intermediate that issued it, and so on",
        ));
    }
    if let Some(at) = issuances
        .iter()
        .skip(1)
        .position(|known| now >= known.validity.not_after)
    {
        return Err(problem(
            format!(
                "certificate {} of {file} has expired: clients cannot verify the chain",
                at + 2
            ),
            "replace this intermediate certificate by the current one of the issuer",
        ));
    }
    let Some(leaf) = issuances.first() else {
        return Err(format!("{file} has no certificate").into());
    };
    if leaf.is_authority {
        return Err(problem(
            format!(
                "{file} is a certificate of an authority (basicConstraints CA:TRUE), as `openssl req -x509` makes it: strict clients, such as the SDKs of this project, refuse it as a server certificate"
            ),
            "make a server certificate: `openssl req -x509 … -addext basicConstraints=critical,CA:FALSE`",
        ));
    }
    Ok(match (chain.len(), leaf.is_self_issued) {
        (1, true) => "one self-signed certificate: each client must have it as a trusted root".to_owned(),
        (1, false) => {
            "only the leaf, no intermediate is sent: clients must trust the authority that issued it directly"
                .to_owned()
        }
        (count, _) => format!("{count} certificates, each issued by the next"),
    })
}

/// The certificate must be issued for the host of the URL, because clients verify this name.
fn check_name(file: &str, chain: &[CertificateDer<'_>], key: &str, url: &str) -> Outcome {
    let host = Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let parsed = chain.first().map(ParsedCertificate::try_from);
    let (Ok(name), Some(Ok(leaf))) = (ServerName::try_from(bare), parsed) else {
        return Err(format!("{file}: its names cannot be compared with {host}").into());
    };
    match verify_server_name(&leaf, &name) {
        Ok(()) => Ok(format!("{file} is issued for {host}")),
        Err(_) => Err(problem(
            format!("{file} is not issued for {host}, the host of {key}: clients refuse it"),
            format!("have a certificate issued with {host} as subject alternative name"),
        )),
    }
}

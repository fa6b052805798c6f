//! TLS files: certificate and key fit, the certificate is valid now, its chain is whole and in order, and it is for the
//! names under which clients come.

use super::finding::{Finding, Outcome, finding, problem};
use crate::config::{Configuration, TlsFiles};
use crate::state::certificates::Certificate;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};
use testudo_protocol::Timestamp;
use testudo_protocol::certificate::{Issuance, Validity};
use url::Url;

/// Renewal is usually done with a third of the life left; what has a week left was forgotten.
const SOON: i64 = 7 * 86_400;

pub(super) fn examine(configuration: &Configuration, now: Timestamp) -> Vec<Finding> {
    let server = &configuration.server;
    let mut findings = Vec::new();
    if let Some(files) = &server.tls {
        // Behind a proxy, clients see the proxy's certificate.
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
        findings.extend(judge("server.tls", files, &names, now));
    }
    if let Some(files) = &configuration.admin.tls {
        findings.extend(judge("admin.tls", files, &[], now));
    }
    findings
}

fn judge(section: &'static str, files: &TlsFiles, names: &[(&str, &str)], now: Timestamp) -> Vec<Finding> {
    let subject = format!("TLS files of {section}");
    let certificate = match Certificate::read(section, files) {
        Ok(certificate) => certificate,
        Err(why) => {
            let hint = format!(
                "{section} needs a PEM certificate chain, leaf first, and the PEM private key of the leaf"
            );
            return vec![finding(subject, Err(problem(why, hint)))];
        }
    };
    let chain = certificate.chain();
    let file = files.certificate.display().to_string();
    let mut findings = vec![
        finding(subject, judge_end(&file, certificate.validity(), now)),
        finding(format!("chain of {section}"), judge_chain(&file, &chain, now)),
    ];
    for (key, url) in names {
        let name = format!("name of {section} for {key}");
        findings.push(finding(name, judge_name(&file, &chain, key, url)));
    }
    findings
}

fn judge_end(file: &str, validity: Validity, now: Timestamp) -> Outcome {
    let (begins, ends) = (validity.not_before, validity.not_after);
    if now < begins {
        return Err(problem(
            format!("{file} is valid from {begins} only"),
            "compare the clock of this machine, or have the certificate issued again",
        ));
    }
    if now >= ends {
        return Err(problem(
            format!("{file} ended at {ends}"),
            "replace certificate and key: they are read again without a restart",
        ));
    }
    let soon = if ends.0 - now.0 < SOON {
        ", which is soon: renew it"
    } else {
        ""
    };
    Ok(format!(
        "certificate and key fit together; it ends at {ends}{soon}"
    ))
}

/// Each certificate of the file was issued by the next one, and all of them are valid.
fn judge_chain(file: &str, chain: &[CertificateDer<'_>], now: Timestamp) -> Outcome {
    let mut issuances = Vec::new();
    for (at, der) in chain.iter().enumerate() {
        let Some(issuance) = Issuance::of(der) else {
            let text = format!("certificate {} of {file} cannot be read", at + 1);
            return Err(problem(text, "write the chain again, as the issuer gave it"));
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
                "certificate {} of {file} ended: clients cannot verify the chain",
                at + 2
            ),
            "replace the intermediate by the one that the issuer has now",
        ));
    }
    let Some(leaf) = issuances.first() else {
        return Err(format!("{file} has no certificate").into());
    };
    if leaf.is_authority {
        return Err(problem(
            format!(
                "{file} is the certificate of an authority (basicConstraints CA:TRUE), as `openssl req -x509` makes it: strict clients, the SDKs of this project among them, refuse it for a server"
            ),
            "have it issued for a server: `openssl req -x509 … -addext basicConstraints=critical,CA:FALSE`",
        ));
    }
    Ok(match (chain.len(), leaf.is_self_issued) {
        (1, true) => "one certificate, signed by itself: each client must be given it as a root".to_owned(),
        (1, false) => {
            "the leaf alone: clients must know the authority that issued it, no intermediate is sent"
                .to_owned()
        }
        (count, _) => format!("{count} certificates, each issued by the next"),
    })
}

/// Clients verify the name under which they come.
fn judge_name(file: &str, chain: &[CertificateDer<'_>], key: &str, url: &str) -> Outcome {
    let host = Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let parsed = chain.first().map(ParsedCertificate::try_from);
    let (Ok(name), Some(Ok(leaf))) = (ServerName::try_from(bare), parsed) else {
        return Err(format!("{file}: {host} cannot be compared with its names").into());
    };
    match verify_server_name(&leaf, &name) {
        Ok(()) => Ok(format!("{file} is for {host}")),
        Err(_) => Err(problem(
            format!("{file} is not for {host}, the host of {key}: clients refuse it"),
            format!("have a certificate issued with {host} as subject alternative name"),
        )),
    }
}

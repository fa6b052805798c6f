//! Checks of the keys of each authority: they can be fetched from their source, the server would accept them, and each
//! kind of credential that the authority may issue can be verified with them.

use super::finding::{Finding, Outcome, Problem, finding, problem};
use super::store::Opened;
use crate::config::{BundleOrigin, BundleSource, Configuration, EndpointKeys};
use crate::state::clock::Clock;
use crate::trust::{self, Asking, AuthorityStatus, NoKeys, SourceKeys};
use std::os::unix::fs::FileTypeExt as _;
use std::time::SystemTime;
use testudo_core::doors::AuthorityKeys;
use testudo_core::identity::VerifiedBy;
use testudo_core::policy::AuthorityPolicy;
use testudo_core::records::counted;
use testudo_core::{AuthorityKind, CredentialKind};
use testudo_fetch::Fetcher;
use testudo_protocol::Timestamp;

/// The leeway of `nbf` and `iat`: if the clocks differ by more, SVIDs that were issued a moment ago are refused.
const CLOCK_DIFFERENCE_MAX: i64 = 30;

/// Input of the checks of all sources.
pub(super) struct Checked<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) opened: Option<&'a Opened>,
    pub(super) fetcher: &'a Fetcher,
    pub(super) clock: &'a Clock,
}

impl Checked<'_> {
    fn asking(&self) -> Asking<'_> {
        Asking {
            sources: &self.configuration.bundles,
            fetcher: self.fetcher,
            now: self.clock.now(),
            stored: self
                .opened
                .and_then(|opened| Some((&opened.store, opened.encryption.as_ref()?))),
        }
    }
}

pub(super) async fn examine(checked: &Checked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &checked.configuration.bundles {
        let subject = format!("keys of {}", source.authority);
        let document = Published::of(source, checked.configuration);
        match trust::fetch_once(source, &checked.asking()).await {
            Ok(fetched) => findings.extend(check(checked, source, fetched).await),
            Err(NoKeys::Malformed(error)) => {
                findings.push(finding(subject, Err(malformed(source, &error, document))));
            }
            Err(NoKeys::Unreachable(why)) => {
                findings.push(finding(subject, Err(unreachable(source, &why, document))));
            }
        }
    }
    findings
}

/// Where an administrator finds the document with the keys of an authority.
#[derive(Clone, Copy)]
enum Published {
    /// By SPIRE.
    Spire,
    /// By the API server of a cluster.
    Cluster,
    /// At the `jwks_uri` of an issuer.
    Issuer,
}

impl Published {
    fn of(source: &BundleSource, configuration: &Configuration) -> Published {
        let policy = configuration.policy.authority(&source.authority);
        let is_cluster = policy.is_some_and(AuthorityPolicy::shares_issuer);
        match source.authority.kind() {
            AuthorityKind::Spiffe => Published::Spire,
            AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => {
                match is_cluster {
                    true => Published::Cluster,
                    false => Published::Issuer,
                }
            }
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Published::Spire => "`spire-server bundle show -format spiffe` prints it",
            Published::Cluster => "`kubectl get --raw /openid/v1/jwks` prints it",
            Published::Issuer => "it is the document at the jwks_uri of the issuer",
        }
    }
}

fn malformed(source: &BundleSource, error: &str, published: Published) -> Problem {
    let text = format!("{}: {error}", source.origin);
    // Some errors of the document name the remedy.
    if error.contains("spire-server") {
        return text.into();
    }
    let hint = match error.contains("private key") {
        true => {
            "remove the private members from the document and replace these keys: with them, each reader of the document can issue credentials".to_owned()
        }
        false => format!(
            "publish the document again as its authority writes it: {}",
            published.remedy()
        ),
    };
    problem(text, hint)
}

fn unreachable(source: &BundleSource, why: &str, published: Published) -> Problem {
    match &source.origin {
        BundleOrigin::File(_) => {
            let kind = source.authority.kind();
            let (document, noun, remedy) = (kind.document(), kind.noun(), published.remedy());
            problem(
                why,
                format!("write the {document} of the {noun} into this file: {remedy}"),
            )
        }
        BundleOrigin::HttpsWeb { roots, .. }
        | BundleOrigin::Discovery { roots, .. }
        | BundleOrigin::DidWeb { roots, .. }
        | BundleOrigin::JwtVcIssuer { roots, .. } => problem(
            format!("{}: {why}", source.origin),
            match roots {
                _ if why.contains(" answers 401") || why.contains(" answers 403") => match published {
                    Published::Cluster => {
                        "set `token` of the source to a token that the API server accepts, of an account with the cluster role system:service-account-issuer-discovery"
                    }
                    Published::Spire | Published::Issuer => {
                        "set `token` of the source to a token that this server accepts"
                    }
                },
                None => {
                    "try the URL with curl from this machine; set `ca` of the source for a private root certificate, `outbound.resolve` for the address of a host"
                }
                Some(_) => {
                    "try the URL with `curl --cacert` and the file `ca` of the source from this machine: its roots alone are trusted here; `outbound.resolve` is for the address of a host"
                }
            },
        ),
        BundleOrigin::HttpsSpiffe(endpoint) => problem(
            format!("{endpoint}: {why}"),
            match &endpoint.verified_with {
                _ if why.contains("cannot connect") => {
                    "try `openssl s_client -connect HOST:PORT` from this machine; if nothing answers, ask the operator of the endpoint and of the firewalls between; `outbound.resolve` is for the address of a host"
                }
                EndpointKeys::Own { .. } => {
                    "`openssl s_client -showcerts -connect HOST:PORT` shows the certificate of the server, whose only URI name must be endpoint_spiffe_id; if the trust domain replaced all its X.509 authorities while this server could not fetch them, write its bundle of today into the file `bootstrap`"
                }
                EndpointKeys::Of(_) => {
                    "`openssl s_client -showcerts -connect HOST:PORT` shows the certificate of the server, whose only URI name must be endpoint_spiffe_id; the bundle of the trust domain of that SPIFFE ID verifies it, and must be fetched first"
                }
            },
        ),
        // The DID itself is the document.
        BundleOrigin::Did(did) => problem(format!("{did}: {why}"), "set `issuer` to the DID of the issuer"),
        BundleOrigin::Certificates { .. } => problem(
            why,
            "write the certificates of the authorities that issue the certificate of the issuer into this file, as PEM",
        ),
        BundleOrigin::WorkloadApi(socket) if is_other_file(socket) => problem(
            format!("{socket} is a file and not a socket"),
            "set bundle.workload_api to the socket of the SPIFFE agent, such as unix:///run/spire/sockets/agent.sock",
        ),
        BundleOrigin::WorkloadApi(socket) => problem(
            format!("{socket}: {why}"),
            "the SPIFFE agent must run on this machine, and this user must be able to open its socket",
        ),
    }
}

/// True if a file is at the path of the socket, and is not a socket.
fn is_other_file(socket: &str) -> bool {
    let path = socket.trim_start_matches("unix:").trim_start_matches("//");
    let found = std::fs::metadata(path);
    found.is_ok_and(|found| !found.file_type().is_socket())
}

async fn check(checked: &Checked<'_>, source: &BundleSource, fetched: SourceKeys) -> Vec<Finding> {
    let subject = format!("keys of {}", source.authority);
    let SourceKeys { keys, date } = fetched;
    let mut findings = credential_kinds(checked, source, &keys);
    if let Some(Opened {
        store,
        encryption: Some(encryption),
    }) = checked.opened
        && let Err(why) = trust::check_sequence(source, &keys, store, encryption).await
    {
        findings.push(finding(&subject, Err(why.into())));
    }
    if let Some(date) = date {
        let name = format!("clock of the source of {}", source.authority);
        findings.push(finding(name, compare(checked.clock.now().0, date)));
    }
    let unused = unused(&keys, checked.clock.now());
    let lines = unused
        .iter()
        .map(|what| finding(&subject, Ok(format!("ignored: {what}"))));
    findings.extend(lines);
    findings
}

/// One finding per kind of credential that the authority may issue. A kind without usable keys is a failure also where
/// another kind has some: all requests with the kind without keys would be refused.
fn credential_kinds(checked: &Checked<'_>, source: &BundleSource, keys: &AuthorityKeys) -> Vec<Finding> {
    let policy = checked.configuration.policy.authority(&source.authority);
    let kinds = policy.map_or(&[][..], |trusted| &trusted.credentials);
    let name = source.authority.name();
    let accepts_tokens = kinds
        .iter()
        .any(|kind| kind.verified_by() == Some(VerifiedBy::TokenKeys));
    let found = kinds.iter().filter_map(|kind| match kind.verified_by() {
        Some(VerifiedBy::TokenKeys) => Some((*kind, tokens(*kind, source, keys))),
        Some(VerifiedBy::WitKeys) => Some((*kind, wit_keys(*kind, source, keys))),
        Some(VerifiedBy::Certificates) => Some((*kind, certificates(checked, source, keys, accepts_tokens))),
        // `check` reports kinds without a door as not supported; the others are not issued by an authority.
        Some(VerifiedBy::ClientKeys) | None => None,
    });
    found
        .map(|(kind, outcome)| finding(format!("{kind} of {name}"), outcome))
        .collect()
}

fn tokens(kind: CredentialKind, source: &BundleSource, keys: &AuthorityKeys) -> Outcome {
    let noun = match keys {
        AuthorityKeys::Bundle(_) => "JWT-SVID",
        AuthorityKeys::Keys(_) | AuthorityKeys::Certificates(_) => "token",
    };
    let authorities = keys.issuer_authorities().count();
    if authorities > 0 {
        let found = counted(authorities, "certificate authority");
        return Ok(format!("{found} from {}", source.origin));
    }
    let found = counted(keys.token_keys().len(), &format!("{noun} key"));
    if !keys.token_keys().is_empty() {
        return Ok(format!("{found} from {}", source.origin));
    }
    let follows = format!("no {noun} will be accepted");
    Err(none_usable(
        source,
        keys,
        keys.ignored(),
        kind,
        format!("{found} from {}: {follows}", source.origin),
    ))
}

fn wit_keys(kind: CredentialKind, source: &BundleSource, keys: &AuthorityKeys) -> Outcome {
    let found = keys.bundle().map_or(0, |bundle| bundle.wit_keys.len());
    let found = counted(found, "WIT-SVID key");
    if keys.can_verify(VerifiedBy::WitKeys, Timestamp(0)) {
        return Ok(format!("{found} from {}", source.origin));
    }
    let detail = format!("{found} from {}: no WIT-SVID will be accepted", source.origin);
    Err(none_usable(source, keys, keys.ignored(), kind, detail))
}

fn certificates(
    checked: &Checked<'_>,
    source: &BundleSource,
    keys: &AuthorityKeys,
    accepts_tokens: bool,
) -> Outcome {
    let authorities = trust::authorities(keys, checked.clock.now());
    let valid = authorities.iter().filter(|known| known.state == "valid");
    let ends = valid.clone().map(|known| known.valid_until.as_str()).min();
    let Some(ends) = ends else {
        return Err(none_usable(
            source,
            keys,
            &unused(keys, checked.clock.now()),
            CredentialKind::X509Svid,
            format!(
                "no X.509 authority that is valid now from {}: no X.509-SVID will be accepted",
                source.origin
            ),
        ));
    };
    let server = &checked.configuration.server;
    let forwards = server
        .proxy
        .as_ref()
        .is_some_and(crate::peer::Proxy::forwards_certificates);
    let found = format!(
        "{}, valid until {ends}, from {}",
        counted(valid.count(), "X.509 authority"),
        source.origin
    );
    if server.tls.is_some() || forwards {
        return Ok(found);
    }
    let not_received = format!(
        "{found}; the server receives no client certificate, because neither server.tls nor a proxy that forwards certificates is configured"
    );
    match accepts_tokens {
        // `check` warns of this configuration.
        true => Ok(not_received),
        false => Err(problem(
            not_received,
            "set server.tls, or server.proxy with client_certificate_header behind a TLS terminator",
        )),
    }
}

fn none_usable(
    source: &BundleSource,
    keys: &AuthorityKeys,
    unused: &[String],
    kind: CredentialKind,
    mut detail: String,
) -> Problem {
    let noun = source.authority.kind().noun();
    let is_issuer = source.authority.kind() == AuthorityKind::Issuer;
    // True for a key set of another protocol, of which nothing can be used in a bundle.
    let is_no_bundle = keys.bundle().is_some_and(|bundle| {
        bundle.of_other_protocols > 0
            && keys.signing_keys().next().is_none()
            && bundle.x509_authorities.is_empty()
    });
    if !is_no_bundle && !unused.is_empty() {
        detail.push_str("; not used: ");
        detail.push_str(&some_of(unused));
    }
    let hint = match (is_no_bundle, keys.is_empty_document()) {
        (_, true) => format!("the document lists no key, so no credential of the {noun} is accepted: have the {noun} publish its keys"),
        (true, false) => {
            "this is the key set of OpenID Connect or of another protocol: configure the SPIFFE bundle endpoint of the trust domain; `spire-server bundle show -format spiffe` prints its document".to_owned()
        }
        // An [[issuers]] entry has one kind of credential, and no `credentials`.
        (false, false) if is_issuer => format!("have the {noun} publish a key that signs its tokens and can be used: with a kid, and of an accepted algorithm"),
        (false, false) if !unused.is_empty() => format!("have the {noun} publish a key that can be used in place of those that are named here; if it issues no {kind}, remove \"{kind}\" from its `credentials`"),
        (false, false) => format!("remove \"{kind}\" from `credentials` of the {noun}, or have the {noun} publish keys of that kind"),
    };
    problem(detail, hint)
}

/// The first of these texts, and how many more there are: `doctor` prints each of them on a line of its own.
fn some_of(unused: &[String]) -> String {
    const SHOWN_MAX: usize = 3;
    let shown = unused
        .iter()
        .take(SHOWN_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    match unused.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// The keys of the document that are not used, each with the reason: X.509 authorities outside of their validity, and
/// keys that cannot be read or have another purpose.
fn unused(keys: &AuthorityKeys, now: Timestamp) -> Vec<String> {
    let authorities = trust::authorities(keys, now);
    let outside = authorities
        .iter()
        .filter(|known| known.state != "valid")
        .map(outside);
    outside.chain(keys.ignored().iter().cloned()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KeyChanges;
    use testudo_core::Authority;
    use testudo_protocol::Seconds;

    #[test]
    fn hint_for_an_unreadable_file_names_the_document_that_the_kind_of_authority_publishes() {
        for (key, published, hint) in [
            (
                "spiffe://a.example",
                Published::Spire,
                "write the bundle of the trust domain into this file: `spire-server bundle show -format spiffe` prints it",
            ),
            (
                "ci:",
                Published::Issuer,
                "write the JWK Set of the issuer into this file: it is the document at the jwks_uri of the issuer",
            ),
            (
                "k:",
                Published::Cluster,
                "write the JWK Set of the issuer into this file: `kubectl get --raw /openid/v1/jwks` prints it",
            ),
        ] {
            let source = BundleSource {
                authority: Authority::of_key(key).unwrap(),
                origin: BundleOrigin::File("keys.json".into()),
                max_staleness: Seconds(3600),
                key_changes: KeyChanges::default(),
            };
            let found = finding("keys", Err(unreachable(&source, "it is a folder", published)));
            assert_eq!(
                (found.detail.as_str(), found.hint.as_deref()),
                ("it is a folder", Some(hint))
            );
        }
    }
}

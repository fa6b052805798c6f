//! `[[clients]]`: how the client authenticates, with the keys or names that its method needs.

use super::checker::Checker;
use super::clients::ClientSection;
use super::pem_files;
use testudo_core::CredentialKind;
use testudo_core::identity::SenderConstraint;
use testudo_core::metadata::keys::certificates;
use testudo_core::policy::ClientMethod;
use testudo_protocol::client_certificate::{ClientAuthorities, ExpectedName};
use testudo_protocol::distinguished_name::DistinguishedName;
use testudo_protocol::oauth::{GRANT_AUTHORIZATION_CODE, GRANT_CLIENT_CREDENTIALS};

impl ClientSection {
    /// How the client authenticates; `None` if the configuration has no such method.
    fn method(&self) -> Option<CredentialKind> {
        let text = self.token_endpoint_auth_method.as_deref();
        let kinds = [
            CredentialKind::PrivateKeyJwt,
            CredentialKind::TlsClientAuth,
            CredentialKind::SelfSignedTlsClientAuth,
            CredentialKind::Public,
        ];
        let named = text.unwrap_or(CredentialKind::PrivateKeyJwt.auth_method());
        kinds.into_iter().find(|kind| kind.auth_method() == named)
    }

    /// True if the client has no credential.
    fn is_public(&self) -> bool {
        self.method() == Some(CredentialKind::Public)
    }

    /// The grants of the entry. The default is what a client of this method can use without further keys.
    pub(super) fn grant_types(&self) -> Option<Vec<String>> {
        let of_public = || {
            self.is_public()
                .then(|| vec![GRANT_AUTHORIZATION_CODE.to_owned()])
        };
        self.grant_types.clone().or_else(of_public)
    }

    /// True if the client must present a certificate: as its credential, or to have tokens bound to it. [RFC8705 §4]
    pub(super) fn needs_certificates(&self) -> bool {
        self.method().is_some_and(CredentialKind::is_certificate) || self.must_bind_to_certificate()
    }

    /// True for a client without a credential whose tokens must be bound to a certificate. [RFC8705 §4]
    pub(super) fn must_bind_to_certificate(&self) -> bool {
        self.is_public() && self.sender_constraint == Some(SenderConstraint::Mtls)
    }

    /// True for a client without a credential whose tokens may be bound to a certificate, or must be.
    pub(super) fn takes_certificates(&self) -> bool {
        self.is_public()
            && self
                .sender_constraint
                .is_some_and(SenderConstraint::takes_certificates)
    }

    /// The members of which `tls_client_auth` needs exactly one. [RFC8705 §2.1.2]
    fn names(&self) -> [(&'static str, Option<&str>); 5] {
        [
            (
                "tls_client_auth_subject_dn",
                self.tls_client_auth_subject_dn.as_deref(),
            ),
            ("tls_client_auth_san_dns", self.tls_client_auth_san_dns.as_deref()),
            ("tls_client_auth_san_uri", self.tls_client_auth_san_uri.as_deref()),
            ("tls_client_auth_san_ip", self.tls_client_auth_san_ip.as_deref()),
            (
                "tls_client_auth_san_email",
                self.tls_client_auth_san_email.as_deref(),
            ),
        ]
    }
}

impl Checker<'_> {
    pub(super) fn client_method(&mut self, key: &str, section: &ClientSection) -> Option<ClientMethod> {
        let method = section.method();
        if method != Some(CredentialKind::TlsClientAuth) {
            let names = section.names().into_iter();
            let all = names.chain([("tls_client_ca", section.tls_client_ca.as_deref())]);
            for (name, _) in all.filter(|(_, text)| text.is_some()) {
                let hint = Some("remove it, or set token_endpoint_auth_method = \"tls_client_auth\"");
                self.report
                    .error(format!("{key}.{name}"), "is for tls_client_auth only", hint);
            }
        }
        if method == Some(CredentialKind::TlsClientAuth) {
            return self.tls_client_auth(key, section);
        }
        if method == Some(CredentialKind::Public) {
            self.public_client(key, section);
            return Some(ClientMethod::Public);
        }
        if method.is_none() {
            self.report.error(
                format!("{key}.token_endpoint_auth_method"),
                "must be \"private_key_jwt\", \"tls_client_auth\", \"self_signed_tls_client_auth\" or \"none\": this server has no client secrets",
                None,
            );
        }
        let (keys, jwks) = self.client_keys(key, section.jwks.as_ref())?;
        if method != Some(CredentialKind::SelfSignedTlsClientAuth) {
            return Some(ClientMethod::PrivateKeyJwt(keys.into()));
        }
        let known = certificates(&jwks);
        if known.is_empty() {
            let hint = Some("add x5c = [\"BASE64 OF THE DER CERTIFICATE\"] to the key of this certificate");
            let problem = "has no key whose x5c begins with a certificate of this key";
            self.report.error(format!("{key}.jwks"), problem, hint);
            return None;
        }
        Some(ClientMethod::SelfSigned(known))
    }

    /// Reports the keys that have no effect for a client without a credential, or are dangerous.
    fn public_client(&mut self, key: &str, section: &ClientSection) {
        let with_keys = Some(
            "remove it, or remove token_endpoint_auth_method: a client with keys authenticates with them",
        );
        if section.jwks.is_some() {
            let problem = "has no effect with token_endpoint_auth_method = \"none\"";
            self.report.error(format!("{key}.jwks"), problem, with_keys);
        }
        if !section.attested_by.is_empty() {
            let problem =
                "needs a client that authenticates: an attestation is sent beside its own credential";
            let hint = Some("attested clients without keys of their own need no entry, but a rule");
            self.report.error(format!("{key}.attested_by"), problem, hint);
        }
        // [RFC6749 §4.4]
        let of_itself = section.grant_types.iter().flatten();
        if of_itself.clone().any(|grant| grant == GRANT_CLIENT_CREDENTIALS) {
            let problem = "has \"client_credentials\", which needs a client that authenticates";
            self.report.error(
                format!("{key}.grant_types"),
                problem,
                Some("give the client keys (private_key_jwt), or remove this grant"),
            );
        }
        // [RFC6749 §3.1.2.2]
        if section.redirect_uris.is_empty() && !self.report.is_unread(&format!("{key}.redirect_uris")) {
            let problem = "is required for a client without a credential: it can use codes only";
            let hint =
                Some("for a program on the device of a person: \"http://127.0.0.1/callback\", with any port");
            self.report.error(format!("{key}.redirect_uris"), problem, hint);
        }
    }

    fn tls_client_auth(&mut self, key: &str, section: &ClientSection) -> Option<ClientMethod> {
        if section.jwks.is_some() {
            let hint = Some("remove it, or set token_endpoint_auth_method = \"self_signed_tls_client_auth\"");
            self.report
                .error(format!("{key}.jwks"), "has no effect with tls_client_auth", hint);
        }
        let authorities = self.client_authorities(key, section.tls_client_ca.as_deref());
        let written = section.names().into_iter();
        let written: Vec<_> = written.filter_map(|(name, text)| Some((name, text?))).collect();
        let [(name, text)] = written.as_slice() else {
            let problem = "needs exactly one of tls_client_auth_subject_dn, tls_client_auth_san_dns, \
                           tls_client_auth_san_uri, tls_client_auth_san_ip, tls_client_auth_san_email";
            self.report.error(key, problem, None);
            return None;
        };
        match expected_name(name, text) {
            Ok(name) => Some(ClientMethod::TlsClientAuth(authorities?, name)),
            Err((problem, hint)) => {
                self.report
                    .error(format!("{key}.{name}"), format!("{text:?} {problem}"), hint);
                None
            }
        }
    }

    fn client_authorities(&mut self, key: &str, file: Option<&str>) -> Option<ClientAuthorities> {
        let key = format!("{key}.tls_client_ca");
        let Some(file) = file else {
            let hint =
                Some("write the PEM file with the authorities that issue the certificates of this client");
            self.report.error(key, "is required for tls_client_auth", hint);
            return None;
        };
        let path = self.path(file);
        let pem = self.certificates(&key, &path)?;
        // `certificates` reported what cannot be read.
        let read = pem_files::certificates(&pem).unwrap_or_default();
        let ders: Vec<Vec<u8>> = read.iter().map(|der| der.to_vec()).collect();
        match ClientAuthorities::new(&ders) {
            Ok(authorities) => Some(authorities),
            Err(position) => {
                let problem = format!(
                    "{}: certificate {} is no certificate authority",
                    path.display(),
                    position + 1
                );
                let hint =
                    Some("the file must have the certificates that sign those of the client, and no others");
                self.report.error(key, problem, hint);
                None
            }
        }
    }
}

type NameFault = (String, Option<&'static str>);

fn expected_name(name: &str, text: &str) -> Result<ExpectedName, NameFault> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if name == "tls_client_auth_subject_dn" {
        let hint = "print it with: openssl x509 -noout -subject -nameopt RFC2253";
        let parsed = DistinguishedName::parse(text);
        return parsed
            .map(ExpectedName::Subject)
            .map_err(|error| (error.to_string(), Some(hint)));
    }
    if name == "tls_client_auth_san_ip" {
        let address = text.parse().map_err(|_| ("is no IP address".to_owned(), None))?;
        return Ok(ExpectedName::Ip(address));
    }
    if !is_plain {
        return Err(("must be printable ASCII without spaces".to_owned(), None));
    }
    match name {
        "tls_client_auth_san_dns" if text.contains('*') => {
            Err(("has a wildcard: names are compared as a whole".to_owned(), None))
        }
        "tls_client_auth_san_dns" => Ok(ExpectedName::Dns(text.to_owned())),
        "tls_client_auth_san_email" if !text.contains('@') => Err(("is no email address".to_owned(), None)),
        "tls_client_auth_san_email" => Ok(ExpectedName::Email(text.to_owned())),
        // A SPIFFE ID is verified with the authorities of its own trust domain only.
        _ if text
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:")) =>
        {
            Err((
                "is a SPIFFE ID, which only authorities of its trust domain may certify".to_owned(),
                Some("add \"x509_svid\" to credentials of the [[trust_domains]] entry, and write a rule"),
            ))
        }
        _ if !text.contains(':') => Err(("is no URI".to_owned(), None)),
        _ => Ok(ExpectedName::Uri(text.to_owned())),
    }
}

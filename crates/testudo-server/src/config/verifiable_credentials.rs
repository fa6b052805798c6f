//! `[[issuers]]` entries with `kind = "verifiable_credential"`: whose credentials register clients, and what they may
//! state about them.

use super::checker::Checker;
use super::issuer_entry::IssuerKind;
use super::issuers::{IssuerEntry, IssuerSection, Issuers};
use testudo_core::identity::CredentialFormat;
use testudo_core::policy::{AuthorityPolicy, AuthorityUse, Unbound, VerifiableCredentialPolicy};
use testudo_core::rules::FirstUse;
use testudo_core::{Authority, CredentialKind};
use testudo_protocol::credentials::did::Did;

/// The kind.
pub(super) const KIND: IssuerKind = IssuerKind {
    name: "verifiable_credential",
    credential: CredentialKind::VerifiableCredential,
    uses: &[AuthorityUse::Registration],
    keys: &[
        "types",
        "formats",
        "attests",
        "holder_binding",
        "attesters",
        "unbound",
        "status",
        "status_origins",
        "status_max_stale",
        "lifetime_max",
        "challenge",
    ],
    has_documents: true,
    add: |checker, entry, policy, _| checker.verifiable_credentials(entry, policy),
};

/// The formats of an entry that names none. Credentials of data model 1.1 have no `typ` of their own, so they are
/// accepted only if an entry names them.
const FORMATS: [CredentialFormat; 2] = [CredentialFormat::SdJwtVc, CredentialFormat::VcJwt];

/// The type that every W3C credential has.
const EVERY_CREDENTIAL: &str = "VerifiableCredential";

impl Checker<'_> {
    fn verifiable_credentials(&mut self, entry: IssuerEntry<'_>, policy: AuthorityPolicy) -> AuthorityPolicy {
        let IssuerEntry { key, section, .. } = entry;
        self.issuer_of_credentials(key, section);
        if section.first_use.is_some() {
            let problem =
                "has no effect: the clients of this issuer register at the registration endpoint only";
            self.report
                .warn(format!("{key}.first_use"), problem, Some("remove it"));
        }
        if !section.attested_metadata.is_empty() {
            let problem = "has no effect for kind \"verifiable_credential\"";
            let hint = Some("list the members in `attests`");
            self.report
                .warn(format!("{key}.attested_metadata"), problem, hint);
        }
        let attests = section.attests.as_deref().unwrap_or_default();
        self.may_be_attested(
            &format!("{key}.attests"),
            attests,
            &["jwks", "token_endpoint_auth_method"],
        );
        let verifiable = VerifiableCredentialPolicy {
            types: self.types(key, section),
            formats: self.formats(key, section),
            holder_binding: section.holder_binding.unwrap_or_default(),
            unbound: self.unbound(key, section),
            attesters: named_attesters(section).collect(),
        };
        AuthorityPolicy {
            // `jwks`: for credentials that name no key of a holder.
            attested_metadata: section.attests.clone().unwrap_or_default(),
            verifiable: Some(Box::new(verifiable)),
            status: self.status_policy(key, section),
            first_use: FirstUse::Off,
            ..policy
        }
    }

    /// `attesters`: attesters, which may be written after the entry.
    pub(super) fn attesters_of_credentials(&mut self, sections: &[IssuerSection], found: &Issuers) {
        for (position, section) in sections.iter().enumerate() {
            let key = format!("issuers[{position}].attesters");
            let names = section.attesters.as_deref().unwrap_or_default();
            for (entry, name) in names.iter().enumerate() {
                if Authority::issuer(name).is_none() {
                    let problem = format!("{name:?} is not the name of an issuer");
                    self.report.error(format!("{key}[{entry}]"), problem, None);
                }
            }
            self.attesters_are_configured(&key, names, &found.policies);
        }
    }

    /// `issuer`: what `iss` or `issuer` of the credentials is, byte for byte.
    fn issuer_of_credentials(&mut self, key: &str, section: &IssuerSection) {
        self.issuer_is_written(key, section);
        let Some(issuer) = section.issuer.as_deref().filter(|issuer| !issuer.is_empty()) else {
            return;
        };
        let key = format!("{key}.issuer");
        if issuer.starts_with("did:") {
            if let Err(why) = Did::parse(issuer) {
                self.report.error(key, format!("{issuer:?} {why}"), None);
            }
            return;
        }
        let url = url::Url::parse(issuer).ok().filter(|url| url.scheme() == "https");
        if url.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            let problem = format!("{issuer:?} is neither an https URL without query and fragment nor a DID");
            let hint = Some("write the `iss` or `issuer` of the credentials, exactly as they have it");
            self.report.error(key, problem, hint);
        }
    }

    /// `types`: an issuer may state only these.
    fn types(&mut self, key: &str, section: &IssuerSection) -> Vec<String> {
        let key = format!("{key}.types");
        let types = section.types.clone().unwrap_or_default();
        if types.is_empty() && !self.report.is_unread(&key) {
            let problem = "must name one or more types of credential";
            let hint = Some("write the `vct` of its SD-JWT VCs, or a type of its W3C credentials");
            self.report.error(key.clone(), problem, hint);
        }
        for (entry, name) in types.iter().enumerate() {
            let key = format!("{key}[{entry}]");
            if name.is_empty() {
                self.report
                    .error(key, "is empty", Some("remove it, or write a type"));
            } else if name == EVERY_CREDENTIAL {
                let problem = "is the type of every W3C credential, and never counts";
                let hint = Some("write the type that is only for credentials of clients");
                self.report.error(key, problem, hint);
            }
        }
        types
    }

    /// `unbound`: not together with `jwks` in `attests`. Otherwise the holder of an SD-JWT VC could withhold the keys that
    /// the issuer states, and name its own.
    fn unbound(&mut self, key: &str, section: &IssuerSection) -> Unbound {
        let unbound = section.unbound.unwrap_or_default();
        let attests = section.attests.as_deref().unwrap_or_default();
        let key = format!("{key}.unbound");
        match unbound {
            Unbound::Refuse => {}
            Unbound::Allow if attests.iter().any(|member| member == "jwks") => {
                let problem = "must not be \"allow\" if `attests` lists jwks: a client could withhold the keys that the issuer states";
                let hint = Some("remove one of the two");
                self.report.error(key, problem, hint);
            }
            Unbound::Allow => {
                let problem =
                    "lets the first caller that has a copy of a credential without a key become its client";
                let hint =
                    Some("have the issuer put the key of the client into cnf.jwk, and remove `unbound`");
                self.report.warn(key, problem, hint);
            }
        }
        unbound
    }

    fn formats(&mut self, key: &str, section: &IssuerSection) -> Vec<CredentialFormat> {
        let Some(named) = &section.formats else {
            return FORMATS.to_vec();
        };
        let key = format!("{key}.formats");
        if named.is_empty() {
            let problem = "is empty: every credential would be refused";
            self.report
                .error(key.clone(), problem, Some("remove it, or write a format"));
        }
        let mut formats = Vec::new();
        for (entry, name) in named.iter().enumerate() {
            match CredentialFormat::ALL
                .into_iter()
                .find(|known| known.name() == name)
            {
                Some(known) => formats.push(known),
                None => {
                    let known = CredentialFormat::ALL.map(CredentialFormat::name).join(", ");
                    let problem = format!("{name:?} is not a format of credential");
                    let hint = format!("known formats: {known}");
                    self.report.error(format!("{key}[{entry}]"), problem, Some(&hint));
                }
            }
        }
        formats
    }
}

/// The attesters that an entry names. A name that is none is reported when all entries are known.
fn named_attesters(section: &IssuerSection) -> impl Iterator<Item = Authority> {
    let names = section.attesters.as_deref().unwrap_or_default();
    names.iter().filter_map(|name| Authority::issuer(name))
}

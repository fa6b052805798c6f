//! Checks of passkeys. If people sign in with them: browsers make and use them for the RP ID and at the origin of the
//! configuration; the passkeys that people have are not looked at. If not: no account needs them to sign in.
//! [WEBAUTHN §5.1.3]

use super::finding::{Finding, Outcome, finding, problem};
use super::store::Opened;
use crate::config::{Configuration, LoginSettings, RelyingParty};
use crate::pages::passkeys::relying_party::options_to_sign_in;
use testudo_core::records::Person;
use testudo_store::{Store, StoreFault};
use url::{Host, Url};

pub(super) async fn examine(configuration: &Configuration, opened: Option<&Opened>) -> Vec<Finding> {
    let Some(login) = &configuration.login else {
        return Vec::new();
    };
    let outcome = match (&login.passkeys, opened) {
        (Some(party), _) => usable(party),
        (None, Some(opened)) => unused(login, &opened.store).await,
        (None, None) => return Vec::new(),
    };
    vec![finding("passkeys", outcome)]
}

/// Browsers make passkeys for a host with a name only, and only at https or on this machine.
fn usable(party: &RelyingParty) -> Outcome {
    let hint =
        "set issuer to an https URL whose host is a name; localhost is enough for trials on this machine";
    let refused = |why: String| Err(problem(why, hint));
    let origin = match Url::parse(&party.origin) {
        Ok(origin) => origin,
        Err(error) => return refused(format!("the origin {} is no URL: {error}", party.origin)),
    };
    let is_local = |name: &str| name == "localhost" || name.ends_with(".localhost");
    let is_secure = match origin.host() {
        Some(Host::Domain(name)) => origin.scheme() == "https" || is_local(name),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => {
            return refused(format!(
                "browsers make no passkeys at {}: its host is not a name",
                party.origin
            ));
        }
    };
    if !is_secure {
        return refused(format!(
            "browsers make no passkeys at {}: it is neither https nor on this machine",
            party.origin
        ));
    }
    match options_to_sign_in(party) {
        Ok(_) => Ok(format!(
            "people make and use them at {}, for the host {} alone",
            party.origin, party.id
        )),
        Err(why) => refused(format!("browsers cannot be asked for passkeys: {why}")),
    }
}

/// People do not sign in with passkeys: the sign-in of those who have no other way is refused.
async fn unused(login: &LoginSettings, store: &Store) -> Outcome {
    match with_passkeys_alone(login, store).await {
        Ok(0) => Ok("people do not sign in with passkeys, and no account needs them".to_owned()),
        Ok(count) => Err(problem(
            format!(
                "{count} of the accounts have passkeys and no other way to sign in, and passkeys are off"
            ),
            "set login.passkeys = true and an issuer whose host is the name for which the passkeys were made",
        )),
        Err(fault) => Err(fault.to_string().into()),
    }
}

/// The accounts that have passkeys and no account at a provider that is configured now.
async fn with_passkeys_alone(login: &LoginSettings, store: &Store) -> Result<usize, StoreFault> {
    let issuers = login.issuers();
    let mut count = 0;
    let mut pages = store.pages::<Person>(Vec::new());
    while let Some(page) = pages.next().await? {
        let people = page.into_iter().filter_map(|row| row.record.ok());
        count += people
            .filter(|person| {
                person.is_active() && !person.passkeys.is_empty() && !person.has_provider(&issuers)
            })
            .count();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(id: &str, origin: &str) -> RelyingParty {
        RelyingParty {
            id: id.to_owned(),
            origin: origin.to_owned(),
        }
    }

    // Row PK-25.
    #[test]
    fn passkeys_are_usable_at_https_and_on_this_machine_only() {
        for (id, origin) in [
            ("as.example", "https://as.example"),
            ("as.example", "https://as.example:8443"),
            ("localhost", "http://localhost:8080"),
            ("as.localhost", "http://as.localhost:8080"),
        ] {
            assert!(usable(&party(id, origin)).is_ok(), "{origin}");
        }
        for (id, origin) in [
            ("as.example", "http://as.example"),
            ("localhost.example", "http://localhost.example"),
            ("192.0.2.1", "https://192.0.2.1"),
            ("[::1]", "https://[::1]:8443"),
            ("other.example", "https://as.example"),
            ("as.example", "as.example"),
        ] {
            assert!(usable(&party(id, origin)).is_err(), "{origin}");
        }
    }
}

//! What browsers are asked for, and how their answers are verified: the one file that uses the library for it. The library
//! implements the steps of [WEBAUTHN §7.1] and [WEBAUTHN §7.2]; what is decided about a verified answer is in
//! `core/occasions`.

use super::super::visit::Visit;
use crate::audit::shortened;
use crate::config::RelyingParty;
use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::{Value, json};
use std::time::Duration;
use testudo_core::people::PersonId;
use testudo_core::records::{Ceremony, Passkey};
use testudo_protocol::base64url;
use testudo_protocol::limits::PASSKEY_ANSWER_BYTES_MAX;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as VerifiedPasskey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

/// The longest credential id, in bytes. [WEBAUTHN §4]
const CREDENTIAL_ID_BYTES_MAX: usize = 1023;

/// The most characters of an error of the library that an event has.
const WHY_CHARACTERS_MAX: usize = 200;

/// What the browser is asked for, and what the server keeps to verify the answer.
pub struct Asked {
    /// `publicKey` of the call in the browser.
    pub options: Value,
    /// Of the ceremony.
    pub state: Value,
}

/// The person who makes a passkey.
pub struct NewUser<'a> {
    /// The account.
    pub id: PersonId,
    /// How the browser lists the passkey.
    pub name: &'a str,
    /// The passkeys of the account: an authenticator that has one of them makes no second one.
    pub passkeys: &'a [Passkey],
}

fn library(party: &RelyingParty, name: Option<&str>) -> Result<Webauthn, String> {
    let origin = Url::parse(&party.origin).map_err(|error| error.to_string())?;
    let builder = WebauthnBuilder::new(&party.id, &origin).map_err(|error| error.to_string())?;
    let seconds = u64::try_from(Ceremony::LIFETIME.0).unwrap_or_default();
    let builder = builder
        .timeout(Duration::from_secs(seconds))
        .rp_name(name.unwrap_or(&party.id));
    builder.build().map_err(|error| error.to_string())
}

fn asked(options: &impl Serialize, state: &impl Serialize) -> Result<Asked, String> {
    let written = |error: serde_json::Error| error.to_string();
    let mut options = serde_json::to_value(options).map_err(written)?;
    Ok(Asked {
        options: options["publicKey"].take(),
        state: serde_json::to_value(state).map_err(written)?,
    })
}

/// Asks for a new passkey: without attestation, with verification of the user, and discoverable, so that the person can
/// sign in without a name. [WEBAUTHN §5.4]
pub fn ask_for_new(visit: &Visit<'_>, party: &RelyingParty, user: &NewUser<'_>) -> Result<Asked, Fault> {
    options_for_new(&visit.in_force.look.name, party, user).map_err(Fault::Passkeys)
}

/// The same, with the name of this server for people. The error is a sentence for the log.
pub fn options_for_new(server: &str, party: &RelyingParty, user: &NewUser<'_>) -> Result<Asked, String> {
    let known = user.passkeys.iter().filter_map(|passkey| {
        let stored: VerifiedPasskey = serde_json::from_value(passkey.credential.clone()).ok()?;
        Some(stored.cred_id().clone())
    });
    let id = Uuid::from_bytes(*user.id.key());
    let started = library(party, Some(server))?.start_passkey_registration(
        id,
        user.name,
        user.name,
        Some(known.collect()),
    );
    let (options, state) = started.map_err(|error| error.to_string())?;
    let mut asked = asked(&options, &state)?;
    asked.options["authenticatorSelection"] = json!({
        "residentKey": "required",
        "requireResidentKey": true,
        "userVerification": "required",
    });
    Ok(asked)
}

/// Asks for a signature of any passkey that the browser has for this server. [WEBAUTHN §5.5]
pub fn ask_to_sign_in(party: &RelyingParty) -> Result<Asked, Fault> {
    options_to_sign_in(party).map_err(Fault::Passkeys)
}

/// The same. The error is a sentence for the log.
pub fn options_to_sign_in(party: &RelyingParty) -> Result<Asked, String> {
    let started = library(party, None)?.start_discoverable_authentication();
    let (options, state) = started.map_err(|error| error.to_string())?;
    asked(&options, &state)
}

/// The credential id of the passkey that a browser made, and what is kept of it, if the answer is right. The error is a
/// sentence for the log.
pub fn new_credential(party: &RelyingParty, state: &Value, answer: &str) -> Result<(String, Value), String> {
    let answer: RegisterPublicKeyCredential =
        serde_json::from_str(short(answer)?).map_err(|error| unreadable(&error))?;
    let state: PasskeyRegistration =
        serde_json::from_value(state.clone()).map_err(|error| unreadable(&error))?;
    let made = library(party, None)?.finish_passkey_registration(&answer, &state);
    let made = made.map_err(|error| why(&error))?;
    if made.cred_id().len() > CREDENTIAL_ID_BYTES_MAX {
        return Err(format!(
            "the credential id has more than {CREDENTIAL_ID_BYTES_MAX} bytes"
        ));
    }
    let id = base64url::text(made.cred_id());
    let kept = serde_json::to_value(&made).map_err(|error| unreadable(&error))?;
    Ok((id, kept))
}

/// Where a document cannot be read. The error itself repeats values of the document, which a browser sent.
fn unreadable(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Io => "cannot be read",
        Category::Syntax => "is not JSON",
        Category::Data => "does not have the members and values that are needed",
        Category::Eof => "ends too early",
    };
    format!("it {what}, at line {} column {}", error.line(), error.column())
}

fn why(error: &WebauthnError) -> String {
    shortened(&error.to_string(), WHY_CHARACTERS_MAX)
}

/// The member of the client data that the library does not check. [WEBAUTHN §5.8.1]
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "crossOrigin", default)]
    is_cross_origin: bool,
}

/// The answer of a browser to a sign-in, which is not verified yet.
pub struct Assertion {
    /// The person that the user handle names.
    pub unverified_person: PersonId,
    /// The credential id of the passkey.
    pub unverified_passkey: String,
    answer: PublicKeyCredential,
}

impl Assertion {
    /// Reads what the page sent. The error is a sentence for the log.
    pub fn parse(answer: &str) -> Result<Assertion, String> {
        let answer: PublicKeyCredential =
            serde_json::from_str(short(answer)?).map_err(|error| unreadable(&error))?;
        // [WEBAUTHN §7.2 (6)] Without a name, the user handle must be there.
        let handle = answer.get_user_unique_id().unwrap_or_default();
        let handle = <&[u8; 16]>::try_from(handle)
            .map_err(|_| "the user handle is not that of an account of this server".to_owned())?;
        let client_data = serde_json::from_slice(&answer.response.client_data_json);
        let client_data: ClientData =
            client_data.map_err(|error| format!("the client data: {}", unreadable(&error)))?;
        // The library checks this where a passkey is made, and not where one is used. [WEBAUTHN §13.4.9]
        if client_data.is_cross_origin {
            return Err("a page of another origin contains the page".to_owned());
        }
        Ok(Assertion {
            unverified_person: PersonId::of_random(handle),
            unverified_passkey: base64url::text(answer.get_credential_id()),
            answer,
        })
    }
}

/// Why an answer is not that of the passkey.
#[derive(Debug, PartialEq, Eq)]
pub enum NotVerified {
    /// The signature counter is not higher than at the last use. [WEBAUTHN §7.2 (21)]
    CounterNotHigher,
    /// What is wrong, as a sentence for the log.
    Wrong(String),
}

/// Verifies an answer with this passkey, and returns what is kept of the passkey after this use.
pub fn verify(
    party: &RelyingParty,
    state: &Value,
    assertion: &Assertion,
    passkey: &Passkey,
) -> Result<Value, NotVerified> {
    let wrong = |error: serde_json::Error| NotVerified::Wrong(unreadable(&error));
    let state: DiscoverableAuthentication = serde_json::from_value(state.clone()).map_err(wrong)?;
    let mut stored: VerifiedPasskey = serde_json::from_value(passkey.credential.clone()).map_err(wrong)?;
    let library = library(party, None).map_err(NotVerified::Wrong)?;
    let verified = library.finish_discoverable_authentication_v2(&assertion.answer, state, &stored);
    let used =
        verified.map_err(
            |error| match matches!(error, WebauthnError::CredentialPossibleCompromise) {
                true => NotVerified::CounterNotHigher,
                false => NotVerified::Wrong(why(&error)),
            },
        )?;
    stored.update_credential(&used);
    serde_json::to_value(&stored).map_err(wrong)
}

fn short(answer: &str) -> Result<&str, String> {
    match answer.len() <= PASSKEY_ANSWER_BYTES_MAX {
        true => Ok(answer),
        false => Err(format!("it has more than {PASSKEY_ANSWER_BYTES_MAX} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use testudo_protocol::Timestamp;
    use testudo_testkit::passkey::Authenticator;

    const ORIGIN: &str = "https://as.example.net";

    fn party() -> RelyingParty {
        RelyingParty {
            id: "as.example.net".to_owned(),
            origin: ORIGIN.to_owned(),
        }
    }

    fn user(passkeys: &[Passkey]) -> NewUser<'_> {
        NewUser {
            id: PersonId::of_random(&[7; 16]),
            name: "alice",
            passkeys,
        }
    }

    /// An authenticator with a passkey, and the passkey as the server keeps it.
    fn made() -> (Authenticator, Passkey) {
        let mut authenticator = Authenticator::new(ORIGIN);
        let asked = options_for_new("Corp", &party(), &user(&[])).unwrap();
        let answer = authenticator.create(&asked.options);
        let (id, credential) = new_credential(&party(), &asked.state, &answer).unwrap();
        let passkey = Passkey {
            id,
            name: "laptop".to_owned(),
            credential,
            created: Timestamp(0),
            last_used: None,
        };
        (authenticator, passkey)
    }

    // Row PK-03.
    #[test]
    fn new_passkey_must_be_discoverable_verify_its_user_and_is_not_attested() {
        let (_, known) = made();
        let known = [known];
        let asked = options_for_new("Corp", &party(), &user(&known)).unwrap();
        let options = asked.options;
        assert_eq!(options["rp"], json!({ "id": "as.example.net", "name": "Corp" }));
        assert_eq!(options["attestation"], "none");
        assert_eq!(options["timeout"], 300_000);
        assert_eq!(options["user"]["name"], "alice");
        assert_eq!(options["user"]["id"], URL_SAFE_NO_PAD.encode([7; 16]));
        let selection = &options["authenticatorSelection"];
        assert_eq!(selection["residentKey"], "required");
        assert_eq!(selection["userVerification"], "required");
        assert_eq!(options["excludeCredentials"][0]["id"], known[0].id);
        let algorithms = options["pubKeyCredParams"].as_array().unwrap().iter();
        let algorithms: Vec<&Value> = algorithms.map(|one| &one["alg"]).collect();
        assert_eq!(algorithms, [&json!(-7), &json!(-35), &json!(-257)]);
    }

    // Row PK-03.
    #[test]
    fn sign_in_names_no_passkey_and_demands_that_the_user_is_verified() {
        let options = options_to_sign_in(&party()).unwrap().options;
        assert_eq!(options["rpId"], "as.example.net");
        assert_eq!(options["userVerification"], "required");
        let allowed = &options["allowCredentials"];
        assert!(allowed.is_null() || allowed == &json!([]), "{allowed}");
        let other = options_to_sign_in(&party()).unwrap().options;
        assert_ne!(options["challenge"], other["challenge"]);
    }

    // Row PK-14.
    #[test]
    fn counter_is_kept_and_must_grow() {
        let (mut authenticator, mut passkey) = made();
        for _ in 0..2 {
            let asked = options_to_sign_in(&party()).unwrap();
            let assertion = Assertion::parse(&authenticator.get(&asked.options)).unwrap();
            assert_eq!(assertion.unverified_person, PersonId::of_random(&[7; 16]));
            assert_eq!(assertion.unverified_passkey, passkey.id);
            passkey.credential = verify(&party(), &asked.state, &assertion, &passkey).unwrap();
            let again = verify(&party(), &asked.state, &assertion, &passkey);
            assert_eq!(again, Err(NotVerified::CounterNotHigher));
        }
    }

    // Row PK-18.
    #[test]
    fn error_about_an_answer_states_the_place_and_nothing_of_the_answer() {
        let (mut authenticator, _) = made();
        let new = options_for_new("Corp", &party(), &user(&[])).unwrap();
        let sign_in = options_to_sign_in(&party()).unwrap();
        let with_client_data = |answer: &str| {
            let mut answer: Value = serde_json::from_str(answer).unwrap();
            let client_data = format!("{{\"crossOrigin\":\"{}\"}}", "x".repeat(4_000));
            answer["response"]["clientDataJSON"] = URL_SAFE_NO_PAD.encode(client_data).into();
            answer.to_string()
        };
        let signed = with_client_data(&authenticator.get(&sign_in.options));
        let made = with_client_data(&authenticator.create(&new.options));
        let long = format!("\"{}\"", "x".repeat(PASSKEY_ANSWER_BYTES_MAX - 2));
        for text in [long.as_str(), &long[..9_001], "{\"id\":", &made, &signed] {
            let made = new_credential(&party(), &new.state, text).unwrap_err();
            let used = Assertion::parse(text).err().unwrap();
            for why in [made, used] {
                assert!(why.len() < 120 && !why.contains("xxx"), "{why}");
            }
        }
        let made = new_credential(&party(), &new.state, &long).unwrap_err();
        assert!(made.contains("at line 1 column "), "{made}");
    }

    /// Each byte of each part is changed, and each part is cut at each place: nothing panics, and no changed answer of a
    /// sign-in is accepted.
    // Row PK-13.
    #[test]
    fn answer_with_one_changed_or_missing_byte_is_refused() {
        let (mut authenticator, passkey) = made();
        let asked = options_to_sign_in(&party()).unwrap();
        let answer: Value = serde_json::from_str(&authenticator.get(&asked.options)).unwrap();
        let accepted = |answer: &Value| {
            let assertion = Assertion::parse(&answer.to_string()).ok()?;
            verify(&party(), &asked.state, &assertion, &passkey).ok()
        };
        assert!(accepted(&answer).is_some());
        for member in ["authenticatorData", "clientDataJSON", "signature"] {
            for changed in variants(&answer, member) {
                assert_eq!(accepted(&changed), None, "{changed}");
            }
        }
        let asked = options_for_new("Corp", &party(), &user(&[])).unwrap();
        let answer = Authenticator::new(ORIGIN).create(&asked.options);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        for member in ["attestationObject", "clientDataJSON"] {
            for changed in variants(&answer, member) {
                // Without attestation nothing signs the answer: a changed key is another key.
                let _ = new_credential(&party(), &asked.state, &changed.to_string());
            }
        }
    }

    /// The answer with this part changed at each byte, and cut at each place.
    fn variants(answer: &Value, member: &str) -> Vec<Value> {
        let text = answer["response"][member].as_str().unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
        let with = |bytes: &[u8]| {
            let mut changed = answer.clone();
            changed["response"][member] = URL_SAFE_NO_PAD.encode(bytes).into();
            changed
        };
        let mut variants = Vec::new();
        for place in 0..bytes.len() {
            variants.push(with(&bytes[..place]));
            let mut changed = bytes.clone();
            changed[place] ^= 0x01;
            variants.push(with(&changed));
            changed[place] ^= 0x81;
            variants.push(with(&changed));
        }
        variants
    }
}

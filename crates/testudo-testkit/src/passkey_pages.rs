//! A person in front of the pages with passkeys: what the script of these pages does, as a program.

use crate::http::Answer;
use crate::passkey::Authenticator;
use crate::person::{Person, forms};
use serde_json::Value;

/// The form of a page with passkeys.
pub struct PasskeyForm {
    /// Path of the page.
    pub page: &'static str,
    /// Its fields, with those that the person or the script fills in.
    pub fields: Vec<(String, String)>,
}

impl PasskeyForm {
    /// The person opens the page, and fills these fields.
    pub async fn open(person: &mut Person, page: &'static str, filled: &[(&str, &str)]) -> PasskeyForm {
        let answer = person.open(page).await;
        let form = PasskeyForm::of(page, &answer);
        PasskeyForm {
            page,
            fields: with(&form.fields, filled),
        }
    }

    /// The form in an answer.
    pub fn of(page: &'static str, answer: &Answer) -> PasskeyForm {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let form = forms(&text)
            .into_iter()
            .find(|form| form.field("ceremony").is_some());
        let form = form.expect("a form with passkeys");
        PasskeyForm {
            page,
            fields: form.fields,
        }
    }

    /// The answer to the script, which asks what it may hand to the browser.
    pub async fn ask(&self, person: &mut Person) -> Answer {
        person
            .submit(&format!("{}/options", self.page), &self.fields)
            .await
    }

    /// The name of a new ceremony, and its options.
    pub async fn begin(&self, person: &mut Person) -> (String, Value) {
        let answer = self.ask(person).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{text}");
        let asked: Value = serde_json::from_str(&text).unwrap();
        let name = asked["ceremony"].as_str().expect("the name of the ceremony");
        (name.to_owned(), asked["publicKey"].clone())
    }

    /// Sends the form with what the browser answers.
    pub async fn finish(&self, person: &mut Person, ceremony: &str, answer: &str) -> Answer {
        person.submit(self.page, &self.answered(ceremony, answer)).await
    }

    /// The fields with what the browser answers.
    pub fn answered(&self, ceremony: &str, answer: &str) -> Vec<(String, String)> {
        with(&self.fields, &[("ceremony", ceremony), ("credential", answer)])
    }
}

/// The fields with these values added or changed.
fn with(fields: &[(String, String)], changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut fields = fields.to_vec();
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    fields
}

/// The person uses the token of an invitation, and makes a passkey.
pub async fn accept(person: &mut Person, authenticator: &mut Authenticator, token: &str) -> Answer {
    let filled = [("invitation", token), ("passkey_name", "laptop")];
    let form = PasskeyForm::open(person, "/invite", &filled).await;
    let (ceremony, options) = form.begin(person).await;
    form.finish(person, &ceremony, &authenticator.create(&options))
        .await
}

/// The person signs in with the newest passkey.
pub async fn sign_in(person: &mut Person, authenticator: &mut Authenticator) -> Answer {
    let form = PasskeyForm::open(person, "/login", &[]).await;
    let (ceremony, options) = form.begin(person).await;
    form.finish(person, &ceremony, &authenticator.get(&options)).await
}

/// The person, who is signed in, adds a passkey with this name.
pub async fn add(person: &mut Person, authenticator: &mut Authenticator, name: &str) -> Answer {
    let form = PasskeyForm::open(person, "/account", &[("passkey_name", name)]).await;
    let (ceremony, options) = form.begin(person).await;
    form.finish(person, &ceremony, &authenticator.create(&options))
        .await
}

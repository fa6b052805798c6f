//! The steps of a person with a passkey: the use of an invitation, and a sign-in.

use super::steps::{Again, Sending};
use super::world::World;
use testudo_testkit::held_writes::HeldAt;
use testudo_testkit::http::Answer;
use testudo_testkit::passkey::Authenticator;
use testudo_testkit::passkey_pages::{PasskeyForm, accept, sign_in};

/// An invited person, whose browser made a passkey that was not sent yet.
pub struct Invited {
    token: String,
    authenticator: Authenticator,
}

impl Invited {
    pub async fn new(world: &mut World) -> (Invited, Sending) {
        let token = world.invite();
        let (mut browser, mut authenticator) = (world.person(), Authenticator::new(&world.issuer));
        let filled = [("invitation", token.as_str()), ("passkey_name", "laptop")];
        let form = PasskeyForm::open(&mut browser, "/invite", &filled).await;
        let (ceremony, options) = form.begin(&mut browser).await;
        let fields = form.answered(&ceremony, &authenticator.create(&options));
        let sending = Sending::Submit {
            browser,
            action: "/invite".to_owned(),
            fields,
        };
        (Invited { token, authenticator }, sending)
    }

    /// The passkey is one of an account exactly where the batch was committed.
    pub async fn state(&mut self, at: HeldAt, world: &World) -> Result<(), String> {
        let is_one = signs_in(&mut self.authenticator, world).await;
        match is_one == (at == HeldAt::AfterCommit) {
            true => Ok(()),
            false => Err(format!("{at:?}: the passkey signs in: {is_one}")),
        }
    }

    /// The invitation is used up by now, and the passkey that was made with it is valid.
    pub async fn again(mut self, answer: &Answer, world: &World) -> Result<Again, String> {
        let again = done(answer)?;
        if !signs_in(&mut self.authenticator, world).await {
            return Err("the passkey of the invitation does not sign the person in".to_owned());
        }
        let (mut other, mut device) = (world.person(), Authenticator::new(&world.issuer));
        let filled = [("invitation", self.token.as_str())];
        let form = PasskeyForm::open(&mut other, "/invite", &filled).await;
        let asked = form.ask(&mut other).await;
        if asked.status == 200 {
            let answer = accept(&mut other, &mut device, &self.token).await;
            return Err(format!("the invitation was taken again: {answer:?}"));
        }
        Ok(again)
    }
}

/// A person with an account and a passkey.
pub struct Guest(Authenticator);

impl Guest {
    pub async fn new(world: &mut World) -> (Guest, Sending) {
        let token = world.invite();
        let (mut browser, mut authenticator) = (world.person(), Authenticator::new(&world.issuer));
        let answer = accept(&mut browser, &mut authenticator, &token).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let mut browser = world.person();
        let form = PasskeyForm::open(&mut browser, "/login", &[]).await;
        let (ceremony, options) = form.begin(&mut browser).await;
        let fields = form.answered(&ceremony, &authenticator.get(&options));
        let sending = Sending::Submit {
            browser,
            action: "/login".to_owned(),
            fields,
        };
        (Guest(authenticator), sending)
    }

    /// The answer of the passkey is used up by now, and the passkey signs in again with another one.
    pub async fn again(mut self, answer: &Answer, same: Sending, world: &World) -> Result<Again, String> {
        let again = done(answer)?;
        let (repeated, _) = same.send(world).await;
        let repeated = repeated.expect("the server answers");
        if repeated.status == 303 {
            return Err(format!("an answer of a passkey was taken again: {repeated:?}"));
        }
        match signs_in(&mut self.0, world).await {
            true => Ok(again),
            false => Err("the passkey does not sign the person in any more".to_owned()),
        }
    }
}

/// Whether the person was sent on, signed in, or was refused.
fn done(answer: &Answer) -> Result<Again, String> {
    match (answer.status, answer.header("set-cookie").is_some()) {
        (303, true) => Ok(Again::Done),
        (400..=499, false) => Ok(Again::Refused),
        _ => Err(format!("neither signed in nor refused: {answer:?}")),
    }
}

/// True if the newest passkey signs its person in, in a new browser.
async fn signs_in(authenticator: &mut Authenticator, world: &World) -> bool {
    let mut browser = world.person();
    let answer = sign_in(&mut browser, authenticator).await;
    answer.status == 303
}

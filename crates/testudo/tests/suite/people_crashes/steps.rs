//! The requests between which a server or its store can end, from the pushed request to the revocation.

use super::passkeys::{Guest, Invited};
use super::world::{World, code_in, form_of, redemption, refresh, request, text};
use testudo_testkit::held_writes::HeldAt;
use testudo_testkit::http::Answer;
use testudo_testkit::person::Person;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Push,
    SignIn,
    /// An invited person makes a passkey, and with it the account.
    Invitation,
    /// A person signs in with a passkey.
    Passkey,
    Consent,
    Code,
    Redemption,
    Refresh,
    Revocation,
}

impl Step {
    pub const ALL: [Step; 9] = [
        Step::Push,
        Step::SignIn,
        Step::Invitation,
        Step::Passkey,
        Step::Consent,
        Step::Code,
        Step::Redemption,
        Step::Refresh,
        Step::Revocation,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Step::Push => "pushed request",
            Step::SignIn => "sign-in",
            Step::Invitation => "invitation",
            Step::Passkey => "passkey",
            Step::Consent => "consent",
            Step::Code => "code",
            Step::Redemption => "redemption",
            Step::Refresh => "refresh",
            Step::Revocation => "revocation",
        }
    }

    /// A text that its batch contains, and no other batch of the server in this test.
    pub fn batch(self) -> &'static str {
        match self {
            Step::Push => "\"code_challenge\"",
            Step::SignIn | Step::Passkey => "\"person.signed_in\"",
            Step::Invitation => "\"person.created\"",
            Step::Consent => "\"consent.given\"",
            Step::Code => "\"is_redeemed\":false",
            Step::Redemption => "\"is_redeemed\":true",
            Step::Refresh => "\"replaced\"",
            Step::Revocation => "\"grant.revoked\"",
        }
    }
}

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub enum Sending {
    /// The application sends it.
    Post { path: &'static str, body: String },
    /// The browser opens a URL.
    Open { browser: Person, url: String },
    /// The browser sends a form.
    Submit {
        browser: Person,
        action: String,
        fields: Vec<(String, String)>,
    },
}

impl Sending {
    /// The answer, and the browser with the cookies of the answer.
    pub async fn send(self, world: &World) -> (Option<Answer>, Option<Person>) {
        match self {
            Sending::Post { path, body } => (world.try_post(path, body).await, None),
            Sending::Open { mut browser, url } => (browser.try_open(&url).await, Some(browser)),
            Sending::Submit {
                mut browser,
                action,
                fields,
            } => (browser.try_submit(&action, &fields).await, Some(browser)),
        }
    }
}

/// A step that is ready to be sent, and what its request uses up.
pub struct Prepared {
    pub sending: Sending,
    used: Used,
}

enum Used {
    Nothing,
    /// The browser in which another person is signed in until the step is done.
    Session(Person),
    /// The invitation, and the passkey that was made with it.
    Invitation(Invited),
    /// The answer of the passkey, which is for one sign-in.
    Passkey(Guest),
    /// The URL of the pushed request.
    Request(String),
    Code(String),
    RefreshToken(String),
    Grant {
        refresh_token: String,
        access_token: String,
    },
}

/// What the same request did when it was sent again after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    Done,
    Refused,
}

impl Prepared {
    pub async fn new(step: Step, world: &mut World) -> Prepared {
        match step {
            Step::Push => Prepared {
                sending: Sending::Post {
                    path: "/par",
                    body: world.body(&request()),
                },
                used: Used::Nothing,
            },
            Step::SignIn => {
                let mut browser = world.signed_in("bob").await;
                let form = form_of(&browser.open("/login").await);
                Prepared {
                    used: Used::Session(browser.clone()),
                    sending: Sending::Submit {
                        fields: form.pressed("alice"),
                        action: form.action,
                        browser,
                    },
                }
            }
            Step::Invitation => {
                let (invited, sending) = Invited::new(world).await;
                Prepared {
                    sending,
                    used: Used::Invitation(invited),
                }
            }
            Step::Passkey => {
                let (guest, sending) = Guest::new(world).await;
                Prepared {
                    sending,
                    used: Used::Passkey(guest),
                }
            }
            Step::Consent => {
                let url = world.asking_for(&world.push(&[("prompt", "consent")]).await);
                let mut browser = world.alice.clone();
                let form = form_of(&browser.open(&url).await);
                Prepared {
                    used: Used::Request(url),
                    sending: Sending::Submit {
                        fields: form.pressed("accept"),
                        action: form.action,
                        browser,
                    },
                }
            }
            Step::Code => {
                let url = world.asking_for(&world.push(&[]).await);
                Prepared {
                    sending: Sending::Open {
                        browser: world.alice.clone(),
                        url: url.clone(),
                    },
                    used: Used::Request(url),
                }
            }
            Step::Redemption => {
                let code = world.code().await;
                Prepared {
                    sending: Sending::Post {
                        path: "/token",
                        body: world.body(&redemption(&code)),
                    },
                    used: Used::Code(code),
                }
            }
            Step::Refresh => {
                let token = text(&granted(world).await, "refresh_token");
                Prepared {
                    sending: Sending::Post {
                        path: "/token",
                        body: world.body(&refresh(&token)),
                    },
                    used: Used::RefreshToken(token),
                }
            }
            Step::Revocation => {
                let tokens = granted(world).await;
                let refresh_token = text(&tokens, "refresh_token");
                Prepared {
                    sending: Sending::Post {
                        path: "/revoke",
                        body: world.body(&[("token", &refresh_token)]),
                    },
                    used: Used::Grant {
                        refresh_token,
                        access_token: text(&tokens, "access_token"),
                    },
                }
            }
        }
    }

    /// What holds before the request is sent again: a batch that was not committed changed nothing, and one that was
    /// committed is whole. `Err`: what is lost or can still be used.
    pub async fn state(&mut self, at: HeldAt, world: &World) -> Result<(), String> {
        match &mut self.used {
            Used::Nothing | Used::Request(_) | Used::Code(_) | Used::RefreshToken(_) | Used::Passkey(_) => {
                Ok(())
            }
            Used::Invitation(invited) => invited.state(at, world).await,
            Used::Session(browser) => {
                let is_alive = is_signed_in(browser, "bob").await;
                match is_alive == (at == HeldAt::BeforeCommit) {
                    true => Ok(()),
                    false => Err(format!("{at:?}: the earlier session is alive: {is_alive}")),
                }
            }
            Used::Grant {
                refresh_token,
                access_token,
            } => {
                let expected = at == HeldAt::BeforeCommit;
                for token in [refresh_token, access_token] {
                    if world.is_active(token).await != expected {
                        return Err(format!("{at:?}: a token of the grant must be active: {expected}"));
                    }
                }
                Ok(())
            }
        }
    }

    /// Sends the request again, and then uses twice what it gave. `Err`: what can be used twice.
    pub async fn again(self, world: &World) -> Result<Again, String> {
        let same = self.sending.clone();
        let (answer, browser) = self.sending.send(world).await;
        let answer = answer.expect("the server answers");
        match self.used {
            Used::Invitation(invited) => invited.again(&answer, world).await,
            Used::Passkey(guest) => guest.again(&answer, same, world).await,
            Used::Nothing => {
                let url = world.asking_for(&text(&answer, "request_uri"));
                let codes = [
                    opens_with_a_code(world, &url).await,
                    opens_with_a_code(world, &url).await,
                ];
                match codes {
                    [true, false] => Ok(Again::Done),
                    _ => Err(format!("the pushed request gave codes {codes:?}")),
                }
            }
            Used::Session(earlier) => {
                if answer.status != 303 {
                    return Err(format!("the sign-in is refused: {answer:?}"));
                }
                if !is_signed_in(&browser.expect("a form was sent"), "alice").await {
                    return Err("the new session cannot be used".to_owned());
                }
                match is_signed_in(&earlier, "bob").await {
                    true => Err("the earlier session can still be used".to_owned()),
                    false => Ok(Again::Done),
                }
            }
            Used::Request(url) => {
                let again = match code_in(&answer) {
                    Some(code) => {
                        redeemed_once(world, &code).await?;
                        Again::Done
                    }
                    None if answer.status == 400 => Again::Refused,
                    None => return Err(format!("{answer:?}")),
                };
                match opens_with_a_code(world, &url).await {
                    true => Err("the pushed request gave another code".to_owned()),
                    false => Ok(again),
                }
            }
            Used::Code(code) => match answer.status {
                200 => {
                    let token = text(&answer, "refresh_token");
                    refused(world.redeem(&code).await, "a code")?;
                    refused(
                        world.refresh(&token).await,
                        "a token of a code that was used twice",
                    )?;
                    Ok(Again::Done)
                }
                _ => {
                    refused(answer, "a code that was redeemed")?;
                    Ok(Again::Refused)
                }
            },
            Used::RefreshToken(token) => {
                // The answer was lost, and the application proves its identity: it may send the same token again.
                let next = text(&answer, "refresh_token");
                let last = text(&world.refresh(&next).await, "refresh_token");
                refused(world.refresh(&token).await, "a refresh token after its successor")?;
                refused(
                    world.refresh(&last).await,
                    "a token of a family with a stolen token",
                )?;
                Ok(Again::Done)
            }
            Used::Grant {
                refresh_token,
                access_token,
            } => {
                if answer.status != 200 {
                    return Err(format!("the revocation is refused: {answer:?}"));
                }
                refused(world.refresh(&refresh_token).await, "a revoked refresh token")?;
                match world.is_active(&access_token).await {
                    true => Err("the access token of a revoked grant is active".to_owned()),
                    false => Ok(Again::Done),
                }
            }
        }
    }
}

/// The answer with new tokens of the person.
pub async fn granted(world: &mut World) -> Answer {
    let code = world.code().await;
    let answer = world.redeem(&code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// True if this person is signed in in the browser.
async fn is_signed_in(browser: &Person, name: &str) -> bool {
    let page = browser.clone().open("/account").await;
    String::from_utf8_lossy(&page.body).contains(&format!("<dd>{name}</dd>"))
}

/// True if the browser of `alice` is sent on to the application with a code.
pub async fn opens_with_a_code(world: &World, url: &str) -> bool {
    code_in(&world.alice.clone().open(url).await).is_some()
}

/// A code that must give tokens once.
pub async fn redeemed_once(world: &World, code: &str) -> Result<(), String> {
    let answer = world.redeem(code).await;
    if answer.status != 200 {
        return Err(format!("a code gave no token: {answer:?}"));
    }
    refused(world.redeem(code).await, "a code")
}

/// `Err` if the answer is not `invalid_grant`.
pub fn refused(answer: Answer, what: &str) -> Result<(), String> {
    match answer.error().as_str() {
        "invalid_grant" => Ok(()),
        _ => Err(format!("{what} could be used: {answer:?}")),
    }
}

//! `/authorize` and `/consent`: a browser brings the request of an application, a person signs in and is asked, and the
//! browser brings a code to the application. [RFC6749 §4.1.1]
//!
//! The order of the checks is decided in `core/occasions/authorize/`. All of them run at each visit: of the first one, after
//! the sign-in, and when the person answers the consent page. Nothing is stored before: the request, or the name of a
//! pushed one, is sealed and kept by the browser.

use super::consent::consent_page;
use super::flow::{Browser, opened_from};
use super::login::{Asker, ask_to_sign_in};
use super::onward::{Begun, FLOW, Onward};
use super::page::{Frame, page};
use super::same_origin::must_be_of_this_server;
use super::sealed::Purpose;
use super::visit::{Visit, see_other};
use crate::audit::{RequestTrail, refuse};
use crate::config::LoginSettings;
use crate::fault::{Fault, Stop};
use crate::gather::{keys_of_signed, look_up_turn};
use crate::settle::{load, settle};
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use testudo_core::OccasionKind;
use testudo_core::occasions::authorize::{
    self, Arriving, Asked, AuthorizeRequest, Authorized, ConsentAnswer, Respond, Shown,
};
use testudo_core::records::{AuthorizationDetails, Loaded, PushedRequest};
use testudo_core::rejection::{Endpoint, RequestReason};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::authorization::Delivery;

/// What the form of the consent page repeats.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConsentState {
    /// The request.
    pub begun: Begun,
    /// What was shown, and to whom.
    pub shown: Shown,
}

/// GET or POST `/authorize`: a new request, or one that comes back from the sign-in.
pub async fn authorize(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    let mut trail = RequestTrail::of(OccasionKind::Authorization, visit.id);
    // An application sends `client_id`. A parameter `flow` of its own is ignored. [RFC6749 §3.1]
    let comes_back = visit.form.has(FLOW) && !visit.form.has("client_id");
    let served = match comes_back {
        true => match opened_from(visit, Purpose::Flow, FLOW) {
            Ok(Onward::Application(begun)) => {
                let step = Step::back(*begun, ConsentAnswer::None);
                go_on(visit, login, step, &mut trail).await
            }
            Ok(Onward::Account | Onward::Link(_)) => Err(RequestReason::FlowNotOurs.into()),
            Err(stop) => Err(stop),
        },
        false => {
            trail.details.client_id = visit.form.get("client_id").map(str::to_owned);
            match arrived(visit).await {
                Ok(asked) => go_on(visit, login, Step::first(asked), &mut trail).await,
                Err(stop) => Err(stop),
            }
        }
    };
    noted(visit, &trail, served).await
}

/// What a browser brings. A signed request is verified with the keys of its client first.
async fn arrived(visit: &Visit<'_>) -> Result<Asked, Stop> {
    let signed = match Arriving::parse(&visit.form)? {
        Arriving::Asked(asked) => return Ok(asked),
        Arriving::Signed(signed) => signed,
    };
    let (app, in_force) = (visit.app, &visit.in_force);
    // Boxed: only these requests need the memory of this future.
    let facts = Box::pin(keys_of_signed(app, in_force, &signed)).await?;
    let parameters = signed.verify(&facts, &in_force.policy, app.now())?;
    Ok(Asked::of_signed(&signed, &parameters))
}

/// POST `/consent`: the person answered.
pub async fn consent(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    let mut trail = RequestTrail::of(OccasionKind::Authorization, visit.id);
    let served = match answered(visit) {
        Ok(step) => go_on(visit, login, step, &mut trail).await,
        Err(stop) => Err(stop),
    };
    noted(visit, &trail, served).await
}

fn answered(visit: &Visit<'_>) -> Result<Step, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let state: ConsentState = opened_from(visit, Purpose::Consent, "consent")?;
    let answer = match visit.form.get("answer") {
        Some("accept") => ConsentAnswer::Accept(state.shown),
        Some("deny") => ConsentAnswer::Deny(state.shown),
        Some(_) | None => return Err(RequestReason::FlowNotOurs.into()),
    };
    Ok(Step::back(state.begun, answer))
}

/// Writes the event of a request that is refused on a page.
pub async fn noted(
    visit: &Visit<'_>,
    trail: &RequestTrail<'_>,
    served: Result<Response<Full<Bytes>>, Stop>,
) -> Result<Response<Full<Bytes>>, Stop> {
    match served {
        Err(Stop::Refused(rejection)) => {
            let answer = refuse(visit.app, trail, &rejection, Endpoint::Authorization, None).await;
            Ok(super::page::refused(
                Frame::of(&visit.in_force.look, visit.id),
                &answer,
            ))
        }
        served => served,
    }
}

/// One visit of a request.
struct Step {
    asked: Asked,
    /// When the browser came with it first; `None` at this visit.
    begun: Option<Timestamp>,
    answer: ConsentAnswer,
}

impl Step {
    fn first(asked: Asked) -> Step {
        Step {
            asked,
            begun: None,
            answer: ConsentAnswer::None,
        }
    }

    fn back(begun: Begun, answer: ConsentAnswer) -> Step {
        Step {
            asked: begun.asked,
            begun: Some(begun.begun),
            answer,
        }
    }
}

async fn go_on(
    visit: &Visit<'_>,
    login: &LoginSettings,
    step: Step,
    trail: &mut RequestTrail<'_>,
) -> Result<Response<Full<Bytes>>, Stop> {
    trail.details.client_id = Some(step.asked.client_id().to_owned());
    let authorized = decide(visit, &step, trail).await?;
    let begun = |redirect: &str| Begun {
        begun: step.begun.unwrap_or_else(|| visit.app.now()),
        asked: step.asked,
        redirect: redirect.to_owned(),
    };
    match authorized {
        Authorized::SignIn(asked) => {
            let onward = Onward::Application(Box::new(begun(&asked.client.redirect)));
            let asker = Asker {
                client: &asked.client,
                login_hint: asked.login_hint.as_deref(),
            };
            ask_to_sign_in(visit, login, &onward, Some(asker))
        }
        Authorized::Consent(asked) => {
            let browser = Browser::of(visit)?;
            let begun = begun(&asked.content.client.redirect);
            let again = browser.seal(visit, Purpose::Flow, Onward::Application(Box::new(begun.clone())))?;
            let state = ConsentState {
                begun,
                shown: asked.shown,
            };
            let sealed = browser.seal(visit, Purpose::Consent, state)?;
            Ok(consent_page(visit, &asked, &browser, &sealed, &again))
        }
        Authorized::Respond(respond) => {
            if let Err(rejection) = &respond.outcome {
                refuse(visit.app, trail, rejection, Endpoint::Authorization, None).await;
            }
            Ok(deliver(visit, &respond))
        }
    }
}

async fn decide(visit: &Visit<'_>, step: &Step, trail: &mut RequestTrail<'_>) -> Result<Authorized, Stop> {
    let (app, policy) = (visit.app, &visit.in_force.policy);
    // Nothing is proven about the browser. [decision 0011]
    app.applied_changes.judge()?;
    let turn = look_up_turn(app).await?;
    let loaded = load(app, &step.asked.needs(), None).await.map_err(Fault::Store)?;
    note_request(trail, &step.asked, &loaded);
    let client = app.asking_client(&step.asked, &loaded, policy)?;
    let session = visit.session();
    let request = AuthorizeRequest::new(authorize::Visit {
        asked: &step.asked,
        client: &client,
        session: session.as_ref(),
        begun: step.begun,
        answer: step.answer,
        request: trail.request(),
    });
    // A request that writes has a session, and its commit keeps no other request waiting for its turn. Where another request
    // changed the records at the same moment, they are read again without a turn.
    settle(app, policy, &request, |outcome, _| {
        turn.end();
        Ok(outcome)
    })
    .await
}

/// What the event of the visit keeps of the request.
fn note_request(trail: &mut RequestTrail<'_>, asked: &Asked, loaded: &Loaded<'_>) {
    match asked {
        Asked::Direct(direct) => {
            let kept = AuthorizationDetails::of(&direct.request, direct.is_signed);
            trail.note_authorization(&direct.request, kept);
        }
        Asked::Pushed(named) => {
            if let Some(pushed) = loaded.find::<PushedRequest>(named.digest.key()) {
                let kept = AuthorizationDetails::of_pushed(&pushed.record);
                trail.note_authorization(&pushed.record.request, kept);
            }
        }
        Asked::Wrong(_) => {}
    }
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    frame: Frame<'a>,
    action: &'a str,
    fields: &'a [(&'static str, String)],
    has_code: bool,
}

/// The response to the application.
fn deliver(visit: &Visit<'_>, respond: &Respond) -> Response<Full<Bytes>> {
    match respond.deliver(visit.issuer()) {
        Delivery::Redirect(url) => see_other(&url),
        Delivery::Form { action, fields } => {
            let template = FormPost {
                frame: Frame::of(&visit.in_force.look, visit.id),
                action: &action,
                fields: &fields,
                has_code: respond.outcome.is_ok(),
            };
            page(StatusCode::OK, &template, Some(&respond.redirect_uri.origin()))
        }
    }
}

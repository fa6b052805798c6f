//! A web application in which people sign in with Testudo, and which calls an API for them. Its only credential is its SVID.
//!
//! `web-app ISSUER RESOURCE API CALLBACK [ADDRESS]`: `ISSUER` is the authorization server, `RESOURCE` what the tokens are for
//! (`https://api.example.net/orders`), `API` the URL at which the API is reached, `CALLBACK` the redirect URI of this
//! application (`https://shop.example.net/callback`), and `ADDRESS` where it listens, behind a proxy with a certificate.
//! `SPIFFE_ENDPOINT_SOCKET` names the Workload API.
//!
//! `GET /` shows the orders of the person, or a link to sign in.

mod browsers;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use browsers::{Browser, Browsers};
use std::sync::Arc;
use testudo_client::{ClientError, Outgoing, Svids, TokenClient, TokenRequest};
use tokio::net::TcpListener;
use url::Url;

struct Application {
    testudo: TokenClient,
    api: Url,
    callback: String,
    browsers: Browsers,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("usage: web-app ISSUER RESOURCE API CALLBACK [ADDRESS]")
    };
    let (issuer, resource, api, callback) = (next()?, next()?, next()?, next()?);
    let address = next().unwrap_or_else(|_| "127.0.0.1:9091".into());

    let testudo = TokenClient::new(&issuer, Svids::from_environment())?.request(TokenRequest {
        scope: Some("orders.read".into()),
        resource: Some(resource),
        ..TokenRequest::default()
    });
    let application = Application {
        testudo,
        api: Url::parse(&api)?,
        callback,
        browsers: Browsers::default(),
    };
    let app = Router::new()
        .route("/", get(orders))
        .route("/sign-in", post(sign_in))
        .route("/callback", get(callback_of_issuer))
        .route("/sign-out", post(sign_out))
        .with_state(Arc::new(application));
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

type Shared = State<Arc<Application>>;

const SIGN_IN: &str = "<form method=post action=/sign-in><button name=go>Sign in</button></form>";
const SIGN_OUT: &str = "<form method=post action=/sign-out><button name=go>Sign out</button></form>";

/// The orders of the person who is signed in with this browser.
async fn orders(State(app): Shared, headers: HeaderMap) -> Response {
    let Some(person) = app.browsers.person_of(&headers) else {
        return page(StatusCode::OK, &format!("<p>You are not signed in.</p>{SIGN_IN}"));
    };
    let request = Outgoing {
        method: "GET",
        url: &app.api,
        headers: vec![],
        body: vec![],
    };
    match app.testudo.call_for(&person, &request).await {
        Ok(answer) if answer.status == 200 => {
            let orders = escaped(&String::from_utf8_lossy(&answer.body));
            page(StatusCode::OK, &format!("<p>Your orders: {orders}</p>{SIGN_OUT}"))
        }
        Ok(answer) => page(
            StatusCode::BAD_GATEWAY,
            &format!("<p>The API answered {}.</p>{SIGN_OUT}", answer.status),
        ),
        Err(ClientError::SignInAgain) => page(
            StatusCode::OK,
            &format!("<p>What you granted has ended.</p>{SIGN_IN}"),
        ),
        Err(error) => failed(&error),
    }
}

/// Sends the browser to the authorization server.
async fn sign_in(State(app): Shared) -> Response {
    match app.testudo.sign_in(&app.callback).await {
        Ok(sign_in) => {
            let address = sign_in.address().to_string();
            match app.browsers.keep(Browser::SigningIn(Box::new(sign_in))) {
                Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(&address)).into_response(),
                None => page(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "<p>Too many people are signing in.</p>",
                ),
            }
        }
        Err(error) => failed(&error),
    }
}

/// The browser comes back. The person gets a new cookie, so that an attacker who knew the old one is not signed in with it.
async fn callback_of_issuer(State(app): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let Some(sign_in) = app.browsers.take_sign_in(&headers) else {
        return page(
            StatusCode::BAD_REQUEST,
            &format!("<p>This browser did not start to sign in.</p>{SIGN_IN}"),
        );
    };
    let query = query.unwrap_or_default();
    let person = match app.testudo.finish_sign_in(sign_in, &query).await {
        Ok(person) => person,
        Err(error) => return failed(&error),
    };
    match app.browsers.keep(Browser::SignedIn(Arc::new(person))) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        None => page(
            StatusCode::SERVICE_UNAVAILABLE,
            "<p>Too many people are signed in.</p>",
        ),
    }
}

async fn sign_out(State(app): Shared, headers: HeaderMap) -> Redirect {
    app.browsers.forget(&headers);
    Redirect::to("/")
}

/// The log has the reason; the person sees only that it did not work.
fn failed(error: &ClientError) -> Response {
    eprintln!("error: {error}");
    page(
        StatusCode::BAD_GATEWAY,
        &format!("<p>You could not be signed in.</p>{SIGN_IN}"),
    )
}

fn page(status: StatusCode, content: &str) -> Response {
    let page = format!("<!doctype html><html lang=en><title>Shop</title><h1>Shop</h1>{content}</html>");
    (
        status,
        [
            (header::CACHE_CONTROL, "no-store"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ],
        Html(page),
    )
        .into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

//! A small API that accepts Testudo's access tokens.
//!
//! `orders-api ISSUER [AUDIENCE] [ADDRESS]`: `GET /orders` needs scope `orders.read`, `POST /orders` needs
//! `orders.write`, `GET /healthz` needs nothing.

use axum::extract::Extension;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::Arc;
use testudo_resource::{RequireToken, VerifiedToken, Verifier};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let issuer = arguments
        .next()
        .ok_or("usage: orders-api ISSUER [AUDIENCE] [ADDRESS]")?;
    let audience = arguments
        .next()
        .unwrap_or_else(|| "https://api.example.net/orders".into());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9090".into());

    let verifier = Arc::new(Verifier::new(&issuer, &audience)?);
    let read = RequireToken::new(verifier.clone()).scope("orders.read")?;
    let write = RequireToken::new(verifier).scope("orders.write")?;
    let app = Router::new()
        .route("/orders", get(list).layer(read).merge(post(create).layer(write)))
        .route("/healthz", get(|| async { "ok\n" }));

    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn list(Extension(token): Extension<VerifiedToken>) -> Json<Vec<String>> {
    Json(vec![format!("an order of {}", token.subject)])
}

async fn create(Extension(token): Extension<VerifiedToken>) -> Json<String> {
    Json(format!("an order, placed by {}", token.subject))
}

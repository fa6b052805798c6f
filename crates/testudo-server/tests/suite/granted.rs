//! What a person granted to a client, written into the store as a redeemed code writes it, and tokens of it.

use crate::world::{ISSUER, World};
use serde_json::{Value, json};
use testudo_core::people::{GrantId, PersonId, PresentedSecret};
use testudo_core::records::{
    Batch, BoundTo, Client, Grant, GrantTerms, GrantedClient, IssuedRefreshToken, Person, PersonState,
    RefreshToken, Rotation, client_key,
};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::{Resource, ScopeSet};
use testudo_server::App;

pub const API: &str = "https://api.example/";

/// The rules of these tests: a client that may act for people, and a resource server that may ask about tokens for it.
pub const PEOPLE_RULES: &str = r#"
[[rules]]
name = "web"
identities = ["spiffe://a.example/web/*"]
scopes = ["read"]
default_scopes = ["read"]
resources = ["https://api.example/"]
grant_types = ["client_credentials", "authorization_code", "refresh_token"]
[[rules]]
name = "api"
identities = ["spiffe://a.example/api/*"]
introspects = ["https://api.example/"]
resources = ["https://other.example/"]
"#;

pub struct Granted {
    pub grant: GrantId,
    pub refresh_token: String,
    /// The client id, which is the identity.
    pub client_id: String,
}

pub fn person() -> PersonId {
    PersonId::of_random(&[1; 16])
}

/// Registers the workload with this path by a token request, and grants it access for a person.
pub async fn granted(world: &World, path: &str, random: u8) -> Granted {
    let answer = world.ask(path, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let client_id = format!("spiffe://a.example{path}");
    let app = &world.running.app;
    let key = client_key("spiffe://a.example", &client_id);
    let client = app.store.read::<Client>(&key).await.unwrap().unwrap().record;
    let now = app.now();
    let grant = GrantId::new(person(), &[random; 16]);
    let (refresh_token, name) = PresentedSecret::make(grant, &[random; 32]);
    let expires = Timestamp(now.0 + 86_400);
    let mut batch = Batch::default();
    batch.insert(&RefreshToken {
        name,
        issued: now,
        expires,
    });
    batch.insert(&Grant {
        id: grant,
        client: GrantedClient {
            authority: client.authority.clone(),
            subject: client.subject.clone(),
            client_id: client.client_id.clone(),
            generation: Some(client.generation),
        },
        terms: GrantTerms {
            scope: ScopeSet::parse("read").unwrap(),
            resources: vec![Resource::parse(API).unwrap()],
            ends: Some(Timestamp(now.0 + 10 * 86_400)),
            auth_time: now,
            acr: None,
            consent: None,
        },
        created: now,
        bound_to: BoundTo::default(),
        refresh: Some(Rotation {
            current: IssuedRefreshToken {
                digest: name.digest,
                expires,
            },
            replaced: None,
            earlier: Vec::new(),
            number: 1,
            bound_since: None,
        }),
        live_until: expires,
    });
    if app.store.read::<Person>(person().key()).await.unwrap().is_none() {
        batch.insert(&Person::new(person(), now));
    }
    assert!(app.store.commit(batch).await.is_ok());
    Granted {
        grant,
        refresh_token,
        client_id,
    }
}

impl Granted {
    /// An access token of the grant.
    pub fn access_token(&self, app: &App) -> String {
        self.access_token_with(app, |_| {})
    }

    pub fn access_token_with(&self, app: &App, change: impl FnOnce(&mut Value)) -> String {
        let now = app.now().0;
        let mut claims = json!({
            "iss": ISSUER, "aud": API, "sub": person().sub(), "client_id": self.client_id, "sub_type": "user",
            "jti": "j", "scope": "read", "iat": now, "exp": now + 300, "auth_time": now,
            "grant_id": self.grant.to_string(),
        });
        change(&mut claims);
        let key = app.keys.load().active.clone();
        key.sign_jwt(Some("at+jwt"), claims.to_string().as_bytes())
            .unwrap()
    }
}

/// Locks or unlocks the account of the person.
pub async fn set_state(app: &App, state: PersonState) {
    let stored = app.store.read::<Person>(person().key()).await.unwrap().unwrap();
    let mut batch = Batch::default();
    let changed = Person {
        state,
        ..stored.record
    };
    batch.replace(&changed, stored.version);
    assert!(app.store.commit(batch).await.is_ok());
}

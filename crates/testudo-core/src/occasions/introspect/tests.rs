//! Each token that is not valid, or not for the caller, beside the same question with the answer "active".

use super::*;
use crate::admission::attested_by::BesideAttestation;
use crate::admission::governed::GovernedIdentity;
use crate::grants::tests::world::{
    Caller as Sender, DAY, START, WEB, World, code, governed, grant_id, person, refresh_token, web,
};
use crate::people::SecretDigest;
use crate::possession::Possession;
use crate::records::{ClientState, Consent, Kind, PersonState, client_key};
use crate::rejection::AdmissionReason;
use crate::rules::Rule;
use serde_json::{Value, json};
use testudo_protocol::oauth::access_token::TokenClaims;

const API: &str = "https://api.example";

/// A resource server: a workload with a rule that lists this audience.
fn api() -> Sender {
    Sender {
        subject: "spiffe://a.example/api",
        ..web()
    }
}

/// A world in which the person granted access to [`web`], and the refresh token of it.
fn granted() -> (World, String) {
    let mut world = World::new();
    let token = refresh_token(&world.redeem(&web(), "").unwrap());
    (world, token)
}

fn caller<'a>(governed: &'a GovernedIdentity<'a>, possession: &'a Possession) -> Caller<'a> {
    Caller {
        governed,
        client_id: None,
        attestation: BesideAttestation::Absent,
        possession,
    }
}

/// The answer to a question of this client.
fn ask(world: &mut World, sender: &Sender, token: &NamedToken) -> Result<Value, Rejection> {
    let holder = match token {
        NamedToken::Access(token) => {
            let key = client_key("spiffe://a.example", &token.claims.client_id);
            world.read::<Client>(&key)
        }
        NamedToken::Refresh(_) | NamedToken::Unknown => None,
    };
    ask_about(world, sender, token, holder.as_ref())
}

fn ask_about(
    world: &mut World,
    sender: &Sender,
    token: &NamedToken,
    holder: Option<&Client>,
) -> Result<Value, Rejection> {
    let rule = Rule::compile(&world.spec).unwrap();
    let identity = sender.identity();
    let governed = governed(&identity, &rule);
    let possession = Possession::default();
    let question = Introspection {
        caller: caller(&governed, &possession),
        token,
        holder,
    };
    let introspected = world.settle(&question)?;
    assert_eq!(introspected.caller, sender.subject);
    Ok(serde_json::to_value(&introspected.answer).unwrap())
}

fn of_text(token: &str) -> NamedToken {
    NamedToken::Refresh(PresentedSecret::parse(token).unwrap())
}

fn access(claims: &Value) -> NamedToken {
    let claims: TokenClaims = serde_json::from_value(claims.clone()).unwrap();
    let grant = claims.grant_id.as_deref().and_then(GrantId::parse);
    NamedToken::Access(Box::new(NamedAccessToken { claims, grant }))
}

fn claims_of_person() -> Value {
    json!({
        "iss": "https://as.example", "sub": person().sub(), "client_id": WEB, "aud": API, "exp": START + 300,
        "iat": START, "jti": "j", "scope": "read write", "sub_type": "user", "auth_time": START - 60,
        "acr": "phr", "grant_id": grant_id().to_string(),
    })
}

#[track_caller]
fn assert_active(answer: Result<Value, Rejection>) {
    assert_eq!(answer.unwrap()["active"], true);
}

/// The answer has no other member. [RFC7662 §2.2]
#[track_caller]
fn assert_inactive(answer: Result<Value, Rejection>, case: &str) {
    assert_eq!(answer.unwrap(), json!({ "active": false }), "{case}");
}

// Row RX-09.
#[test]
fn client_learns_the_two_deadlines_of_its_refresh_token() {
    let (mut world, token) = granted();
    world.now = START + DAY;
    let answer = ask(&mut world, &web(), &of_text(&token)).unwrap();
    let expected = json!({
        "active": true, "sub": person().sub(), "sub_type": "user", "client_id": WEB, "iss": "https://as.example",
        "aud": [API], "scope": "read write", "exp": START + 14 * DAY, "iat": START, "auth_time": START - 60,
        "acr": "phr", "grant_id": grant_id().to_string(),
        "refresh_token_timeout": 13 * DAY, "authorization_expires_in": 89 * DAY,
    });
    assert_eq!(answer, expected);
    // Near the end of the authorization, the token ends with it.
    world.spec.refresh_token_idle_lifetime = Some("80d".to_owned());
    let later = refresh_token(&world.refresh(&web(), &token, "").unwrap());
    world.now = START + 20 * DAY;
    let latest = refresh_token(&world.refresh(&web(), &later, "").unwrap());
    let answer = ask(&mut world, &web(), &of_text(&latest)).unwrap();
    assert_eq!(answer["refresh_token_timeout"], 70 * DAY);
    assert_eq!(answer["authorization_expires_in"], 70 * DAY);
}

#[test]
fn refresh_token_ends_with_the_client_at_the_latest() {
    let mut world = World::new();
    world.spec.client_lifetime = Some("3d".to_owned());
    let token = refresh_token(&world.redeem(&web(), "").unwrap());
    world.now = START + DAY;
    let answer = ask(&mut world, &web(), &of_text(&token)).unwrap();
    assert_eq!(answer["refresh_token_timeout"], 2 * DAY);
    assert_eq!(answer["authorization_expires_in"], 2 * DAY);
    assert_eq!(answer["exp"], START + 3 * DAY);
}

// Row RX-11.
#[test]
fn client_learns_the_end_that_a_later_consent_moved() {
    let (mut world, token) = granted();
    let mut grant = world.grant().unwrap();
    grant.terms.ends = Some(Timestamp(START + 2 * DAY));
    grant.terms.consent = Some(SecretDigest::of_bytes([4; 32]));
    world.put(&grant);
    let ends =
        |world: &mut World| ask(world, &web(), &of_text(&token)).unwrap()["authorization_expires_in"].clone();
    world.now = START + DAY;
    assert_eq!(ends(&mut world), DAY);
    world.put(&Consent {
        person: person(),
        client: grant.client,
        scope: grant.terms.scope,
        shown: SecretDigest::of_bytes([4; 32]),
        given: Timestamp(START + DAY),
        until: Some(Timestamp(START + 10 * DAY)),
    });
    assert_eq!(ends(&mut world), 9 * DAY);
}

// Row RX-08.
#[test]
fn refresh_token_that_is_only_asked_about_ends_as_if_it_was_not() {
    let (mut world, token) = granted();
    for day in 1..14 {
        world.now = START + day * DAY;
        assert_active(ask(&mut world, &web(), &of_text(&token)));
    }
    world.now = START + 14 * DAY;
    assert_inactive(
        ask(&mut world, &web(), &of_text(&token)),
        "after its idle lifetime",
    );
    assert!(world.refresh(&web(), &token, "").is_err());
}

#[test]
fn refresh_token_is_inactive_for_others_and_when_it_cannot_be_used() {
    let (mut world, token) = granted();
    world.spec.introspects = vec![API.to_owned()];
    assert_inactive(ask(&mut world, &api(), &of_text(&token)), "of another client");
    assert_inactive(ask(&mut world, &web(), &of_text(&code())), "a code");
    let (never_issued, _) = PresentedSecret::make(grant_id(), &[9; 32]);
    assert_inactive(ask(&mut world, &web(), &of_text(&never_issued)), "never issued");
    assert_inactive(ask(&mut world, &web(), &NamedToken::Unknown), "no token");
    assert_active(ask(&mut world, &web(), &of_text(&token)));

    let next = refresh_token(&world.refresh(&web(), &token, "").unwrap());
    assert_inactive(ask(&mut world, &web(), &of_text(&token)), "used");
    assert_active(ask(&mut world, &web(), &of_text(&next)));

    world.spec.groups = vec!["auditors".to_owned()];
    assert_inactive(
        ask(&mut world, &web(), &of_text(&next)),
        "not in a group of the rule",
    );
    world.spec.groups = vec!["staff".to_owned()];
    assert_active(ask(&mut world, &web(), &of_text(&next)));
    world.change_person(|person| person.state = PersonState::Locked);
    assert_inactive(ask(&mut world, &web(), &of_text(&next)), "of a locked account");
}

// Rows IN-01, IN-03, RX-10.
#[test]
fn access_token_of_a_person_is_shown_to_its_client_and_to_who_may_ask_about_its_audience() {
    let (mut world, _) = granted();
    let token = access(&claims_of_person());
    world.spec.introspects = Vec::new();
    let own = ask(&mut world, &web(), &token).unwrap();
    let expected = json!({
        "active": true, "sub": person().sub(), "sub_type": "user", "client_id": WEB, "iss": "https://as.example",
        "aud": [API], "scope": "read write", "token_type": "Bearer", "exp": START + 300, "iat": START, "jti": "j",
        "auth_time": START - 60, "acr": "phr", "grant_id": grant_id().to_string(),
    });
    assert_eq!(own, expected);
    assert_inactive(ask(&mut world, &api(), &token), "a rule without introspects");
    world.spec.introspects = vec!["https://api.example/other".to_owned()];
    assert_inactive(ask(&mut world, &api(), &token), "another audience");
    world.spec.introspects.push(API.to_owned());
    assert_eq!(ask(&mut world, &api(), &token).unwrap(), expected);
    assert_eq!(world.count(Kind::Client), 1, "who only asks is not registered");
}

#[test]
fn access_token_of_a_person_is_inactive_as_soon_as_the_grant_the_person_or_the_client_ends() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 5] = [
        ("the person is locked", |world| {
            world.change_person(|person| person.state = PersonState::Locked);
        }),
        ("the account is removed", |world| {
            world.change_person(|person| person.state = PersonState::Removed);
        }),
        ("the authorization has ended", |world| {
            let mut grant = world.grant().unwrap();
            grant.terms.ends = Some(Timestamp(START));
            world.put(&grant);
        }),
        ("the client was removed and registered again", |world| {
            let mut grant = world.grant().unwrap();
            grant.client.generation = Some(7);
            world.put(&grant);
        }),
        ("the grant is that of another client", |world| {
            let mut grant = world.grant().unwrap();
            grant.client.subject = "spiffe://a.example/other".to_owned();
            world.put(&grant);
        }),
    ];
    for (case, change) in cases {
        let (mut world, _) = granted();
        world.spec.introspects = vec![API.to_owned()];
        let token = access(&claims_of_person());
        assert_active(ask(&mut world, &api(), &token));
        change(&mut world);
        assert_inactive(ask(&mut world, &api(), &token), case);
    }
    let (mut world, _) = granted();
    let token = access(&claims_of_person());
    let refused_holder = ask_about(&mut world, &web(), &token, None);
    assert_inactive(refused_holder, "a client that may not act");
    let mut other = claims_of_person();
    other["grant_id"] = json!(GrantId::new(person(), &[9; 16]).to_string());
    assert_inactive(ask(&mut world, &web(), &access(&other)), "no such grant");
}

#[test]
fn token_that_is_bound_is_shown_with_its_binding() {
    let (mut world, _) = granted();
    let of_client = |cnf: Value| {
        access(&json!({
            "iss": "https://as.example", "sub": WEB, "client_id": WEB, "aud": API, "exp": START + 300,
            "iat": START, "jti": "j", "sub_type": "client", "cnf": cnf,
        }))
    };
    let thumbprint = "A".repeat(43);
    let key = json!({ "jkt": thumbprint });
    let answer = ask(&mut world, &web(), &of_client(key.clone())).unwrap();
    assert_eq!((&answer["cnf"], &answer["token_type"]), (&key, &json!("DPoP")));
    assert_eq!(answer["sub_type"], "client");
    let certificate = json!({ "x5t#S256": thumbprint });
    let answer = ask(&mut world, &web(), &of_client(certificate.clone())).unwrap();
    assert_eq!(
        (&answer["cnf"], &answer["token_type"]),
        (&certificate, &json!("Bearer"))
    );
    // A resource server that reads `active` without the binding would accept the token from an attacker who stole it.
    let unknown = of_client(json!({ "jwk": {} }));
    assert_inactive(ask(&mut world, &web(), &unknown), "an unknown binding");
}

#[test]
fn caller_that_may_get_no_token_gets_no_answer_either() {
    let (mut world, token) = granted();
    let token = of_text(&token);
    assert_active(ask(&mut world, &web(), &token));
    let key = client_key("spiffe://a.example", WEB);
    let client: Client = world.read(&key).unwrap();
    world.put(&Client {
        state: ClientState::Frozen,
        ..client
    });
    let client_id = WEB.to_owned();
    let frozen = AdmissionReason::ClientFrozen { client_id };
    assert_eq!(ask(&mut world, &web(), &token).unwrap_err(), frozen.into());

    world.spec.first_use = Some(crate::rules::FirstUse::Off);
    let refusal = ask(&mut world, &api(), &token).unwrap_err();
    assert_eq!(refusal.name(), "first_use_off");
}

//! Every door against the rows of the conformance tables. Each refusal is held against its positive twin: the
//! same draft, unmutated, is accepted first.

mod chains;
mod x509;

use super::shared::claims::single_use_mark;
use super::*;
use crate::identity::Authority;
use crate::policy::{ConfiguredClient, TokenPolicy, TrustDomainPolicy};
use crate::rules::FirstUse;
use crate::rules::{Rule, RuleSet, RuleSpec};
use crate::velocity::Rate;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use testudo_protocol::Seconds;
use testudo_protocol::jose::{self, Algorithm, JoseFault, KeySet, PublicKey, SigningKey};
use testudo_protocol::oauth::{ASSERTION_TYPE_JWT_BEARER, ASSERTION_TYPE_JWT_SPIFFE, Form, IssuerUrl};
use testudo_protocol::spiffe::{Bundle, SpiffeIdFault, TrustDomain};
use testudo_testkit::token::{Draft, assemble};
use testudo_testkit::{TestIssuer, generate_key};

const ISSUER: &str = "https://as.example";
const NOW: i64 = 1_795_000_000;
const WORKLOAD: &str = "spiffe://a.example/w/1";

struct World {
    a: TestIssuer,
    b: TestIssuer,
    client_key: SigningKey,
    policy: Policy,
}

fn domain() -> TrustDomainPolicy {
    TrustDomainPolicy {
        credentials: vec![CredentialKind::JwtSvid],
        first_use: FirstUse::On,
        accept_audiences: Vec::new(),
        single_use: false,
        lifetime_max: None,
        attested_metadata: Vec::new(),
        statement_issuer: None,
        registrations: Rate::new(600, None),
        registrations_per_prefix: None,
        velocity_prefix_segments: 2,
        clients_max: None,
    }
}

impl World {
    fn new() -> World {
        let client_key = generate_key(Algorithm::ES256, Some("c6"));
        let mut keys = KeySet::default();
        keys.push(
            PublicKey::from_jwk(&serde_json::from_value(client_key.public_jwk("sig", true)).unwrap())
                .unwrap(),
        );
        let rule = Rule::compile_for_client(&RuleSpec {
            name: "c6".into(),
            ..RuleSpec::default()
        })
        .unwrap();
        let policy = Policy {
            generation: 1,
            issuer: IssuerUrl::parse(ISSUER).unwrap(),
            trust_domains: HashMap::from([("a.example".into(), domain()), ("b.example".into(), domain())]),
            clients: HashMap::from([(
                "c6".into(),
                ConfiguredClient {
                    keys: Arc::new(keys),
                    rule,
                },
            )]),
            rules: RuleSet::default(),
            tokens: TokenPolicy {
                signing_algorithm: Algorithm::ES256,
                access_token_lifetime: Seconds(300),
            },
            registration: Default::default(),
            administration: Default::default(),
            reserved_ids: Default::default(),
        };
        World {
            a: TestIssuer::new("a.example"),
            b: TestIssuer::new("b.example"),
            client_key,
            policy,
        }
    }

    fn bundles(&self, name: &str) -> Option<Bundle> {
        let document = match name {
            "a.example" => self.a.bundle(),
            "b.example" => self.b.bundle(),
            _ => return None,
        };
        Some(Bundle::parse(document.to_string().as_bytes()).unwrap())
    }

    fn knock(&self, kind: CredentialKind, token: &str) -> Result<AttestedIdentity, Rejection> {
        let credential = recognise(&Presented::new(kind, token.to_owned()))?;
        let facts = match credential.lookups() {
            Lookup::Bundle {
                unverified_subject, ..
            } => self
                .bundles(unverified_subject.trust_domain_name())
                .map_or(Facts::Nothing, |bundle| Facts::Bundle(Arc::new(bundle))),
            Lookup::Client { .. } => Facts::Nothing,
        };
        self.judge(credential, &facts)
    }

    /// The door's verdict by these facts, whatever the world holds.
    fn judge(&self, credential: Credential, facts: &Facts) -> Result<AttestedIdentity, Rejection> {
        let purpose = Purpose::Authentication;
        credential.verify(facts, &self.policy, purpose, Timestamp(NOW), &mut Trace::off())
    }

    fn draft(&self) -> Draft<'_> {
        Draft::svid(self.a.key(), WORKLOAD, ISSUER, NOW)
    }

    fn assertion(&self) -> Draft<'_> {
        Draft::assertion(&self.client_key, "c6", ISSUER, "jti-1", NOW)
    }

    /// The positive twin, then the token, which must be refused with this code; returns the reason.
    #[track_caller]
    fn refused(&self, token: &str) -> Rejection {
        assert!(
            self.knock(CredentialKind::JwtSvid, &self.draft().sign()).is_ok(),
            "the positive twin"
        );
        let rejection = self
            .knock(CredentialKind::JwtSvid, token)
            .expect_err("must be refused");
        assert_eq!(rejection.code().name(), "invalid_client", "{rejection:?}");
        assert_eq!(
            rejection.public_sentence(),
            "client authentication failed",
            "{rejection:?}"
        );
        rejection
    }

    #[track_caller]
    fn accepted(&self, token: &str) -> AttestedIdentity {
        self.knock(CredentialKind::JwtSvid, token)
            .expect("must be accepted")
    }

    #[track_caller]
    fn assertion_refused(&self, token: &str) -> Rejection {
        assert!(
            self.knock(CredentialKind::PrivateKeyJwt, &self.assertion().sign())
                .is_ok(),
            "the positive twin"
        );
        let rejection = self
            .knock(CredentialKind::PrivateKeyJwt, token)
            .expect_err("must be refused");
        assert_eq!(
            rejection.public_sentence(),
            "client authentication failed",
            "{rejection:?}"
        );
        rejection
    }
}

fn claims_text(draft: &Draft<'_>) -> String {
    draft.claims.to_string()
}

// A. SPIFFE IDs, as `sub`. The syntax itself is tested in `protocol::spiffe`; here, that the door uses it.

#[test]
fn a_rows_sub_is_a_spiffe_id_to_the_letter() {
    let world = World::new();
    let at = |sub: &str| Draft::svid(world.a.key(), sub, ISSUER, NOW).sign();
    assert_eq!(
        &*world.accepted(&at("spiffe://a.example/w/A-b_c.9")).subject,
        "spiffe://a.example/w/A-b_c.9"
    );
    let long = |bytes: usize| format!("spiffe://a.example/{}", "x".repeat(bytes - 19));
    world.accepted(&at(&long(2048)));
    assert_eq!(
        world.refused(&at(&long(2049))),
        Rejection::SubjectNotSpiffeId(SpiffeIdFault::TooLong)
    );
    for bad in [
        "SPIFFE://a.example/w/1",
        "spiffe://A.example/w/1",
        "https://a.example/w/1",
        "spiffe:///w/1",
        "spiffe://",
        "spiffe://u@a.example/w/1",
        "spiffe://a.example:443/w/1",
        "spiffe://a.example:/w/1",
        "spiffe://a.example/w/1?x=1",
        "spiffe://a.example/w/1#f",
        "spiffe://a.example/w/%31",
        "spiffe://%61.example/w/1",
        "spiffe://a.example//w/1",
        "spiffe://a.example/w/./1",
        "spiffe://a.example/w/../w/1",
        "spiffe://a.example/w/1/",
        "spiffe://a.example/w/*",
        "spiffe://a.example/w 1",
        "spiffe://a.example/w/\u{0}",
        "spiffe://a.example/w/\u{e9}",
        "spiffe://\u{430}.example/w/1",
        "spiffe://[::1]/w",
    ] {
        assert!(
            matches!(world.refused(&at(bad)), Rejection::SubjectNotSpiffeId(_)),
            "{bad}"
        );
    }
}

#[test]
fn a_22_a_bare_trust_domain_is_no_workload() {
    let world = World::new();
    let token = Draft::svid(world.a.key(), "spiffe://a.example", ISSUER, NOW).sign();
    assert_eq!(world.refused(&token), Rejection::SubjectHasNoPath);
}

#[test]
fn a_23_c_04_look_alike_and_unconfigured_domains() {
    let world = World::new();
    for sub in ["spiffe://a.example.evil/w/1", "spiffe://c.example/w/1"] {
        let token = Draft::svid(world.a.key(), sub, ISSUER, NOW).sign();
        assert!(
            matches!(world.refused(&token), Rejection::UnknownTrustDomain { .. }),
            "{sub}"
        );
    }
}

// B. JWT-SVID.

#[test]
fn b_01_all_nine_algorithms() {
    let mut world = World::new();
    let nine = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| algorithm.is_legal_in_jwt_svid());
    world
        .a
        .keys
        .extend(nine.map(|algorithm| generate_key(algorithm, Some(algorithm.name()))));
    for key in &world.a.keys {
        world.accepted(&Draft::svid(key, WORKLOAD, ISSUER, NOW).sign());
    }
    assert_eq!(world.a.keys.len(), 10);
}

#[test]
fn b_02_to_b_09_audience_is_the_issuer_and_nothing_else() {
    let world = World::new();
    world.accepted(&world.draft().claim("aud", ISSUER).sign());
    world.accepted(&world.draft().claim("aud", json!([ISSUER])).sign());
    for audience in [
        json!([ISSUER, "https://other"]),
        json!([ISSUER, ISSUER]),
        json!("https://as.example/token"),
        json!("https://as.example/"),
        json!("HTTPS://AS.EXAMPLE"),
        json!("https://as.example:443"),
        json!("https://other.example"),
        json!("https://evil"),
        json!([]),
        json!(""),
    ] {
        let rejection = world.refused(&world.draft().claim("aud", audience.clone()).sign());
        assert!(
            matches!(rejection, Rejection::AudienceMismatch { .. }),
            "{audience}"
        );
    }
    for audience in [json!(7), json!([ISSUER, 7]), json!(null), json!({}), json!(true)] {
        let rejection = world.refused(&world.draft().claim("aud", audience.clone()).sign());
        assert!(
            matches!(rejection, Rejection::Jose(JoseFault::Claims(_))),
            "{audience}"
        );
    }
    world.refused(&world.draft().without_claim("aud").sign());
    let crowd: Vec<String> = (0..100_000).map(|n| format!("{n}")).collect();
    world.refused(&world.draft().claim("aud", crowd).sign());
}

#[test]
fn decision_5_further_audiences_are_exact_and_off_by_default() {
    let mut world = World::new();
    let token = world.draft().claim("aud", "https://old.example").sign();
    world.refused(&token);
    world
        .policy
        .trust_domains
        .get_mut("a.example")
        .unwrap()
        .accept_audiences = vec!["https://old.example".into()];
    world.accepted(&token);
    world.refused(&world.draft().claim("aud", "https://old.example/").sign());
}

#[test]
fn b_11_to_b_15_expiry() {
    let world = World::new();
    let with = |exp: &str| {
        let claims = claims_text(&world.draft().without_claim("exp"));
        world.draft().sign_text(
            &world.draft().header.to_string(),
            &claims.replacen('{', &format!("{{\"exp\":{exp},"), 1),
        )
    };
    world.accepted(&with("1795000300"));
    world.accepted(&with("1795000300.5"));
    world.accepted(&with("1.7950003e9"));
    world.accepted(&with(&(NOW + 1).to_string()));
    for over in [(NOW - 300).to_string(), NOW.to_string(), "-1".into(), "0".into()] {
        assert!(
            matches!(world.refused(&with(&over)), Rejection::AssertionExpired { .. }),
            "{over}"
        );
    }
    for malformed in ["\"1795000300\"", "1e400", "null", "true", "[]"] {
        assert!(
            matches!(
                world.refused(&with(malformed)),
                Rejection::Jose(JoseFault::Claims(_))
            ),
            "{malformed}"
        );
    }
    world.refused(&world.draft().without_claim("exp").sign());
}

#[test]
fn b_16_to_b_18_not_before_and_issued_at() {
    let world = World::new();
    world.accepted(&world.draft().claim("nbf", NOW + 8).claim("iat", NOW + 8).sign());
    world.accepted(&world.draft().without_claim("iat").sign());
    let late = world.refused(&world.draft().claim("nbf", NOW + 300).sign());
    assert!(matches!(late, Rejection::AssertionNotYetValid { .. }));
    let early = world.refused(&world.draft().claim("iat", NOW + 120).sign());
    assert!(matches!(early, Rejection::AssertionFromTheFuture { .. }));
}

#[test]
fn b_19_to_b_22_sub_iss_jti() {
    let world = World::new();
    world.refused(&world.draft().without_claim("sub").sign());
    for sub in [json!(""), json!(true), json!(7), json!([WORKLOAD])] {
        world.refused(&world.draft().claim("sub", sub).sign());
    }
    world.accepted(&world.draft().claim("iss", "https://oidc.a.example").sign());
    world.accepted(&world.draft().claim("iss", 7).sign());
    for _ in 0..3 {
        world.accepted(&world.draft().sign());
    }
    assert!(
        world
            .accepted(&world.draft().claim("jti", "x").sign())
            .single_use
            .is_none()
    );
}

#[test]
fn decision_7_single_use_demands_and_marks_jti() {
    let mut world = World::new();
    world
        .policy
        .trust_domains
        .get_mut("a.example")
        .unwrap()
        .single_use = true;
    let missing = world
        .knock(CredentialKind::JwtSvid, &world.draft().sign())
        .unwrap_err();
    assert_eq!(missing, Rejection::JwtIdMissing);
    let first = world
        .accepted(&world.draft().claim("jti", "x").sign())
        .single_use
        .unwrap();
    let same = world
        .accepted(&world.draft().claim("jti", "x").claim("iat", NOW - 1).sign())
        .single_use
        .unwrap();
    let other = world
        .accepted(&world.draft().claim("jti", "y").sign())
        .single_use
        .unwrap();
    assert_eq!(first.key, same.key);
    assert_ne!(first.key, other.key);
}

#[test]
fn jti_that_a_terminal_would_obey_is_refused() {
    let world = World::new();
    for hidden in ["a\u{1b}[2J", "a\u{7f}", "a\u{9b}", "a\u{2066}b"] {
        let token = world.draft().claim("jti", hidden).sign();
        assert_eq!(world.refused(&token), Rejection::JwtIdUnprintable);
    }
}

#[test]
fn b_23_b_24_b_50_typ() {
    let world = World::new();
    world.accepted(&world.draft().without_header("typ").sign());
    world.accepted(&world.draft().header("typ", "JOSE").sign());
    for typ in [
        "at+jwt",
        "wit+jwt",
        "client-authentication+jwt",
        "jwt",
        "",
        "application/jwt",
        "dpop+jwt",
    ] {
        let rejection = world.refused(&world.draft().header("typ", typ).sign());
        assert!(matches!(rejection, Rejection::TypeNotAllowed { .. }), "{typ}");
    }
    world.refused(&world.draft().header("typ", 7).sign());
}

/// [JWT-SVID §2.2] A rotation must not refuse tokens of an agent that sends no `kid`, and a refused token must not
/// cost more verifications than the dearest good one.
#[test]
fn token_without_kid_is_tried_against_eight_keys_and_not_against_a_ninth() {
    let mut world = World::new();
    let keys: Vec<SigningKey> = (0..9).map(|_| generate_key(Algorithm::ES256, None)).collect();
    world.a.keys = keys;
    let by = |key: usize| {
        Draft::svid(&world.a.keys[key], WORKLOAD, ISSUER, NOW)
            .without_header("kid")
            .sign()
    };
    world.accepted(&by(0));
    world.accepted(&by(7));
    assert_eq!(world.refused(&by(8)), Rejection::Jose(JoseFault::BadSignature));
}

#[test]
fn b_25_to_b_29_kid() {
    let mut world = World::new();
    world.accepted(&world.draft().without_header("kid").sign());
    let stranger = generate_key(Algorithm::ES256, None);
    let foreign = Draft::svid(&stranger, WORKLOAD, ISSUER, NOW);
    assert_eq!(
        world.refused(&foreign.without_header("kid").sign()),
        Rejection::Jose(JoseFault::BadSignature)
    );
    assert_eq!(
        world.refused(&world.draft().header("kid", "zz").sign()),
        Rejection::Jose(JoseFault::NoKey)
    );
    world.a.keys.push(generate_key(Algorithm::ES256, Some("ka2")));
    let crossed = world.refused(&world.draft().header("kid", "ka2").sign());
    assert_eq!(crossed, Rejection::Jose(JoseFault::BadSignature));
    for kid in [
        json!(7),
        json!("x".repeat(3000)),
        json!("../../x"),
        json!("' or 1=1--"),
        json!("\u{0}"),
        json!(null),
    ] {
        world.refused(&world.draft().header("kid", kid).sign());
    }
}

#[test]
fn b_30_to_b_33_algorithms_that_are_none() {
    let mut world = World::new();
    for alg in [
        "none", "None", "noNE", "", "HS256", "HS384", "HS512", "ES256K", "ES999", "RSA-OAEP", "es256",
    ] {
        let rejection = world.refused(&world.draft().header("alg", alg).sign());
        assert!(
            matches!(rejection, Rejection::AlgorithmNotAllowed { .. }),
            "{alg}"
        );
    }
    world.refused(&world.draft().without_header("alg").sign());
    let draft = world.draft();
    world.refused(&assemble(
        br#"{"alg":"none"}"#,
        claims_text(&draft).as_bytes(),
        b"",
    ));
    world.a.keys.push(generate_key(Algorithm::EdDSA, Some("ed")));
    let ed = world.a.keys.last().unwrap();
    let rejection = world.refused(&Draft::svid(ed, WORKLOAD, ISSUER, NOW).sign());
    assert!(matches!(rejection, Rejection::AlgorithmNotAllowed { .. }));
}

#[test]
fn b_31_a_public_key_is_never_a_secret() {
    let world = World::new();
    let draft = world.draft();
    let signing_input = assemble(
        br#"{"alg":"HS256","typ":"JWT"}"#,
        claims_text(&draft).as_bytes(),
        b"",
    );
    let input = signing_input.trim_end_matches('.');
    for secret in [
        world.a.key().public_jwk("jwt-svid", false).to_string(),
        "x".into(),
    ] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
        let mut token = format!("{input}.");
        jose::encode_segment(tag.as_ref(), &mut token);
        assert!(matches!(
            world.refused(&token),
            Rejection::AlgorithmNotAllowed { .. }
        ));
    }
}

#[test]
fn b_34_the_key_decides_the_algorithm() {
    let mut world = World::new();
    world.a.keys.push(generate_key(Algorithm::ES512, Some("ka3")));
    world.a.keys.push(generate_key(Algorithm::RS256, Some("ka2")));
    for (alg, kid) in [
        ("RS256", world.a.key().kid()),
        ("ES384", world.a.key().kid()),
        ("ES256", "ka3"),
        ("ES256", "ka2"),
    ] {
        let rejection = world.refused(&world.draft().header("alg", alg).header("kid", kid).sign());
        assert_eq!(rejection, Rejection::Jose(JoseFault::NoKey), "{alg} {kid}");
    }
}

#[test]
fn b_37_signatures_that_mean_nothing() {
    let world = World::new();
    let draft = world.draft();
    let (header, claims) = (draft.header.to_string(), claims_text(&draft));
    let with = |signature: &[u8]| assemble(header.as_bytes(), claims.as_bytes(), signature);
    for signature in [
        &[0u8; 64][..],
        &[],
        &[1],
        &[0xff; 64],
        &[0x30, 0x06, 2, 1, 1, 2, 1, 1],
    ] {
        assert_eq!(
            world.refused(&with(signature)),
            Rejection::Jose(JoseFault::BadSignature)
        );
    }
}

#[test]
fn b_38_tampering() {
    let world = World::new();
    let token = world.draft().sign();
    let parts: Vec<&str> = token.split('.').collect();
    let other = world.draft().claim("sub", "spiffe://a.example/w/2").sign();
    let payload = other.split('.').nth(1).unwrap();
    assert_eq!(
        world.refused(&format!("{}.{payload}.{}", parts[0], parts[2])),
        Rejection::Jose(JoseFault::BadSignature)
    );
    world.refused(&format!("{}.{}.", parts[0], parts[1]));
    world.refused(&format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40]));
    for position in [0, 20, 60] {
        let mut signature: Vec<char> = parts[2].chars().collect();
        signature[position] = if signature[position] == 'A' { 'B' } else { 'A' };
        let flipped: String = signature.into_iter().collect();
        world.refused(&format!("{}.{}.{flipped}", parts[0], parts[1]));
    }
}

#[test]
fn b_39_to_b_42_headers_that_bring_keys_or_change_the_rules() {
    let world = World::new();
    let attacker = generate_key(Algorithm::ES256, None);
    for (name, value) in [
        ("jwk", attacker.public_jwk("sig", true)),
        ("jku", json!("https://evil.example/jwks")),
        ("x5c", json!(["AAAA"])),
        ("x5u", json!("https://evil.example/x5u")),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["foo"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("foo", json!(1)),
    ] {
        let forged = Draft::svid(&attacker, WORKLOAD, ISSUER, NOW)
            .header(name, value.clone())
            .sign();
        world.refused(&forged);
        let honest = world.refused(&world.draft().header(name, value).sign());
        assert_eq!(
            honest,
            Rejection::Jose(JoseFault::HeaderParameterRefused),
            "{name}"
        );
    }
}

#[test]
fn rfc7515_4_headers_of_an_assertion_that_are_ignored() {
    let world = World::new();
    let attacker = generate_key(Algorithm::ES256, None);
    for (name, value) in [
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("x5c", json!(["AAAA"])),
        ("x5u", json!("https://evil.example/x5u")),
        ("jku", json!("https://evil.example/jwks")),
        ("jwk", attacker.public_jwk("sig", true)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("foo", json!({ "bar": [1] })),
    ] {
        let honest = world.assertion().header(name, value.clone()).sign();
        assert!(
            world.knock(CredentialKind::PrivateKeyJwt, &honest).is_ok(),
            "{name}"
        );
        let forged = Draft::assertion(&attacker, "c6", ISSUER, "jti-1", NOW)
            .header("kid", "c6")
            .header(name, value);
        let rejection = world.assertion_refused(&forged.sign());
        assert_eq!(rejection, Rejection::Jose(JoseFault::BadSignature), "{name}");
    }
}

#[test]
fn b_43_to_b_46_forms_that_are_not_compact_jws() {
    let world = World::new();
    let token = world.draft().sign();
    let parts: Vec<&str> = token.split('.').collect();
    let flattened = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string();
    let general =
        json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] });
    for form in [
        flattened.clone(),
        general.to_string(),
        format!("{{\"x\":\"{token}\"}}"),
        format!("{token}.a.b"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}="),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{}. {}.{}", parts[0], parts[1], parts[2]),
        token.replacen('.', "..", 1),
        parts[..2].join("."),
        parts[0].to_owned(),
        String::new(),
        "...".to_owned(),
        ".".repeat(10_000),
    ] {
        assert!(
            matches!(world.refused(&form), Rejection::Jose(_)),
            "{}",
            &form[..form.len().min(80)]
        );
    }
    // Stray bits in the last character of the signature: a second spelling of the same bytes.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = token.chars().last().unwrap();
    let value = alphabet.find(last).unwrap();
    let stray = alphabet.chars().nth(value ^ 1).unwrap();
    let respelled = format!("{}{stray}", &token[..token.len() - 1]);
    assert_eq!(
        world.refused(&respelled),
        Rejection::Jose(JoseFault::NotBase64Url)
    );
}

#[test]
fn b_47_duplicate_members() {
    let world = World::new();
    let draft = world.draft();
    let (header, claims) = (draft.header.to_string(), claims_text(&draft));
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    for member in [r#""sub":"spiffe://a.example/w/2""#, r#""aud":"x""#, r#""exp":1"#] {
        world.refused(&draft.sign_text(&header, &twice(&claims, member)));
    }
    world.refused(&draft.sign_text(&header, &twice(&twice(&claims, r#""x":1"#), r#""x":1"#)));
    for member in [r#""alg":"none""#, r#""kid":"zz""#, r#""typ":"JWT""#] {
        world.refused(&draft.sign_text(&twice(&header, member), &claims));
    }
}

#[test]
fn b_48_j_09_texts_that_are_no_json_of_ours() {
    let world = World::new();
    let draft = world.draft();
    let (header, claims) = (draft.header.to_string(), claims_text(&draft));
    for bad in [
        format!("\u{feff}{claims}"),
        claims.replacen('{', "{\"x\":\"\u{0}\",", 1),
        "[".repeat(5_000),
        claims.replacen(
            '{',
            &format!("{{\"x\":{}1{},", "[".repeat(2000), "]".repeat(2000)),
            1,
        ),
        claims.replacen(
            '{',
            &format!(
                "{{{}",
                (0..100).map(|n| format!("\"m{n}\":1,")).collect::<String>()
            ),
            1,
        ),
        "null".into(),
        "\"x\"".into(),
        "{}".into(),
    ] {
        world.refused(&draft.sign_text(&header, &bad));
    }
    let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    world.refused(&world.a.key().sign_compact(header.as_bytes(), &utf16).unwrap());
    world.refused(
        &world
            .a
            .key()
            .sign_compact(header.as_bytes(), b"{\"sub\":\"\xff\"}")
            .unwrap(),
    );
}

#[test]
fn b_49_keys_of_another_use_vouch_for_nothing() {
    let world = World::new();
    let oidc = generate_key(Algorithm::ES256, Some("oidc"));
    let mut document = world.a.bundle();
    document["keys"]
        .as_array_mut()
        .unwrap()
        .push(oidc.public_jwk("sig", true));
    let bundle = Bundle::parse(document.to_string().as_bytes()).unwrap();
    let token = Draft::svid(&oidc, WORKLOAD, ISSUER, NOW).sign();
    let credential = recognise(&Presented::new(CredentialKind::JwtSvid, token)).unwrap();
    let facts = Facts::Bundle(Arc::new(bundle));
    let rejection = world.judge(credential, &facts).unwrap_err();
    assert_eq!(rejection, Rejection::Jose(JoseFault::NoKey));
}

#[test]
fn b_51_b_52_each_assertion_type_has_its_own_door() {
    let world = World::new();
    let svid = world.draft().sign();
    let assertion = world.assertion().sign();
    assert!(world.knock(CredentialKind::PrivateKeyJwt, &svid).is_err());
    assert!(world.knock(CredentialKind::JwtSvid, &assertion).is_err());
    assert!(world.knock(CredentialKind::JwtSvid, &svid).is_ok());
    assert!(world.knock(CredentialKind::PrivateKeyJwt, &assertion).is_ok());
}

#[test]
fn c_01_c_02_keys_of_one_domain_never_speak_for_another() {
    let mut world = World::new();
    let crossed = Draft::svid(world.a.key(), "spiffe://b.example/w/1", ISSUER, NOW).sign();
    world.refused(&crossed);
    world
        .a
        .keys
        .insert(0, generate_key(Algorithm::ES256, Some("shared")));
    world
        .b
        .keys
        .insert(0, generate_key(Algorithm::ES256, Some("shared")));
    let same_kid = Draft::svid(world.a.key(), "spiffe://b.example/w/1", ISSUER, NOW).sign();
    assert_eq!(world.refused(&same_kid), Rejection::Jose(JoseFault::BadSignature));
}

#[test]
fn i_02_no_keys_no_trust() {
    let world = World::new();
    let credential = recognise(&Presented::new(CredentialKind::JwtSvid, world.draft().sign())).unwrap();
    let facts = Facts::Bundle(Arc::new(Bundle::parse(b"{\"keys\":[]}").unwrap()));
    let rejection = world.judge(credential, &facts).unwrap_err();
    assert_eq!(rejection, Rejection::Jose(JoseFault::NoKey));
}

#[test]
fn no_bundle_no_verdict() {
    let world = World::new();
    let credential = recognise(&Presented::new(CredentialKind::JwtSvid, world.draft().sign())).unwrap();
    let rejection = world.judge(credential, &Facts::NoBundle).unwrap_err();
    assert!(matches!(rejection, Rejection::BundleUnavailable { .. }));
}

#[test]
fn rf_95_rf_96_only_listed_claims_get_in() {
    let mut world = World::new();
    let token = world
        .draft()
        .claim("client_name", "Pay")
        .claim("scope", "admin")
        .sign();
    assert!(world.accepted(&token).attested_claims.is_empty());
    world
        .policy
        .trust_domains
        .get_mut("a.example")
        .unwrap()
        .attested_metadata = vec!["client_name".into()];
    let claims: Vec<String> = world.accepted(&token).attested_claims.into_keys().collect();
    assert_eq!(claims, ["client_name"]);
}

// H. private_key_jwt.

#[test]
fn h_01_good_assertions() {
    let world = World::new();
    for typ in [
        "client-authentication+jwt",
        "JWT",
        "application/client-authentication+jwt",
    ] {
        assert!(
            world
                .knock(
                    CredentialKind::PrivateKeyJwt,
                    &world.assertion().header("typ", typ).sign()
                )
                .is_ok()
        );
    }
    let identity = world
        .knock(
            CredentialKind::PrivateKeyJwt,
            &world.assertion().without_header("typ").sign(),
        )
        .unwrap();
    assert_eq!(
        (&*identity.subject, identity.authority),
        ("c6", Authority::Configuration)
    );
    assert!(identity.single_use.is_some());
}

#[test]
fn h_02_h_03_rfc10070_audience_is_the_issuer_alone() {
    let world = World::new();
    for audience in [
        json!("https://as.example/token"),
        json!([ISSUER, "https://as.example/token"]),
        json!("https://as.example/par"),
        json!("https://evil.example"),
    ] {
        let rejection = world.assertion_refused(&world.assertion().claim("aud", audience).sign());
        assert!(matches!(rejection, Rejection::AudienceMismatch { .. }));
    }
    assert!(
        world
            .knock(
                CredentialKind::PrivateKeyJwt,
                &world.assertion().claim("aud", json!([ISSUER])).sign()
            )
            .is_ok()
    );
}

#[test]
fn h_04_rfc7523_3_issuer_and_subject_are_the_client() {
    let world = World::new();
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("iss", "other").sign()),
        Rejection::IssuerIsNotSubject
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("sub", "other").sign()),
        Rejection::UnknownClient
    );
    world.assertion_refused(&world.assertion().without_claim("iss").sign());
    world.assertion_refused(&world.assertion().without_claim("sub").sign());
}

#[test]
fn h_05_h_06_short_lived_and_named() {
    let world = World::new();
    assert_eq!(
        world.assertion_refused(&world.assertion().without_claim("jti").sign()),
        Rejection::JwtIdMissing
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("jti", "").sign()),
        Rejection::JwtIdMissing
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("jti", "x".repeat(513)).sign()),
        Rejection::JwtIdTooLong
    );
    for hidden in ["a\u{1b}[2J", "a\u{9b}", "a\u{202e}b", "a\u{200b}b"] {
        assert_eq!(
            world.assertion_refused(&world.assertion().claim("jti", hidden).sign()),
            Rejection::JwtIdUnprintable
        );
    }
    assert!(
        world
            .knock(
                CredentialKind::PrivateKeyJwt,
                &world.assertion().claim("exp", NOW + 600).sign()
            )
            .is_ok()
    );
    for exp in [NOW + 601, NOW + 315_360_000] {
        let rejection = world.assertion_refused(&world.assertion().claim("exp", exp).sign());
        assert!(matches!(rejection, Rejection::LifetimeTooLong { .. }));
    }
    let expired = world.assertion_refused(&world.assertion().claim("exp", NOW).sign());
    assert!(matches!(expired, Rejection::AssertionExpired { .. }));
}

#[test]
fn h_08_other_jwts_are_no_client_assertions() {
    let world = World::new();
    for typ in [
        "at+jwt",
        "dpop+jwt",
        "wit+jwt",
        "logout+jwt",
        "secevent+jwt",
        "oauth-client-attestation+jwt",
        "oauth-client-attestation-pop+jwt",
        "vc+jwt",
        "CLIENT-AUTHENTICATION+JWT",
    ] {
        let rejection = world.assertion_refused(&world.assertion().header("typ", typ).sign());
        assert!(matches!(rejection, Rejection::TypeNotAllowed { .. }), "{typ}");
    }
    let attacker = generate_key(Algorithm::ES256, Some("c6"));
    let forged = Draft::assertion(&attacker, "c6", ISSUER, "jti-1", NOW)
        .header("jwk", attacker.public_jwk("sig", true));
    assert_eq!(
        world.assertion_refused(&forged.sign()),
        Rejection::Jose(JoseFault::BadSignature)
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().header("b64", false).sign()),
        Rejection::Jose(JoseFault::HeaderParameterRefused)
    );
    let crit = world.assertion().header("crit", json!(["foo"])).header("foo", 1);
    assert_eq!(
        world.assertion_refused(&crit.sign()),
        Rejection::Jose(JoseFault::CriticalExtension)
    );
    let impostor = Draft::assertion(&attacker, "c6", ISSUER, "jti-1", NOW).sign();
    assert_eq!(
        world.assertion_refused(&impostor),
        Rejection::Jose(JoseFault::BadSignature)
    );
}

#[test]
fn single_use_marks_do_not_collide_across_parts() {
    let mark = |subject: &str, jti: &str| {
        single_use_mark(CredentialKind::PrivateKeyJwt, subject, jti, Timestamp(NOW)).key
    };
    assert_ne!(mark("ab", "c"), mark("a", "bc"));
    assert_eq!(mark("a", "b"), mark("a", "b"));
}

#[test]
fn the_mechanism_is_named_and_there_is_one() {
    let find = |body: &str, headers: RequestHeaders| {
        Presented::find(&mut Form::parse(body.as_bytes()).unwrap(), headers).map(|presented| presented.kind)
    };
    let plain = RequestHeaders::default();
    let basic = RequestHeaders {
        has_authorization: true,
        ..plain.clone()
    };
    let attestation = RequestHeaders {
        has_client_attestation: true,
        ..plain.clone()
    };
    let spiffe = format!("client_assertion_type={ASSERTION_TYPE_JWT_SPIFFE}&client_assertion=a");
    assert_eq!(find(&spiffe, plain.clone()), Ok(CredentialKind::JwtSvid));
    let bearer = format!("client_assertion_type={ASSERTION_TYPE_JWT_BEARER}&client_assertion=a");
    assert_eq!(find(&bearer, plain.clone()), Ok(CredentialKind::PrivateKeyJwt));
    assert_eq!(find("", plain.clone()), Err(Rejection::NoCredential));
    assert_eq!(find("client_id=x", plain.clone()), Err(Rejection::NoCredential));
    assert_eq!(
        find("client_secret=x", plain.clone()),
        Err(Rejection::UnsupportedMechanism)
    );
    assert_eq!(find("", basic.clone()), Err(Rejection::UnsupportedMechanism));
    assert_eq!(find(&spiffe, basic.clone()), Err(Rejection::TwoMechanisms));
    assert_eq!(find(&spiffe, attestation), Err(Rejection::TwoMechanisms));
    assert_eq!(
        find(&format!("{spiffe}&client_secret=x"), plain.clone()),
        Err(Rejection::TwoMechanisms)
    );
    assert_eq!(
        find("client_assertion=a", plain.clone()),
        Err(Rejection::MissingAssertion)
    );
    assert_eq!(
        find(
            &format!("client_assertion_type={ASSERTION_TYPE_JWT_SPIFFE}"),
            plain.clone()
        ),
        Err(Rejection::MissingAssertion)
    );
    let saml =
        "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer&client_assertion=a";
    assert_eq!(find(saml, plain.clone()), Err(Rejection::UnknownAssertionType));
}

/// One sentence for every way in which client authentication can fail.
#[test]
fn j_12_no_oracle() {
    let world = World::new();
    let stranger = generate_key(Algorithm::ES256, None);
    let tokens: [String; 6] = [
        Draft::svid(&stranger, WORKLOAD, ISSUER, NOW).sign(),
        Draft::svid(world.a.key(), "spiffe://c.example/w", ISSUER, NOW).sign(),
        world.draft().claim("aud", "https://other").sign(),
        world.draft().claim("exp", NOW - 1).sign(),
        world.draft().header("kid", "zz").sign(),
        "not a token".into(),
    ];
    let sentences: std::collections::BTreeSet<&str> = tokens
        .iter()
        .map(|token| world.refused(token).public_sentence())
        .collect();
    assert_eq!(sentences.len(), 1);
}

#[test]
fn hints_and_names_hold_no_value_of_the_request() {
    let world = World::new();
    let rejection = world.refused(&world.draft().header("typ", "evil\r\ninjected").sign());
    assert!(!rejection.to_string().contains('\n'));
    let _: Value = json!(rejection.name());
}

#[test]
fn trust_domains_compare_whole_names() {
    assert_ne!(
        TrustDomain::parse("a.example").unwrap(),
        TrustDomain::parse("a.example.evil").unwrap()
    );
}

//! Tests of the form of a JWS: type, header parameters, segments and JSON.

use super::*;

// Rows B-23, B-24, B-50.
#[test]
fn svid_with_another_typ_is_refused() {
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
        assert!(
            matches!(
                rejection,
                Rejection::Credential(CredentialReason::TypeNotAllowed { .. })
            ),
            "{typ}"
        );
    }
    world.refused(&world.draft().header("typ", 7).sign());
}

// Rows B-39 to B-42.
#[test]
fn header_parameters_with_keys_and_unknown_ones_are_refused() {
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
            Rejection::Credential(CredentialReason::Jose(JoseError::HeaderParameterRefused {
                name: name.to_owned()
            })),
            "{name}"
        );
    }
}

#[test]
fn rfc7515_4_unknown_headers_of_an_assertion_are_ignored_and_their_keys_are_not_used() {
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
            world.show(CredentialKind::PrivateKeyJwt, &honest).is_ok(),
            "{name}"
        );
        let forged = Draft::assertion(&attacker, "c6", ISSUER, "jti-1", NOW)
            .header("kid", "c6")
            .header(name, value);
        let rejection = world.assertion_refused(&forged.sign());
        assert_eq!(
            rejection,
            Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature)),
            "{name}"
        );
    }
}

// Rows B-43 to B-46.
#[test]
fn text_that_is_not_a_compact_jws_is_refused() {
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
            matches!(
                world.refused(&form),
                Rejection::Credential(CredentialReason::Jose(_))
            ),
            "{}",
            &form[..form.len().min(80)]
        );
    }
    // Trailing bits in the last character of the signature that are not zero: a second encoding of the same bytes.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = token.chars().last().unwrap();
    let value = alphabet.find(last).unwrap();
    let stray = alphabet.chars().nth(value ^ 1).unwrap();
    let respelled = format!("{}{stray}", &token[..token.len() - 1]);
    assert_eq!(
        world.refused(&respelled),
        Rejection::Credential(CredentialReason::Jose(JoseError::NotBase64Url))
    );
}

// Row B-47.
#[test]
fn duplicate_members_in_header_or_claims_are_refused() {
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

// Rows B-48, J-09.
#[test]
fn malformed_too_deep_and_too_large_json_is_refused() {
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

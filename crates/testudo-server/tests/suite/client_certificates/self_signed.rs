//! `self_signed_tls_client_auth` of configured clients: the certificate is in their key set. [RFC8705 §2.2]

use super::*;

#[tokio::test]
async fn rfc8705_2_2_only_the_certificate_in_the_key_set_authenticates_the_client() {
    let key = KeyPair::generate().unwrap();
    let site = Site::start().await;
    let first = self_signed_by(&key, |_| {});
    let write = async |keys: Value| {
        std::fs::write(
            site.world.folder.join("own.json"),
            json!({ "keys": keys }).to_string(),
        )
        .unwrap();
        site.world.admin("POST", "/admin/v1/reload", json!({})).await;
    };
    write(json!([jwk(&first), jwk(&site.own)])).await;
    assert_granted(&site.ask(&first, "own").await, "the first");
    assert_granted(&site.ask(&site.own, "own").await, "the second");
    // Another certificate of the same key, with the same name.
    let again = self_signed_by(&key, |parameters| {
        parameters.serial_number = Some(rcgen::SerialNumber::from(7));
    });
    let of_ca = leaf(&site.ca, |_| {});
    let rows = [
        ("another certificate of the key", &again),
        ("a certificate of another key", &self_signed(|_| {})),
        ("a certificate of an authority", &of_ca),
    ];
    for (case, certificate) in rows {
        assert_refused(&site.ask(certificate, "own").await, "invalid_client", case);
    }
    // The certificate behind the leaf does not count.
    let behind = X509Chain {
        chain: vec![again.chain[0].clone(), first.chain[0].clone()],
        key: again.key.clone(),
    };
    assert_refused(
        &site.ask(&behind, "own").await,
        "invalid_client",
        "behind the leaf",
    );
    let with_others = first.clone().followed_by(&site.ca);
    assert_granted(
        &site.ask(&with_others, "own").await,
        "what follows does not matter",
    );
    write(json!([jwk(&site.own)])).await;
    assert_refused(&site.ask(&first, "own").await, "invalid_client", "removed");
    for other in ["c6", "dns", "subject", "spiffe://a.example/x/1"] {
        assert_refused(&site.ask(&site.own, other).await, "invalid_client", other);
    }
}

#[tokio::test]
async fn certificate_outside_its_validity_is_refused_although_it_is_in_the_key_set() {
    let site = Site::start().await;
    let ended = self_signed(|parameters| {
        (parameters.not_before, parameters.not_after) = (before(120).into(), before(60).into());
    });
    let later = self_signed(|parameters| {
        (parameters.not_before, parameters.not_after) = (after(300).into(), after(600).into());
    });
    let keys = json!({ "keys": [jwk(&ended), jwk(&later), jwk(&site.own)] });
    std::fs::write(site.world.folder.join("own.json"), keys.to_string()).unwrap();
    site.world.admin("POST", "/admin/v1/reload", json!({})).await;
    assert_refused(&site.ask(&ended, "own").await, "invalid_client", "ended");
    assert_refused(&site.ask(&later, "own").await, "invalid_client", "not yet valid");
    assert_granted(&site.ask(&site.own, "own").await, "valid");
}

#[tokio::test]
async fn client_with_a_certificate_cannot_use_the_key_of_its_jwks_for_an_assertion() {
    let site = Site::start().await;
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, None);
    let keys = json!({ "keys": [jwk(&site.own), key.public_jwk("sig", false)] });
    std::fs::write(site.world.folder.join("own.json"), keys.to_string()).unwrap();
    site.world.admin("POST", "/admin/v1/reload", json!({})).await;
    let assertion = Draft::assertion(&key, "own", ISSUER, "1", site.world.now()).sign();
    let parameters = [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion.as_str()),
    ];
    let answer = site.send(None, &parameters).await;
    assert_refused(&answer, "invalid_client", "private_key_jwt");
    assert_granted(&site.ask(&site.own, "own").await, "its certificate");
}

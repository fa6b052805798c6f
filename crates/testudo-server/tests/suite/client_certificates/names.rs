//! `tls_client_auth`: a certificate of the client's authorities with the configured name. [RFC8705 §2.1]

use super::*;

// Each certificate has one name of one kind, which is that of one client.
#[tokio::test]
async fn rfc8705_2_1_2_certificate_authenticates_the_client_whose_name_it_has_and_no_other() {
    let site = Site::start().await;
    let subject = |parameters: &mut CertificateParams| {
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, "Example");
        parameters.distinguished_name.push(DnType::CommonName, "batch");
    };
    let with = |name: SanType| leaf(&site.ca, |parameters| parameters.subject_alt_names = vec![name]);
    let certificates = [
        ("subject", leaf(&site.ca, subject)),
        ("dns", with(dns_name("batch.example"))),
        ("uri", with(uri_name("urn:example:batch"))),
        ("ip", with(SanType::IpAddress("192.0.2.7".parse().unwrap()))),
        (
            "email",
            with(SanType::Rfc822Name("batch@example.net".try_into().unwrap())),
        ),
    ];
    let mut cells = 0;
    for (owner, certificate) in &certificates {
        for client_id in ["subject", "dns", "uri", "ip", "email", "elsewhere", "own", "c6"] {
            let answer = site.ask(certificate, client_id).await;
            match client_id == *owner {
                true => assert_granted(&answer, client_id),
                false => assert_refused(&answer, "invalid_client", &format!("{owner} as {client_id}")),
            }
            cells += 1;
        }
    }
    assert_eq!(cells, 40);
    assert_eq!(site.world.clients().await.len(), 5);
}

#[tokio::test]
async fn certificate_without_a_valid_path_or_with_another_name_is_refused() {
    let site = Site::start().await;
    let named = |change: &dyn Fn(&mut CertificateParams)| {
        leaf(&site.ca, |parameters| {
            parameters.subject_alt_names = vec![dns_name("batch.example")];
            change(parameters);
        })
    };
    let good = named(&|_| {});
    let intermediate = site.ca.intermediate(|_| {});
    let below = leaf(&intermediate, |parameters| {
        parameters.subject_alt_names = vec![dns_name("batch.example")];
    });
    let of_other = leaf(&site.other, |parameters| {
        parameters.subject_alt_names = vec![dns_name("batch.example")];
    });
    let mut tampered = good.clone();
    let last = tampered.chain[0].len() - 1;
    tampered.chain[0][last] ^= 1;
    let long = (0..5).fold(good.clone(), |chain, _| chain.followed_by(&site.ca));
    let svid = site.tls.a.leaf("spiffe://a.example/x/1", |parameters| {
        parameters.subject_alt_names.push(dns_name("batch.example"));
    });
    let rows = [
        ("another authority", of_other.clone()),
        (
            "another authority, with the right one appended",
            of_other.clone().followed_by(&site.ca),
        ),
        ("an authority of a trust domain", svid),
        (
            "self-signed",
            self_signed(|parameters| {
                parameters.subject_alt_names = vec![dns_name("batch.example")];
            }),
        ),
        ("intermediate missing", below.clone()),
        ("forged signature", tampered),
        ("chain of 6", long),
        (
            "expired",
            named(&|parameters| {
                (parameters.not_before, parameters.not_after) = (before(120).into(), before(60).into())
            }),
        ),
        (
            "not yet valid",
            named(&|parameters| {
                (parameters.not_before, parameters.not_after) = (after(60).into(), after(120).into())
            }),
        ),
        (
            "for servers only",
            named(&|parameters| {
                parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
            }),
        ),
        (
            "an authority",
            named(&|parameters| {
                parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                parameters.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
            }),
        ),
        ("a wildcard", site.dns("*.example")),
        ("a longer name", site.dns("batch.example.net")),
        ("a part of the name", site.dns("example")),
        (
            "the name as a URI",
            leaf(&site.ca, |parameters| {
                parameters.subject_alt_names = vec![uri_name("batch.example")];
            }),
        ),
        (
            "the name in the subject only",
            leaf(&site.ca, |parameters| {
                parameters
                    .distinguished_name
                    .push(DnType::CommonName, "batch.example");
            }),
        ),
        ("no name", leaf(&site.ca, |_| {})),
    ];
    for (case, certificate) in rows {
        assert_refused(&site.ask(&certificate, "dns").await, "invalid_client", case);
        assert_granted(&site.ask(&good, "dns").await, case);
    }
    let whole = below.followed_by(&intermediate);
    assert_granted(&site.ask(&whole, "dns").await, "with the intermediate");
    assert_granted(&site.ask(&of_other, "elsewhere").await, "its own authority");
    assert_granted(&site.ask(&site.dns("BATCH.example"), "dns").await, "another case");
    let refused = site.world.events("client.refused").await;
    let reasons: Vec<&str> = refused
        .iter()
        .filter_map(|event| event["reason"].as_str())
        .collect();
    assert!(reasons.contains(&"client_certificate_refused"), "{reasons:?}");
}

#[tokio::test]
async fn subject_is_compared_with_all_its_parts_in_their_order() {
    let site = Site::start().await;
    let with = |parts: &[(DnType, &str)]| {
        leaf(&site.ca, |parameters| {
            parameters.distinguished_name = rcgen::DistinguishedName::new();
            for (kind, value) in parts {
                parameters.distinguished_name.push(kind.clone(), *value);
            }
        })
    };
    let (o, cn, ou) = (
        DnType::OrganizationName,
        DnType::CommonName,
        DnType::OrganizationalUnitName,
    );
    let good = with(&[(o.clone(), "Example"), (cn.clone(), "batch")]);
    assert_granted(&site.ask(&good, "subject").await, "the subject");
    for (case, parts) in [
        (
            "another value",
            vec![(o.clone(), "Example"), (cn.clone(), "batch2")],
        ),
        (
            "another case",
            vec![(o.clone(), "Example"), (cn.clone(), "Batch")],
        ),
        ("one part less", vec![(cn.clone(), "batch")]),
        (
            "one part more",
            vec![(o.clone(), "Example"), (ou, "x"), (cn.clone(), "batch")],
        ),
        (
            "another order",
            vec![(cn.clone(), "batch"), (o.clone(), "Example")],
        ),
        ("all in one value", vec![(cn, "batch,O=Example")]),
        ("none", vec![]),
    ] {
        assert_refused(&site.ask(&with(&parts), "subject").await, "invalid_client", case);
    }
}

#[tokio::test]
async fn rfc8705_2_certificate_is_the_only_mechanism_and_client_id_names_its_client() {
    let site = Site::start().await;
    let good = site.dns("batch.example");
    let no_id = site.send(Some(&good), &[]).await;
    assert_refused(&no_id, "invalid_request", "without client_id");
    let none = site.send(None, &[("client_id", "dns")]).await;
    assert_refused(&none, "invalid_client", "without a certificate");
    let secret = [("client_id", "dns"), ("client_secret", "x")];
    assert_refused(
        &site.send(Some(&good), &secret).await,
        "invalid_request",
        "a secret beside it",
    );
    // The client has no keys: an assertion in its name is refused, whatever key signed it.
    let assertion = Draft::assertion(&site.world.c6, "dns", ISSUER, "1", site.world.now()).sign();
    let parameters = [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion.as_str()),
    ];
    assert_refused(
        &site.send(None, &parameters).await,
        "invalid_client",
        "an assertion",
    );
    assert_refused(
        &site.send(Some(&good), &parameters).await,
        "invalid_request",
        "both",
    );
    // A workload on the same server is not affected.
    let svid = site.tls.a.svid("/x/1");
    let id = "spiffe://a.example/x/1";
    assert_granted(&site.ask(&svid, id).await, "an X.509-SVID");
    assert_refused(
        &site.ask(&svid, "dns").await,
        "invalid_client",
        "an X.509-SVID as the client",
    );
    assert_refused(
        &site.ask(&good, id).await,
        "invalid_client",
        "the client as a workload",
    );
}

#[tokio::test]
async fn rfc8705_3_token_is_bound_to_the_certificate_and_ends_with_it() {
    let site = Site::start().await;
    let short = leaf(&site.ca, |parameters| {
        parameters.subject_alt_names = vec![dns_name("batch.example")];
        parameters.not_after = after(100).into();
    });
    let answer = site.ask(&short, "dns").await;
    assert_granted(&answer, "bound");
    let token = claims(&answer.access_token());
    assert_eq!(token["cnf"]["x5t#S256"], thumbprint(&short));
    assert!(
        answer.json()["expires_in"].as_i64().unwrap() <= 100,
        "{}",
        answer.json()
    );
    let plain = site.ask(&site.own, "own").await;
    assert!(
        claims(&plain.access_token())["cnf"].is_null(),
        "the client requires no binding"
    );
    let event = &site.world.events("client.registered").await[0];
    assert_eq!(
        (&event["door"], &event["request"]["certificate"]),
        (&json!("tls_client_auth"), &json!(thumbprint(&short)))
    );
}

#[tokio::test]
async fn explain_verifies_a_certificate_as_that_of_the_client_that_is_named() {
    let site = Site::start().await;
    let explain = async |chain: &X509Chain, client_id: &str| {
        let question = json!({ "credential": chain.chain_pem(), "client_id": client_id });
        let answer = site.world.admin("POST", "/admin/v1/explain", question).await;
        answer["today"].clone()
    };
    let good = site.dns("batch.example");
    for (chain, client_id) in [(&good, "dns"), (&site.own, "own")] {
        assert_eq!(
            explain(chain, client_id).await["outcome"],
            "allowed",
            "{client_id}"
        );
    }
    for (chain, client_id) in [(&good, "own"), (&site.own, "dns"), (&good, "ip")] {
        let refused = explain(chain, client_id).await;
        assert_eq!(refused["rejection"], "client_certificate_refused", "{refused:#}");
    }
}

//! Issuers of credentials that are named by a certificate.

use super::keys::Issuer;
use super::{AGENT, INVALID, Site, VCT};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer};

/// The key of a certificate, and the chain as `x5c` has it.
fn signer(chain: &X509Chain) -> (SigningKey, Value) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &chain.key, None).unwrap();
    let chain: Vec<String> = chain.chain.iter().map(|der| STANDARD.encode(der)).collect();
    (key, json!(chain))
}

// Rows SD-19, SD-20, SD-21, SD-22.
#[tokio::test]
async fn certificate_in_the_header_must_lead_to_a_configured_authority_and_name_the_issuer() {
    const NAME: &str = "https://issuer4.example";
    let [ca, unknown] = [(); 2].map(|()| X509Issuer::new("ca.example"));
    let issuer = Issuer::start(NAME, "file = \"agents.json\"").await;
    let folder = &issuer.site.world.folder;
    std::fs::write(folder.join("anchors.pem"), ca.as_chain().chain_pem()).unwrap();
    let x5c = format!("x5c = {{ anchors = \"anchors.pem\", uri_san = \"{NAME}\" }}");
    issuer.configure(&x5c).await;
    let register = async |chain: &X509Chain| {
        let (key, certificates) = signer(chain);
        // The draft is signed with the key of the certificate.
        let (site, names) = (&issuer.site, [NAME, VCT, AGENT]);
        let draft = Draft::sd_jwt_vc(&key, names, &site.holder, site.now())
            .without_header("kid")
            .header("x5c", certificates);
        site.register(&site.held(&draft, &[]).await).await
    };
    let good = ca.leaf(NAME, |_| {});
    let answer = register(&good).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // The client depends on the authority that certified the key of its issuer.
    let pem = |authorities: &[&X509Issuer]| {
        let pems = authorities.iter().map(|known| known.as_chain().chain_pem());
        std::fs::write(folder.join("anchors.pem"), pems.collect::<String>()).unwrap();
    };
    for (case, authorities, status) in [
        ("both", &[&unknown, &ca][..], 200),
        ("removed", &[&unknown], 400),
        ("again", &[&ca], 200),
    ] {
        pem(authorities);
        issuer.configure(&x5c).await;
        issuer.refresh().await;
        assert_eq!(issuer.ask(case).await.status, status, "{case}");
    }
    // And on the name that the issuer has in its certificate, but not on the certificate, which the issuer may renew.
    for (case, name, status) in [
        ("other name", "https://issuer9.example", 400),
        ("name again", NAME, 200),
    ] {
        let x5c = format!("x5c = {{ anchors = \"anchors.pem\", uri_san = \"{name}\" }}");
        issuer.configure(&x5c).await;
        issuer.refresh().await;
        let answer = issuer.ask(case).await;
        assert_eq!(answer.status, status, "{case}");
        if status == 400 {
            let reason = issuer.site.world.reason_of(&answer).await;
            assert_eq!(reason, "credential_key_withdrawn");
        }
    }
    let answer = register(&ca.leaf(NAME, |_| {})).await;
    assert_eq!(answer.status, 201, "a new certificate: {answer:?}");
    assert_eq!(issuer.ask("new certificate").await.status, 200);
    let expired = ca.leaf(NAME, |leaf| leaf.not_after = rcgen::date_time_ymd(2026, 1, 1));
    let authority = ca.leaf(NAME, |leaf| {
        leaf.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)
    });
    let mut long = good.clone();
    long.chain = vec![good.chain[0].clone(); 11];
    for (case, chain) in [
        ("neighbour", ca.leaf("https://issuer9.example", |_| {})),
        ("unknown root", unknown.leaf(NAME, |_| {})),
        ("expired", expired),
        ("authority", authority),
        ("11 certificates", long),
    ] {
        Site::assert_refused(&register(&chain).await, INVALID, case);
    }
    // Without a certificate, no key of another source is tried.
    let answer = issuer
        .register_with(&issuer.site.issuer, |draft| draft.header("kid", "k1"))
        .await;
    Site::assert_refused(&answer, INVALID, "no x5c");
    // The other way round: a certificate in place of a key of the key set.
    issuer.configure("file = \"agents.json\"").await;
    Site::assert_refused(&register(&good).await, INVALID, "x5c of an issuer with a key set");
}

/// Two issuers that are named by a certificate of the same authority.
fn entries(second: &str) -> String {
    let entry = |name: &str, issuer: &str, san: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nkind = \"verifiable_credential\"\nuse = [\"registration\"]\n\
             issuer = \"https://{issuer}\"\njwks = {{ x5c = {{ anchors = \"anchors.pem\", {san} }} }}\n\
             types = [\"{VCT}\"]\n"
        )
    };
    entry("one", "issuer4.example", "uri_san = \"https://issuer4.example\"")
        + &entry("two", "issuer5.example", second)
}

const RULES_OF_BOTH: &str = "[[rules]]\nname = \"one\"\nidentities = [\"one:*\"]\n\
                             [[rules]]\nname = \"two\"\nidentities = [\"two:*\"]\n";

/// A server with these entries, and their certificate authority.
async fn by_certificate(second: &str) -> (Site, X509Issuer) {
    let ca = X509Issuer::new("ca.example");
    let pem = ca.as_chain().chain_pem();
    let site = Site::start().await;
    std::fs::write(site.world.folder.join("anchors.pem"), pem).unwrap();
    site.reload(&entries(second), RULES_OF_BOTH).await;
    (site, ca)
}

/// Registers with a credential that states no `iss`.
async fn register_without_iss(site: &Site, chain: &X509Chain) -> Answer {
    let (key, certificates) = signer(chain);
    let draft = Draft::sd_jwt_vc(&key, ["", VCT, AGENT], &site.holder, site.now())
        .without_claim("iss")
        .without_header("kid")
        .header("x5c", certificates);
    site.register(&site.held(&draft, &[]).await).await
}

/// A certificate with this host as its name, and these usages.
fn of_host(ca: &X509Issuer, host: &str, usages: Vec<rcgen::ExtendedKeyUsagePurpose>) -> X509Chain {
    ca.leaf("https://unused.example", |leaf| {
        leaf.subject_alt_names = vec![rcgen::SanType::DnsName(host.try_into().unwrap())];
        leaf.extended_key_usages = usages;
    })
}

// Rows SD-21, SD-22.
#[tokio::test]
async fn credential_without_iss_is_of_the_only_entry_that_its_certificate_names() {
    let (site, ca) = by_certificate("dns_san = \"Issuer5.example\"").await;
    let answer = register_without_iss(&site, &ca.leaf("https://issuer4.example", |_| {})).await;
    assert_eq!(
        (answer.status, &answer.json()["client_id"]),
        (201, &json!(format!("one:{AGENT}"))),
        "{answer:?}"
    );
    let answer = register_without_iss(&site, &of_host(&ca, "issuer5.EXAMPLE", vec![])).await;
    assert_eq!(
        (answer.status, &answer.json()["client_id"]),
        (201, &json!(format!("two:{AGENT}"))),
        "{answer:?}"
    );
    let web_server = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let other_ca = X509Issuer::new("ca.example");
    for (case, chain, reason) in [
        (
            "no entry",
            ca.leaf("https://issuer9.example", |_| {}),
            "credential_issuer_unknown",
        ),
        (
            "other authority",
            other_ca.leaf("https://issuer4.example", |_| {}),
            "credential_malformed_or_forged",
        ),
        (
            "web server",
            of_host(&ca, "issuer5.example", web_server),
            "credential_malformed_or_forged",
        ),
    ] {
        let answer = register_without_iss(&site, &chain).await;
        Site::assert_refused(&answer, INVALID, case);
        assert_eq!(site.world.reason_of(&answer).await, reason, "{case}");
    }
    // Another `iss` is not overruled by the certificate, and a credential needs either.
    let (key, certificates) = signer(&ca.leaf("https://issuer4.example", |_| {}));
    let named = |iss: &str| {
        Draft::sd_jwt_vc(&key, [iss, VCT, AGENT], &site.holder, site.now())
            .without_header("kid")
            .header("x5c", certificates.clone())
    };
    for (case, draft) in [
        ("iss of the other entry", named("https://issuer5.example")),
        ("iss of no entry", named("https://issuer9.example")),
        (
            "neither iss nor certificate",
            named("").without_claim("iss").without_header("x5c"),
        ),
    ] {
        let answer = site.register(&site.held(&draft, &[]).await).await;
        Site::assert_refused(&answer, INVALID, case);
    }
    // Also of an issuer with a key set, `iss` is required.
    let keyed = site.sd_jwt_vc().without_claim("iss");
    let answer = site.register(&site.held(&keyed, &[]).await).await;
    Site::assert_refused(&answer, INVALID, "key set");
}

#[tokio::test]
async fn credential_without_iss_is_refused_if_its_certificate_has_the_names_of_two_entries() {
    let (site, ca) = by_certificate("uri_san = \"https://issuer4.example\"").await;
    let same = ca.leaf("https://issuer4.example", |_| {});
    let answer = register_without_iss(&site, &same).await;
    Site::assert_refused(&answer, INVALID, "same name");
    assert_eq!(site.world.reason_of(&answer).await, "credential_several_issuers");
    let (key, certificates) = signer(&same);
    let draft = Draft::sd_jwt_vc(
        &key,
        ["https://issuer5.example", VCT, AGENT],
        &site.holder,
        site.now(),
    )
    .without_header("kid")
    .header("x5c", certificates);
    let answer = site.register(&site.held(&draft, &[]).await).await;
    assert_eq!(
        answer.json()["client_id"],
        format!("two:{AGENT}"),
        "with iss: {answer:?}"
    );
    site.reload(&entries("dns_san = \"issuer5.example\""), RULES_OF_BOTH)
        .await;
    let both = ca.leaf("https://issuer4.example", |leaf| {
        let host = rcgen::SanType::DnsName("issuer5.example".try_into().unwrap());
        leaf.subject_alt_names.push(host);
    });
    let answer = register_without_iss(&site, &both).await;
    assert_eq!(site.world.reason_of(&answer).await, "credential_several_issuers");
    assert_eq!(register_without_iss(&site, &same).await.status, 201);
}

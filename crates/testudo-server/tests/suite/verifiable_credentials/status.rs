//! Credentials that refer to status lists: at their registration, and at each token request of their client.

use super::{CLIENT, INVALID, ISSUER, ISSUERS, RULES_OF_CREDENTIALS, Site, UNAPPROVED};
use crate::world::{RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::status_list::{BITSTRING_LIST, TOKEN_LIST};
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;

pub(super) const HOST: &str = "status.example";

/// Where the publisher is, and the root of its certificate.
pub(super) const OUTBOUND: &str =
    "[outbound]\nca = \"roots.crt\"\nresolve = { \"status.example\" = \"127.0.0.1\" }\n";

/// A server that checks the status of credentials of `agents`, and the publisher of their lists.
pub(super) struct Lists {
    pub(super) site: Site,
    pub(super) web: DocumentServer,
}

impl Lists {
    /// `settings`: more lines of the entry.
    pub(super) async fn start(settings: &str) -> Lists {
        let (site, web) = (Site::start().await, DocumentServer::start(HOST).await);
        let lists = Lists { site, web };
        lists.write_roots();
        lists.configure(&lists.issuers(settings)).await;
        lists
    }

    /// Writes the root of the publisher to the file that [`OUTBOUND`] names.
    pub(super) fn write_roots(&self) {
        let path = self.site.world.folder.join("roots.crt");
        std::fs::write(path, &self.web.root_pem).unwrap();
    }

    /// The issuers, where the entry of `agents` has these lines too.
    pub(super) fn issuers(&self, settings: &str) -> String {
        let settings = format!(
            "status_origins = [\"{}\"]\n{settings}\nlifetime_max = \"1h\"\n",
            self.url("")
        );
        ISSUERS.replacen("lifetime_max = \"1h\"\n", &settings, 1)
    }

    /// Puts these issuers in force.
    async fn configure(&self, issuers: &str) {
        let sections = format!("{OUTBOUND}[registration]\n{}{issuers}", domains(""));
        let rules = format!("{RULES_OF_CREDENTIALS}{RULES}");
        self.site.world.reload_with(&sections, &rules).await;
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.web.address.port())
    }

    /// Publishes a list of the issuer with these values.
    pub(super) fn publish(&self, path: &str, values: &[u8]) {
        let draft = Draft::token_list(&self.site.issuer, &self.url(path), values, self.site.now());
        self.web.publishes(path, TOKEN_LIST, &draft.sign());
    }

    pub(super) fn status(&self, path: &str, index: u64) -> Value {
        json!({ "status_list": { "idx": index, "uri": self.url(path) } })
    }

    /// Registers with a credential that has this member.
    pub(super) async fn register(&self, member: &str, value: Value) -> Answer {
        let credential = self.site.sd_jwt_vc().claim(member, value);
        self.site.register(&self.site.held(&credential, &[]).await).await
    }

    pub(super) async fn register_at(&self, path: &str, index: u64) -> Answer {
        self.register("status", self.status(path, index)).await
    }

    /// A token request of the registered client.
    pub(super) async fn ask(&self, jti: &str) -> Answer {
        let site = &self.site;
        let assertion = Draft::assertion(&site.holder, CLIENT, ISSUER, jti, site.now());
        site.world.ask_with(assertion, &[]).await
    }

    /// What the admin API shows of the client.
    async fn shown(&self) -> Value {
        self.site.shown(CLIENT).await
    }

    pub(super) fn later(&self, seconds: i64) {
        self.site.world.running.app.clock.shift(seconds);
    }

    pub(super) async fn assert_unapproved(&self, answer: &Answer, reason: &str) {
        Site::assert_refused(answer, UNAPPROVED, reason);
        assert_eq!(self.site.world.reason_of(answer).await, reason);
    }
}

// Rows TSL-31, TSL-32, TSL-33, TSL-34, TSL-35, SD-30, DR-136.
#[tokio::test]
async fn credential_is_accepted_only_if_its_list_states_that_it_is_valid() {
    let lists = Lists::start("status = \"required\"").await;
    lists.publish("/1", &[0, 1, 2, 3]);
    for (index, reason) in [
        (1, "credential_revoked"),
        (2, "credential_suspended"),
        (3, "credential_status_application_specific"),
        (16_384, "credential_status_out_of_range"),
    ] {
        let answer = lists.register_at("/1", index).await;
        lists.assert_unapproved(&answer, reason).await;
    }
    assert!(lists.site.world.client_ids().await.is_empty());
    let answer = lists.register_at("/1", 0).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(lists.web.take_requests().len(), 1, "one fetch for all");
    let other = generate_key(Algorithm::ES256, Some("k1"));
    let forged = Draft::token_list(&other, &lists.url("/2"), &[0], lists.site.now());
    lists.web.publishes("/2", TOKEN_LIST, &forged.sign());
    let answer = lists.register_at("/2", 0).await;
    lists
        .assert_unapproved(&answer, "credential_status_list_refused")
        .await;
}

// Rows VC-25, VC-26, VC-27, VC-29.
#[tokio::test]
async fn bit_of_a_bitstring_list_revokes_a_credential() {
    let lists = Lists::start("").await;
    let (site, url) = (&lists.site, lists.url("/b"));
    let list = Draft::bitstring_list(&site.issuer, super::AGENTS, &url, &[94_567], site.now());
    lists.web.publishes("/b", BITSTRING_LIST, &list.sign());
    let register = async |index: &str, purpose: &str| {
        let status = json!({ "type": "BitstringStatusListEntry", "statusPurpose": purpose,
            "statusListIndex": index, "statusListCredential": url });
        let credential = site.vc_jwt().claim("credentialStatus", status);
        site.register(&site.presented(&credential).await).await
    };
    // [VCDM2 §4.5] A type may be an array.
    let status = json!({ "type": ["BitstringStatusListEntry"], "statusPurpose": "revocation",
        "statusListIndex": "94567", "statusListCredential": url });
    let credential = site.vc_jwt().claim("credentialStatus", status);
    let answer = site.register(&site.presented(&credential).await).await;
    lists.assert_unapproved(&answer, "credential_revoked").await;
    let answer = register("94567", "revocation").await;
    lists.assert_unapproved(&answer, "credential_revoked").await;
    let answer = register("94560", "suspension").await;
    lists
        .assert_unapproved(&answer, "credential_status_other_purpose")
        .await;
    let answer = register("131072", "revocation").await;
    lists
        .assert_unapproved(&answer, "credential_status_out_of_range")
        .await;
    let answer = register("94560", "revocation").await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

// Rows TSL-36, TSL-37, TSL-38, TSL-44, VC-30, VC-36.
#[tokio::test]
async fn list_of_a_credential_that_is_refused_anyway_is_not_fetched() {
    let lists = Lists::start("").await;
    lists.publish("/1", &[0]);
    let site = &lists.site;
    let status = || lists.status("/1", 0);
    let forger = generate_key(Algorithm::ES256, Some("k1"));
    let names = [super::AGENTS, super::VCT, super::AGENT];
    let forged = Draft::sd_jwt_vc(&forger, names, &site.holder, site.now()).claim("status", status());
    let expired = site
        .sd_jwt_vc()
        .claim("status", status())
        .claim("exp", site.now() - 1);
    let other_type = site
        .sd_jwt_vc()
        .claim("status", status())
        .claim("vct", "https://vct.example/2");
    for (case, draft, code) in [
        ("forged", forged, INVALID),
        ("expired", expired, INVALID),
        ("other type", other_type, ""),
    ] {
        let answer = site.register(&site.held(&draft, &[]).await).await;
        assert_eq!(answer.status, 400, "{case}");
        assert!(code.is_empty() || answer.error() == code, "{case}: {answer:?}");
    }
    let stolen = site.sd_jwt_vc().claim("status", status());
    let answer = site.register(&Site::bare(&stolen, &[])).await;
    assert_eq!(answer.status, 400, "no proof of the holder");
    for index in [json!(-1), json!(1.5), json!("3")] {
        let status = json!({ "status_list": { "idx": index, "uri": lists.url("/1") } });
        Site::assert_refused(&lists.register("status", status).await, INVALID, "index");
    }
    for url in [
        "http://169.254.169.254/".to_owned(),
        "https://other.example/1".to_owned(),
        lists.url("/1").replace(HOST, "127.0.0.1"),
        lists.url("/1").replace("https:", "http:"),
    ] {
        let status = json!({ "status_list": { "idx": 0, "uri": url } });
        let answer = lists.register("status", status).await;
        lists
            .assert_unapproved(&answer, "credential_status_foreign_list")
            .await;
    }
    assert_eq!(lists.web.connections(), 0);
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    assert_eq!(lists.web.take_requests().len(), 1);
}

// Rows VC-33, DR-136.
#[tokio::test]
async fn list_that_cannot_be_fetched_registers_no_client_until_it_can() {
    let lists = Lists::start("status = \"required\"").await;
    lists.web.answers_at("/1", 500, "");
    for _ in 0..3 {
        let answer = lists.register_at("/1", 0).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.error(), "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("30"));
    }
    assert_eq!(lists.web.take_requests().len(), 1, "not asked again at once");
    assert!(lists.site.world.client_ids().await.is_empty());
    lists.publish("/1", &[0]);
    lists.later(31);
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    let metrics = lists.site.world.metrics().await;
    for line in [
        "testudo_status_list_fetches_total{outcome=\"failed\"} 1",
        "testudo_status_list_fetches_total{outcome=\"fetched\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

// Row VC-35.
#[tokio::test]
async fn status_that_is_missing_or_of_an_unknown_kind_is_refused_only_where_one_is_required() {
    let legacy = json!({ "type": "StatusList2021Entry", "statusPurpose": "revocation",
        "statusListIndex": "0", "statusListCredential": "https://status.example/1" });
    for (settings, status) in [
        ("status = \"required\"", 400),
        ("status = \"if_present\"", 201),
        ("", 201),
    ] {
        let lists = Lists::start(settings).await;
        let site = &lists.site;
        let credential = site.vc_jwt().claim("credentialStatus", legacy.clone());
        let unknown = site.register(&site.presented(&credential).await).await;
        let without = site.register(&site.held(&site.sd_jwt_vc(), &[]).await).await;
        let events = site.world.events("authority.status_unknown").await;
        let identities: Vec<&Value> = events.iter().map(|event| &event["identity"]).collect();
        match status {
            201 => assert_eq!(identities, [CLIENT], "{settings}: only the unknown kind"),
            _ => assert_eq!(identities, Vec::<&Value>::new()),
        }
        for answer in [unknown, without] {
            assert_eq!(answer.status, status, "{settings}: {answer:?}");
            if status == 400 {
                lists
                    .assert_unapproved(&answer, "credential_status_missing")
                    .await;
            }
        }
        assert_eq!(lists.web.connections(), 0);
    }
}

#[tokio::test]
async fn no_list_is_read_where_the_status_is_ignored() {
    let lists = Lists::start("status = \"ignore\"").await;
    lists.publish("/1", &[1]);
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    assert_eq!(lists.ask("1").await.status, 200);
    assert_eq!(lists.web.connections(), 0);
}

// Row VC-34.
#[tokio::test]
async fn client_of_a_suspended_credential_or_of_a_list_that_is_away_is_refused_and_not_frozen() {
    let lists = Lists::start("status_max_stale = \"100s\"").await;
    lists.publish("/1", &[0]);
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    assert_eq!(lists.ask("1").await.status, 200);
    assert_eq!(lists.web.take_requests().len(), 1, "the list is in memory");
    lists.publish("/1", &[2]);
    lists.later(61);
    let suspended = lists.ask("2").await;
    assert_eq!(
        (suspended.status, suspended.error()),
        (400, "invalid_client".to_owned())
    );
    assert_eq!(
        lists.site.world.reason_of(&suspended).await,
        "credential_suspended"
    );
    // The suspension is removed.
    lists.publish("/1", &[0]);
    lists.later(61);
    assert_eq!(lists.ask("3").await.status, 200);
    lists.web.answers_at("/1", 500, "");
    lists.later(70);
    assert_eq!(lists.ask("4").await.status, 200, "within status_max_stale");
    let world = &lists.site.world;
    assert_eq!(world.events("authority.status_list_stale").await.len(), 1);
    assert!(
        world
            .metrics()
            .await
            .contains("testudo_status_lists_stale_total 1")
    );
    lists.later(100);
    let unknown = lists.ask("5").await;
    assert_eq!(
        (unknown.status, unknown.error()),
        (400, "invalid_client".to_owned())
    );
    assert_eq!(world.reason_of(&unknown).await, "credential_status_unavailable");
    assert_eq!(unknown.body, suspended.body, "the answer does not tell why");
    lists.publish("/1", &[0]);
    lists.later(31);
    assert_eq!(lists.ask("6").await.status, 200);
    assert!(world.events("client.frozen").await.is_empty());
    assert_eq!(lists.shown().await["state"], "active");
}

// Row VC-34.
#[tokio::test]
async fn client_whose_credential_is_revoked_later_is_frozen_with_the_reason_until_it_is_thawed() {
    let lists = Lists::start("").await;
    let world = &lists.site.world;
    lists.publish("/1", &[0, 0]);
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    assert_eq!(lists.ask("1").await.status, 200);
    lists.publish("/1", &[1, 0]);
    lists.later(61);
    // An assertion by another key proves no client, and freezes none.
    let other = generate_key(Algorithm::ES256, None);
    let forged = Draft::assertion(&other, CLIENT, ISSUER, "f", lists.site.now());
    assert_eq!(world.ask_with(forged, &[]).await.error(), "invalid_client");
    assert_eq!(lists.shown().await["state"], "active");
    let revoked = lists.ask("2").await;
    assert_eq!(
        (revoked.status, revoked.error()),
        (400, "invalid_client".to_owned())
    );
    assert_eq!(world.reason_of(&revoked).await, "credential_revoked");
    lists.ask("3").await;
    let reason = format!(
        "the credential is revoked: entry 0 of the status list {}",
        lists.url("/1")
    );
    let shown = lists.shown().await;
    assert_eq!(shown["state"], "frozen");
    assert_eq!(shown["frozen_because"], reason);
    let frozen = world.events("client.frozen").await;
    assert_eq!(frozen.len(), 1, "{frozen:?}");
    assert_eq!(frozen[0]["reason"], reason);
    assert_eq!(frozen[0]["actor"], "status_list");
    assert_eq!(frozen[0]["client_id"], CLIENT);
    // Neither a changed list nor a new credential ends the freeze; an administrator does.
    lists.publish("/1", &[0, 0]);
    lists.later(61);
    let answer = lists.ask("4").await;
    assert_eq!(answer.error(), "invalid_client");
    assert_eq!(world.reason_of(&answer).await, "client_frozen");
    assert_eq!(lists.register_at("/1", 1).await.status, 400);
    let client = json!({ "client_id": CLIENT });
    world.admin("POST", "/admin/v1/clients/thaw", client).await;
    assert_eq!(lists.ask("5").await.status, 200);
    let shown = lists.shown().await;
    assert_eq!(shown["state"], "active");
    assert!(shown.get("frozen_because").is_none(), "{shown}");
    // With a new credential, the revocation of the one before has no effect.
    lists.later(1);
    assert_eq!(lists.register_at("/1", 1).await.status, 201);
    lists.publish("/1", &[1, 0]);
    lists.later(61);
    assert_eq!(lists.ask("6").await.status, 200);
}

// Row VC-33.
#[tokio::test]
async fn lists_that_are_slow_one_after_the_other_have_one_deadline() {
    let lists = Lists::start("status = \"required\"").await;
    let site = &lists.site;
    let entries: Vec<Value> = (0..4)
        .map(|number| {
            let (path, url) = (format!("/{number}"), lists.url(&format!("/{number}")));
            let list = Draft::bitstring_list(&site.issuer, super::AGENTS, &url, &[], site.now());
            lists.web.publishes(&path, BITSTRING_LIST, &list.sign());
            json!({ "type": "BitstringStatusListEntry", "statusPurpose": "revocation",
                "statusListIndex": "7", "statusListCredential": url })
        })
        .collect();
    let credential = site.vc_jwt().claim("credentialStatus", entries);
    let statement = site.presented(&credential).await;
    lists.web.takes(std::time::Duration::from_secs(4));
    let started = std::time::Instant::now();
    let answer = site.register(&statement).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(12));
    assert!(site.world.client_ids().await.is_empty());
    lists.web.takes(std::time::Duration::ZERO);
    let answer = site.register(&site.presented(&credential).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

// Row SD-24.
#[tokio::test]
async fn document_of_the_type_is_not_fetched() {
    let lists = Lists::start("").await;
    let (site, vct) = (&lists.site, lists.url("/type"));
    lists
        .configure(&lists.issuers("").replacen(super::VCT, &vct, 1))
        .await;
    let document = json!({ "vct": vct, "extends": lists.url("/base") });
    lists
        .web
        .publishes("/type", "application/json", &document.to_string());
    let names = [super::AGENTS, &vct, super::AGENT];
    let draft = || {
        Draft::sd_jwt_vc(&site.issuer, names, &site.holder, site.now()).claim(
            "vct#integrity",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        )
    };
    let answer = site.register(&site.held(&draft(), &[]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(lists.web.connections(), 0);
    // A list at the same server is fetched.
    lists.publish("/1", &[0]);
    let draft = draft().claim("status", lists.status("/1", 0));
    let answer = site.register(&site.held(&draft, &[]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(lists.web.take_requests().len(), 1);
}

// Row VC-34.
#[tokio::test]
async fn revoked_credential_freezes_also_a_client_that_authenticates_by_attestation() {
    let lists = Lists::start("").await;
    let wallets = generate_key(Algorithm::ES256, Some("w1"));
    let issuers = lists.issuers("attesters = [\"wallets\"]");
    let attester = "[[issuers]]\nname = \"wallets\"\nkind = \"attester\"\nuse = [\"client\"]\n\
                    jwks = { file = \"wallets.json\" }\nchallenge = \"none\"\n";
    lists.configure(&format!("{issuers}{attester}")).await;
    lists.site.world.publish_keys("wallets", &[&wallets]).await;
    lists.publish("/1", &[0]);
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    let ask = async |jti: &str| {
        let site = &lists.site;
        let attestation = Draft::attestation(&wallets, CLIENT, &site.holder, site.now()).sign();
        let pop = Draft::attestation_pop(&site.holder, ISSUER, jti, site.now()).sign();
        let fields = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("OAuth-Client-Attestation", attestation.as_str()),
            ("OAuth-Client-Attestation-PoP", pop.as_str()),
        ];
        let mut connection = site.world.connect().await;
        let body = testudo_testkit::form(&[("grant_type", "client_credentials")]);
        connection.send("POST", "/token", &fields, body).await
    };
    assert_eq!(ask("1").await.status, 200);
    lists.publish("/1", &[1]);
    lists.later(301);
    let refused = ask("2").await;
    assert_eq!(
        (refused.status, refused.error()),
        (400, "invalid_client".to_owned())
    );
    assert_eq!(lists.site.world.reason_of(&refused).await, "credential_revoked");
    assert_eq!(lists.shown().await["state"], "frozen");
    // The client stays frozen when its list changes again.
    lists.publish("/1", &[0]);
    lists.later(301);
    let refused = ask("3").await;
    assert_eq!(lists.site.world.reason_of(&refused).await, "client_frozen");
}

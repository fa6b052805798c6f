//! `trust`, metrics and `doctor` of each kind of authority, with good sources and with broken ones.

use super::{Everyone, GOVERNED, KINDS, Kind, Sent};
use serde_json::{Value, json};
use testudo_server::config;
use testudo_server::doctor::{self, Finding};

impl Everyone {
    async fn doctor(&self) -> Vec<Finding> {
        let (configuration, _) = config::load(&self.world.folder.join("testudo.toml"), 1).unwrap();
        doctor::examine(&configuration).await
    }

    /// A sample of a metric about the authority.
    async fn metric(&self, name: &str, kind: &Kind) -> f64 {
        let text = self.world.metrics().await;
        let start = format!("{name}{{authority=\"{}\"}} ", kind.key);
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.unwrap_or_else(|| panic!("{start}\n{text}"));
        value.parse().unwrap()
    }
}

#[tokio::test]
async fn trust_and_metrics_name_each_kind_of_authority_by_its_key_and_show_its_keys() {
    let everyone = Everyone::start().await;
    let listed = everyone.world.admin("GET", "/admin/v1/trust", Value::Null).await;
    for kind in KINDS {
        let key = kind.key;
        let of_key: Vec<&Value> = listed
            .as_array()
            .unwrap()
            .iter()
            .filter(|listed| listed["authority"] == key)
            .collect();
        assert_eq!(of_key.len(), 1, "{key}: {listed:#}");
        let shown = everyone.show(kind).await;
        assert_eq!(shown["authority"], key);
        assert_eq!(
            (&shown["state"], &shown["is_enabled"], &shown["clients"]),
            (&json!("fresh"), &json!(true), &json!(0)),
            "{shown:#}"
        );
        let source = shown["source"].as_str().unwrap();
        assert!(source.contains(kind.source), "{key}: {source}");
        let credentials = shown["credentials"].as_array().unwrap();
        assert!(credentials.contains(&json!(kind.door)), "{shown:#}");
        let uses = match kind.sent {
            Sent::Statement => json!(["registration"]),
            Sent::Assertion | Sent::Attestation => json!(["client"]),
            Sent::Svid => json!(["client", "registration"]),
        };
        assert_eq!(shown["uses"], uses, "{shown:#}");
        assert_eq!(shown["issuer"].is_string(), key.ends_with(':'), "{shown:#}");
        assert_eq!(shown["jwt_keys"].as_array().unwrap().len(), 1, "{shown:#}");
        assert_eq!(everyone.metric("testudo_bundle_usable", kind).await, 1.0, "{key}");
        assert!(
            everyone.metric("testudo_bundle_age_seconds", kind).await < 60.0,
            "{key}"
        );
        let ends = everyone.metric("testudo_bundle_expires_seconds", kind).await;
        assert!(ends > everyone.world.now() as f64, "{key}: {ends}");
        assert_eq!(
            everyone.metric("testudo_bundle_failures_total", kind).await,
            0.0,
            "{key}"
        );

        let (status, accepted) = everyone.order(kind, "accept").await;
        let nothing = accepted.to_string().contains("nothing is held back");
        assert!(status == 200 && nothing, "{key}: {accepted}");

        let good = everyone.credential(kind, GOVERNED);
        let answer = everyone.send(kind, &good).await;
        assert!(matches!(answer.status, 200 | 201), "{key}: {answer:?}");
        assert_eq!(everyone.show(kind).await["clients"], 1, "{key}");
        assert_eq!(everyone.order(kind, "disable").await.0, 200, "{key}");
        assert_eq!(everyone.show(kind).await["is_enabled"], false, "{key}");
        let refused = everyone.send(kind, &everyone.credential(kind, GOVERNED)).await;
        assert_eq!(refused.status / 100, 4, "{key}: {refused:?}");
        let (_, again) = everyone.order(kind, "disable").await;
        assert!(again.to_string().contains("disabled already"), "{key}: {again}");
        assert_eq!(everyone.order(kind, "enable").await.0, 200, "{key}");
        let answer = everyone.send(kind, &everyone.credential(kind, GOVERNED)).await;
        assert!(matches!(answer.status, 200 | 201), "{key}: {answer:?}");
    }
    for kind in ["authority.disabled", "authority.enabled"] {
        let events = everyone.world.events(kind).await;
        let named: Vec<&str> = events
            .iter()
            .filter_map(|event| event["authority"].as_str())
            .collect();
        let keys: Vec<&str> = KINDS.iter().map(|kind| kind.key).collect();
        assert_eq!(named, keys, "{kind}");
    }
}

#[tokio::test]
async fn broken_source_of_each_kind_is_named_by_refresh_trust_metrics_and_doctor_with_the_remedy() {
    let everyone = Everyone::start().await;
    let before = everyone.doctor().await;
    for kind in KINDS {
        let subject = format!("{} of {}", kind.door, kind.name());
        let found = before.iter().find(|finding| finding.subject == subject);
        let found = found.unwrap_or_else(|| panic!("{subject}: {before:#?}"));
        assert!(found.is_good, "{found:?}");
        let keys = format!("keys of {}", kind.name());
        let bad = before
            .iter()
            .find(|finding| finding.subject == keys && !finding.is_good);
        assert!(bad.is_none(), "{bad:?}");
    }
    for kind in KINDS {
        let key = kind.key;
        (kind.break_source)(&everyone);
        let why = everyone.refresh(kind).await.unwrap_err();
        assert!(why.contains(kind.name()), "{key}: {why}");
        let shown = everyone.show(kind).await;
        let error = shown["last_error"].as_str().unwrap_or_default();
        assert_eq!(
            (&shown["state"], error.is_empty()),
            (&json!("stale"), false),
            "{shown:#}"
        );
        assert!(
            everyone.metric("testudo_bundle_failures_total", kind).await >= 1.0,
            "{key}"
        );
        assert_eq!(everyone.metric("testudo_bundle_usable", kind).await, 1.0, "{key}");
        let answer = everyone.send(kind, &everyone.credential(kind, GOVERNED)).await;
        assert!(
            matches!(answer.status, 200 | 201),
            "{key}: the last good keys are in force: {answer:?}"
        );
    }
    let after = everyone.doctor().await;
    for kind in KINDS {
        let subject = format!("keys of {}", kind.name());
        let found = after
            .iter()
            .find(|finding| finding.subject == subject && !finding.is_good);
        let found = found.unwrap_or_else(|| panic!("{subject}: {after:#?}"));
        let hint = found.hint.as_deref().unwrap_or_default();
        assert!(hint.contains(kind.remedy), "{found:?}");
        if kind.key.ends_with(':') {
            let named = format!("{}{hint}", found.detail);
            assert!(!named.contains("spire") && !named.contains("bundle"), "{named}");
        }
    }
    everyone.world.running.app.clock.shift(31 * 86_400);
    for kind in KINDS {
        let key = kind.key;
        let shown = everyone.show(kind).await;
        assert_eq!(shown["state"], "expired", "{key}: {shown:#}");
        assert_eq!(everyone.metric("testudo_bundle_usable", kind).await, 0.0, "{key}");
    }
}

/// A document that is not one with keys of the kind.
#[tokio::test]
async fn malformed_key_set_of_an_issuer_is_named_by_doctor_with_where_the_right_one_is() {
    let everyone = Everyone::start().await;
    for (name, remedy) in [
        ("cluster", "kubectl get --raw /openid/v1/jwks"),
        ("ci", "the document at the jwks_uri of the issuer"),
        ("agents", "the document at the jwks_uri of the issuer"),
    ] {
        for (document, detail) in [
            ("no JSON", "keys of"),
            ("{\"keys\":[]}", "0 token keys"),
            ("{\"keys\":[{\"kty\":\"oct\",\"kid\":\"1\",\"k\":\"AAAA\"}]}", ""),
        ] {
            std::fs::write(everyone.world.folder.join(format!("{name}.json")), document).unwrap();
            let findings = everyone.doctor().await;
            let bad = findings
                .iter()
                .find(|finding| !finding.is_good && finding.subject.ends_with(&format!(" of {name}")));
            let bad = bad.unwrap_or_else(|| panic!("{name} {document}: {findings:#?}"));
            let text = format!("{} {}", bad.subject, bad.detail);
            assert!(text.contains(detail), "{bad:?}");
            let hint = bad.hint.as_deref().unwrap_or_default();
            assert!(
                !hint.contains("spire") && !hint.contains("`credentials`"),
                "{bad:?}"
            );
            if document == "no JSON" {
                assert!(hint.contains(remedy), "{bad:?}");
            }
        }
    }
}

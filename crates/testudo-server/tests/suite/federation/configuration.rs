//! Each fault of the settings of `https_spiffe` is an error of its key with a remedy.

use super::SERVER;
use crate::world::load_with;
use serde_json::json;
use testudo_server::config::{BundleOrigin, Configuration, EndpointKeys, Problem};
use testudo_testkit::TestIssuer;
use testudo_testkit::scratch::folder;
use testudo_testkit::x509::X509Issuer;

const URL: &str = "url = \"https://z.example/\", profile = \"https_spiffe\"";

/// Loads a configuration with these trust domains, each a name and the members of its source.
fn load(domains: &[(&str, &str)]) -> Result<(Configuration, Vec<Problem>), Vec<Problem>> {
    let folder = folder("federation");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("first.json", X509Issuer::new("z.example").bundle().to_string());
    write("tokens.json", TestIssuer::new("z.example").bundle().to_string());
    write("none.json", json!({ "keys": [] }).to_string());
    write("text.json", "no document".to_owned());
    let domains: String = domains
        .iter()
        .map(|(name, bundle)| format!("[[trust_domains]]\nname = \"{name}\"\nbundle = {{ {bundle} }}\n"))
        .collect();
    match load_with(&folder, &domains) {
        Ok((configuration, report)) => {
            let of_sources = |found: &Problem| found.key.starts_with("trust_domains");
            Ok((
                configuration,
                report.problems.into_iter().filter(of_sources).collect(),
            ))
        }
        Err(report) => Err(report.errors().cloned().collect()),
    }
}

// Rows FED-01, FED-02.
#[test]
fn each_fault_of_https_spiffe_is_an_error_of_its_key() {
    let id = format!("endpoint_spiffe_id = \"{SERVER}\"");
    let good = format!("{URL}, {id}, bootstrap = \"first.json\"");
    let (configuration, problems) = load(&[("z.example", &good)]).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let BundleOrigin::HttpsSpiffe(endpoint) = &configuration.bundles[0].origin else {
        panic!("{:?}", configuration.bundles)
    };
    assert!(matches!(endpoint.verified_with, EndpointKeys::Own { .. }));
    for (name, bundle, key, problem) in [
        (
            "no SPIFFE ID",
            format!("{URL}, bootstrap = \"first.json\""),
            "endpoint_spiffe_id",
            "is missing",
        ),
        ("no bootstrap", format!("{URL}, {id}"), "bootstrap", "is missing"),
        (
            "a URL as SPIFFE ID",
            format!("{URL}, endpoint_spiffe_id = \"https://z.example/\""),
            "endpoint_spiffe_id",
            "does not begin with spiffe://",
        ),
        (
            "a SPIFFE ID without a path",
            format!("{URL}, endpoint_spiffe_id = \"spiffe://z.example\""),
            "endpoint_spiffe_id",
            "has no path",
        ),
        (
            "a SPIFFE ID in upper case",
            format!("{URL}, endpoint_spiffe_id = \"spiffe://Z.example/server\""),
            "endpoint_spiffe_id",
            "trust domain",
        ),
        (
            "a pattern as SPIFFE ID",
            format!("{URL}, endpoint_spiffe_id = \"spiffe://z.example/*\""),
            "endpoint_spiffe_id",
            "in its path",
        ),
        (
            "absent bootstrap",
            good.replace("first.json", "absent.json"),
            "bootstrap",
            "cannot be read",
        ),
        (
            "bootstrap that is no document",
            good.replace("first.json", "text.json"),
            "bootstrap",
            "not a SPIFFE bundle",
        ),
        (
            "bootstrap without keys",
            good.replace("first.json", "none.json"),
            "bootstrap",
            "no X.509 authority",
        ),
        (
            "bootstrap with keys for tokens only",
            good.replace("first.json", "tokens.json"),
            "bootstrap",
            "no X.509 authority",
        ),
        (
            "ca",
            format!("{good}, ca = \"first.json\""),
            "ca",
            "is for the profile https_web",
        ),
        (
            "http on loopback",
            good.replace("https://z.example/", "http://127.0.0.1/"),
            "url",
            "is http",
        ),
        (
            "user information",
            good.replace("https://z.example/", "https://user@z.example/"),
            "url",
            "user information",
        ),
        (
            "another profile",
            good.replace("https_spiffe", "https"),
            "profile",
            "is not a profile",
        ),
        (
            "profile of web certificates",
            good.replace("https_spiffe", "https_web"),
            "endpoint_spiffe_id",
            "is for the profile",
        ),
        (
            "no profile",
            good.replace(", profile = \"https_spiffe\"", ""),
            "endpoint_spiffe_id",
            "is for the profile",
        ),
        (
            "two sources",
            format!("{good}, file = \"first.json\""),
            "",
            "exactly one of",
        ),
    ] {
        let problems = load(&[("z.example", &bundle)])
            .err()
            .unwrap_or_else(|| panic!("{name}"));
        let key = match key {
            "" => "trust_domains[0].bundle".to_owned(),
            key => format!("trust_domains[0].bundle.{key}"),
        };
        let found = problems.iter().find(|found| found.key == key);
        let found = found.unwrap_or_else(|| panic!("{name}: {problems:?}"));
        assert!(found.problem.contains(problem), "{name}: {found:?}");
    }
}

#[test]
fn settings_of_https_spiffe_beside_a_source_without_url_have_no_effect_and_a_warning() {
    let bundle =
        format!("file = \"first.json\", endpoint_spiffe_id = \"{SERVER}\", bootstrap = \"first.json\"");
    let (_, problems) = load(&[("z.example", &bundle)]).unwrap();
    let keys: Vec<&str> = problems.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "trust_domains[0].bundle.endpoint_spiffe_id",
            "trust_domains[0].bundle.bootstrap"
        ]
    );
    assert!(
        problems
            .iter()
            .all(|found| found.problem.contains("has no effect")),
        "{problems:?}"
    );
}

#[test]
fn endpoint_of_another_trust_domain_needs_that_one_and_no_circle() {
    let of = |domain: &str| format!("{URL}, endpoint_spiffe_id = \"spiffe://{domain}/server\"");
    let file = "file = \"first.json\"".to_owned();
    let own = format!("{}, bootstrap = \"first.json\"", of("x.example"));
    // The keys of the errors; an empty list is a usable configuration.
    for (name, domains, faults) in [
        (
            "one link",
            vec![("z.example", of("y.example")), ("y.example", file.clone())],
            vec![],
        ),
        (
            "two links",
            vec![
                ("z.example", of("y.example")),
                ("y.example", of("x.example")),
                ("x.example", file),
            ],
            vec![],
        ),
        (
            "two links to a self-serving endpoint",
            vec![
                ("z.example", of("y.example")),
                ("y.example", of("x.example")),
                ("x.example", own),
            ],
            vec![],
        ),
        (
            "absent",
            vec![("z.example", of("y.example"))],
            vec![(0, "endpoint_spiffe_id", "has no entry")],
        ),
        (
            "circle of two",
            vec![("z.example", of("y.example")), ("y.example", of("z.example"))],
            vec![
                (0, "endpoint_spiffe_id", "in a circle"),
                (1, "endpoint_spiffe_id", "in a circle"),
            ],
        ),
        (
            "link into a circle",
            vec![
                ("z.example", of("y.example")),
                ("y.example", of("x.example")),
                ("x.example", of("y.example")),
            ],
            vec![
                (0, "endpoint_spiffe_id", "in a circle"),
                (1, "endpoint_spiffe_id", "in a circle"),
                (2, "endpoint_spiffe_id", "in a circle"),
            ],
        ),
        (
            "bootstrap that is not used",
            vec![
                (
                    "z.example",
                    format!("{}, bootstrap = \"first.json\"", of("y.example")),
                ),
                ("y.example", "file = \"first.json\"".to_owned()),
            ],
            vec![(0, "bootstrap", "is not used")],
        ),
    ] {
        let domains: Vec<(&str, &str)> = domains
            .iter()
            .map(|(name, bundle)| (*name, bundle.as_str()))
            .collect();
        let problems = load(&domains).err().unwrap_or_default();
        let found: Vec<(String, bool)> = problems
            .iter()
            .zip(&faults)
            .map(|(found, (_, _, problem))| (found.key.clone(), found.problem.contains(problem)))
            .collect();
        let expected: Vec<(String, bool)> = faults
            .iter()
            .map(|(at, key, _)| (format!("trust_domains[{at}].bundle.{key}"), true))
            .collect();
        assert_eq!(found, expected, "{name}: {problems:?}");
        assert_eq!(problems.len(), faults.len(), "{name}: {problems:?}");
    }
}

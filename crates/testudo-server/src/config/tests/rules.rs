//! Rules in a configuration: patterns, templates, URLs, and names of authorities.

use super::*;

#[test]
fn pattern_for_a_whole_authority_needs_the_switch_for_its_kind_of_authority() {
    let identities = "identities = [\"spiffe://a.example/ns/{namespace}/sa/{service}\"]";
    for (pattern, noun, switch, other) in [
        (
            "spiffe://a.example/**",
            "a trust domain",
            "entire_trust_domain",
            "entire_authority",
        ),
        (
            "spiffe://a.example/*/**",
            "a trust domain",
            "entire_trust_domain",
            "entire_authority",
        ),
        (
            "cluster-a:**",
            "an issuer",
            "entire_authority",
            "entire_trust_domain",
        ),
        (
            "cluster-a:{namespace}/**",
            "an issuer",
            "entire_authority",
            "entire_trust_domain",
        ),
    ] {
        let text = with(identities, &format!("identities = [\"{pattern}\"]"));
        for text in [text.clone(), format!("{text}\n{other} = true")] {
            refused(
                &text,
                "rules[0].identities[0]",
                &format!("admits every identity of {noun}"),
            );
            let report = judge(&text).unwrap_err().to_string();
            assert!(report.contains(&format!("set {switch} = true")), "{report}");
        }
        assert!(judge(&format!("{text}\n{switch} = true")).is_ok(), "{pattern}");
    }
}

#[test]
fn bad_rules_are_refused_with_their_key() {
    let name = "name = \"r\"";
    let more = |line: &str| with(name, &format!("{name}\n{line}"));
    refused(
        &more("default_scopes = [\"x\"]"),
        "rules[0].default_scopes[0]",
        "not in `scopes`",
    );
    refused(
        &more("resources = [\"/x\"]"),
        "rules[0].resources[0]",
        "not an absolute URI",
    );
    refused(
        &more("client_id = \"fixed\""),
        "rules[0].client_id",
        "every identity would get the same id",
    );
    refused(
        &more("redirect_uris = [\"https://{service}/cb\"]"),
        "rules[0].redirect_uris[0]",
        "must end with a literal host label",
    );
    refused(
        &more("sender_constraint = \"tls\""),
        "rules[0].sender_constraint",
        "cannot be read",
    );
    refused(
        &more("client_idle_lifetime = \"0s\""),
        "rules[0].client_idle_lifetime",
        "is zero",
    );
    refused(
        &more("registrations_per_minute = 0"),
        "rules[0].registrations_per_minute",
        "is zero",
    );
    refused(&with(name, ""), "rules[0].name", "is missing");
    refused(
        &more("redirect_uri_hosts = [\"https://apps.example\"]"),
        "rules[0].redirect_uri_hosts[0]",
        "is not a host name",
    );
    refused(
        &more("redirect_uri_hosts = [\"x-{service}.apps.example\"]"),
        "rules[0].redirect_uri_hosts[0]",
        "whole host label",
    );
    refused(
        &format!("{GOOD}[[rules]]\nname = \"r\"\nidentities = [\"spiffe://a.example/y\"]"),
        "rules[1].name",
        "used twice",
    );
}

#[test]
fn rule_of_an_unknown_authority_is_warned_of_unless_the_name_of_an_authority_cannot_be_read() {
    let rules = "[[rules]]\nname = \"s\"\nidentities = [\"spiffe://z.example/x\", \"cj:x\"]\n";
    let domain = |name: &str| format!("[[trust_domains]]\nname = {name}\nbundle = {{ file = \"b\" }}\n");
    let issuer = |name: &str| format!("[[issuers]]\nname = {name}\n");
    let cases = [
        (
            "a domain and an issuer",
            domain("\"b.example\"") + &issuer("\"ci\""),
            true,
        ),
        ("a domain twice", domain("\"a.example\""), true),
        ("no name", domain("\"\""), false),
        ("wrong name of a domain", domain("\"Z.example\""), false),
        ("name of a domain is a number", domain("1"), false),
        ("wrong name of an issuer", issuer("\"CJ\""), false),
        ("name of an issuer is a number", issuer("1"), false),
    ];
    for (case, authorities, is_warned) in cases {
        let read = judge(&format!("{GOOD}{authorities}{rules}"));
        let report = read.map_or_else(|report| report, |(_, report)| report);
        let about = |entry: u8| {
            let key = format!("rules[1].identities[{entry}]");
            report.problems.iter().any(|problem| problem.key == key)
        };
        assert_eq!((about(0), about(1)), (is_warned, is_warned), "{case}: {report}");
    }
}

#[test]
fn client_id_templates_that_could_name_another_client_are_refused() {
    let rule = "name = \"r\"";
    let template = |text: &str| with(rule, &format!("{rule}\nclient_id = \"{text}\""));
    for (text, saying) in [
        (
            "{namespace}-{service}",
            "write for example \"{namespace}/{service}\"",
        ),
        (
            "{namespace}{service}",
            "write for example \"{namespace}/{service}\"",
        ),
        ("c_{service}", "write for example \"workload-{service}\""),
        ("urn:x:{service}", "\"urn:\""),
    ] {
        refused(&template(text), "rules[0].client_id", saying);
    }
    let warnings = |text: &str| {
        let (_, report) = judge(&template(text)).unwrap_or_else(|report| panic!("{report}"));
        report.to_string().contains("the same id")
    };
    assert!(!warnings("{namespace}/{service}"));
    assert!(warnings("workload-{service}"), "the namespace is left out");
    for id in ["c_x", "u_x", "https://as.example", "vc:x"] {
        let client = format!("{GOOD}\n[[clients]]\nclient_id = \"{id}\"\njwks = {{ keys = [] }}\n");
        let report = judge(&client).err().unwrap();
        assert!(
            report.errors().any(|error| error.key == "clients[0].client_id"),
            "{id}: {report}"
        );
    }
}

#[test]
fn urls_of_rules_are_judged_like_those_that_clients_request() {
    let rule = "name = \"r\"";
    let key = |key: &str, value: &str| with(rule, &format!("{rule}\n{key} = {value}"));
    for bad in [
        "http://{service}.apps.example/",
        "javascript:alert(1)",
        "https://{service}/",
        "https://u@apps.example/{service}",
        "https://apps.example/{service}#x",
        "https://apps.example/x{service}",
        "data:text/html,{service}",
    ] {
        for member in ["client_uri", "logo_uri"] {
            let text = key(member, &format!("{bad:?}"));
            refused(&text, &format!("rules[0].{member}"), "");
        }
    }
    for member in ["client_uri", "logo_uri"] {
        let good = key(member, "\"https://{service}.apps.example/{namespace}\"");
        judge(&good).unwrap_or_else(|report| panic!("{report}"));
    }
    for bad in [
        "https://apps.example/cb?code=x",
        "https://apps.example/cb?state={service}",
    ] {
        refused(
            &key("redirect_uris", &format!("[{bad:?}]")),
            "rules[0].redirect_uris[0]",
            "response",
        );
    }
}

#[test]
fn rule_under_which_every_request_would_be_refused_is_an_error() {
    let name = "name = \"r\"";
    let more = |line: &str| with(name, &format!("{name}\n{line}"));
    for list in ["grant_types", "credentials", "occasions"] {
        refused(
            &more(&format!("{list} = []")),
            &format!("rules[0].{list}"),
            "is empty: every request",
        );
    }
    refused(&more("clients_max = 0"), "rules[0].clients_max", "is zero");
    refused(
        &with("[[rules]]", "clients_max = 0\n[[rules]]"),
        "trust_domains[0].clients_max",
        "is zero",
    );
    // The trust domain takes JWT-SVIDs only.
    refused(
        &more("sender_constraint = \"mtls\""),
        "rules[0].sender_constraint",
        "no client certificate is accepted",
    );
    refused(
        &more("credentials = [\"x509_svid\"]"),
        "rules[0].credentials",
        "no kind of credential that a trust domain",
    );
    for good in [
        "sender_constraint = \"dpop\"",
        "sender_constraint = \"any\"",
        "sender_constraint = \"mtls\"\nenabled = false",
        "clients_max = 1",
    ] {
        assert!(judge(&more(good)).is_ok(), "{good}");
    }
    let both = with(
        "[[rules]]",
        "credentials = [\"jwt_svid\", \"x509_svid\"]\n[[rules]]",
    );
    let of_both = |line: &str| both.replacen(name, &format!("{name}\n{line}"), 1);
    assert!(judge(&of_both("sender_constraint = \"mtls\"")).is_ok());
    refused(
        &of_both("sender_constraint = \"mtls\"\ncredentials = [\"jwt_svid\"]"),
        "rules[0].sender_constraint",
        "no client certificate is accepted",
    );
}

#[test]
fn lifetime_of_what_people_grant_that_is_longer_than_that_of_the_client_is_warned_of() {
    let keys = |text: &str| -> Vec<String> {
        let (_, report) = judge(text).unwrap();
        let problems = report.problems.iter();
        let about = problems.filter(|problem| problem.problem.contains("ends with the client"));
        about.map(|problem| problem.key.clone()).collect()
    };
    let rule = |more: &str| {
        format!("{GOOD}[login]\n[[rules]]\nname = \"s\"\nidentities = [\"spiffe://a.example/x\"]\n{more}")
    };
    let open = |more: &str| format!("{GOOD}[login]\n[registration.open]\n{more}");
    let rules = GOOD.matches("[[rules]]").count();
    for (text, warned) in [
        (rule("client_lifetime = \"30d\""), vec![]),
        (rule("authorization_lifetime = \"90d\""), vec![]),
        (
            rule("client_lifetime = \"30d\"\nauthorization_lifetime = \"30d\""),
            vec![],
        ),
        (
            rule("client_lifetime = \"30d\"\nauthorization_lifetime = \"31d\""),
            vec![format!("rules[{rules}].authorization_lifetime")],
        ),
        (
            rule(
                "client_lifetime = \"30d\"\nauthorization_lifetime = \"none\"\nrefresh_token_idle_lifetime = \"40d\"",
            ),
            vec![
                format!("rules[{rules}].authorization_lifetime"),
                format!("rules[{rules}].refresh_token_idle_lifetime"),
            ],
        ),
        (open(""), vec![]),
        (
            open("client_lifetime = \"60d\"\nauthorization_lifetime = \"60d\""),
            vec![],
        ),
        (
            open("authorization_lifetime = \"60d\""),
            vec!["registration.open.authorization_lifetime".to_owned()],
        ),
    ] {
        assert_eq!(keys(&text), warned, "{text}");
    }
}

#[test]
fn trust_domain_that_no_rule_names_is_warned_of() {
    let domain = "[[trust_domains]]\nname = \"b.example\"\nbundle = { file = \"b.json\" }\n";
    let warnings = |text: &str| judge(text).unwrap().1.to_string();
    let more = with("[[rules]]", &format!("{domain}[[rules]]"));
    let printed = warnings(&more);
    assert!(printed.contains("\"b.example\" is in no rule"), "{printed}");
    let named = format!("{more}[[rules]]\nname = \"s\"\nidentities = [\"spiffe://b.example/x\"]\n");
    assert!(!warnings(&named).contains("is in no rule"));
    assert!(!warnings(GOOD).contains("is in no rule"));
}

#[test]
fn instance_that_is_not_the_last_segment_of_a_pattern_is_refused() {
    let identities = "identities = [\"spiffe://a.example/ns/{namespace}/sa/{service}\"]";
    for (pattern, is_refused) in [
        ("spiffe://a.example/ns/{namespace}/{instance}", false),
        ("spiffe://a.example/{instance}", false),
        ("spiffe://a.example/{instance}/{name}", true),
        ("spiffe://a.example/ns/{instance}/*", true),
        ("spiffe://a.example/ns/{instance}/**", true),
        ("cluster-a:{instance}/x", true),
    ] {
        let text = with(identities, &format!("identities = [\"{pattern}\"]"));
        match is_refused {
            true => refused(&text, "rules[0].identities[0]", "{instance} before its end"),
            false => assert!(judge(&text).is_ok(), "{pattern}"),
        }
    }
}

#[test]
fn rule_whose_instances_cannot_be_distinguished_is_warned_of() {
    let identities = "identities = [\"spiffe://a.example/ns/{namespace}/sa/{service}\"]";
    let warned = |pattern: &str, kinds: &str, line: &str| {
        let kinds = format!("credentials = [{kinds}]\n[[rules]]");
        let text = with("[[rules]]", &kinds);
        let text = text.replacen(identities, &format!("identities = [\"{pattern}\"]\n{line}"), 1);
        let (_, report) = judge(&text).unwrap_or_else(|report| panic!("{report}"));
        report.to_string()
    };
    let plain = "spiffe://a.example/ns/{namespace}";
    let ends = "spiffe://a.example/ns/{instance}";
    let each = "client = \"instance\"";
    let problem = "neither the pattern nor a credential";
    let only = format!("{each}\ncredentials = [\"jwt_svid\"]");
    for (pattern, kinds, line, is_warned) in [
        (plain, "\"jwt_svid\"", each, true),
        (plain, "\"jwt_svid\"", "", false),
        (plain, "\"wit_svid\"", each, false),
        (plain, "\"jwt_svid\", \"wit_svid\"", each, false),
        (plain, "\"jwt_svid\", \"wit_svid\"", &only, true),
        (ends, "\"jwt_svid\"", each, false),
    ] {
        let report = warned(pattern, kinds, line);
        assert_eq!(report.contains(problem), is_warned, "{pattern} {line}: {report}");
    }
    let problem = "gets the value of the instance that is seen first";
    for (key, is_warned) in [
        ("client_id = \"x/{instance}\"", true),
        ("client_name = \"cam {instance}\"", true),
        ("client_uri = \"https://{instance}.apps.example/\"", true),
        ("logo_uri = \"https://{instance}.apps.example/\"", true),
        ("redirect_uris = [\"https://{instance}.apps.example/cb\"]", true),
        ("redirect_uri_hosts = [\"{instance}.apps.example\"]", true),
        ("client_name = \"cam\"", false),
    ] {
        for (line, is_shared) in [(key.to_owned(), true), (format!("{key}\n{each}"), false)] {
            let report = warned(ends, "\"jwt_svid\"", &line);
            assert_eq!(
                report.contains(problem),
                is_warned && is_shared,
                "{line}: {report}"
            );
        }
    }
    // A template without the instance that the credential names gives all instances one id.
    let template = format!("{each}\nclient_id = \"x/{{namespace}}\"");
    for (kinds, is_warned) in [("\"wit_svid\"", true), ("\"jwt_svid\"", false)] {
        let report = warned(plain, kinds, &template);
        assert_eq!(report.contains("the same id"), is_warned, "{kinds}: {report}");
    }
}

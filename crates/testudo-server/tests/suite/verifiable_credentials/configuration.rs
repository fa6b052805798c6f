//! Entries of issuers of verifiable credentials: what is refused, and what is warned of.

use crate::world::load_with;
use testudo_testkit::scratch::folder;

const GOOD: &str = "name = \"agents\"\nkind = \"verifiable_credential\"\nuse = [\"registration\"]\n\
                    issuer = \"https://issuer.example\"\njwks = { file = \"agents.json\" }\ntypes = [\"t\"]\n";

#[test]
fn each_fault_of_an_entry_is_reported_at_its_key() {
    let folder = folder("verifiable-credentials");
    let report = |entry: &str| {
        let text =
            format!("[[issuers]]\n{entry}\n[[rules]]\nname = \"agents\"\nidentities = [\"agents:urn/*\"]\n");
        match load_with(&folder, &text) {
            Ok((_, report)) => (true, report.to_string()),
            Err(report) => (false, report.to_string()),
        }
    };
    let with = |more: &str| format!("{GOOD}{more}\n");
    let instead = |from: &str, to: &str| GOOD.replace(from, to);
    let (is_accepted, text) = report(GOOD);
    assert!(is_accepted, "{text}");
    for (case, entry, key, problem) in [
        (
            "no use",
            instead("use = [\"registration\"]\n", ""),
            "use",
            "must name one or more of",
        ),
        (
            "client",
            instead("[\"registration\"]", "[\"client\"]"),
            "use[0]",
            "is not a use of kind",
        ),
        (
            "attester that is not configured",
            with("attesters = [\"unknown\"]"),
            "attesters[0]",
            "is no attester",
        ),
        (
            "attester that is another kind of issuer",
            with("attesters = [\"agents\"]"),
            "attesters[0]",
            "is no attester",
        ),
        (
            "name of an attester",
            with("attesters = [\"Not A Name\"]"),
            "attesters[0]",
            "is not the name of an issuer",
        ),
        (
            "no issuer",
            instead("issuer = \"https://issuer.example\"\n", ""),
            "issuer",
            "is missing",
        ),
        (
            "http issuer",
            instead("https://issuer", "http://issuer"),
            "issuer",
            "neither an https URL",
        ),
        (
            "query",
            instead(".example\"", ".example?x\""),
            "issuer",
            "neither an https URL",
        ),
        (
            "DID",
            instead("https://issuer.example", "did:example:1"),
            "issuer",
            "method",
        ),
        (
            "no types",
            instead("types = [\"t\"]\n", ""),
            "types",
            "must name one or more types",
        ),
        (
            "empty types",
            instead("[\"t\"]", "[]"),
            "types",
            "must name one or more types",
        ),
        (
            "empty type",
            instead("[\"t\"]", "[\"t\", \"\"]"),
            "types[1]",
            "is empty",
        ),
        (
            "every type",
            instead("[\"t\"]", "[\"VerifiableCredential\"]"),
            "types[0]",
            "never counts",
        ),
        ("no formats", with("formats = []"), "formats", "is empty"),
        (
            "format",
            with("formats = [\"jwt_vc_json\"]"),
            "formats[0]",
            "is not a format",
        ),
        (
            "member",
            with("attests = [\"client_id\"]"),
            "attests[0]",
            "may state",
        ),
        (
            "binding",
            with("holder_binding = \"cnf\""),
            "holder_binding",
            "cannot be read",
        ),
        ("unbound", with("unbound = \"yes\""), "unbound", "cannot be read"),
        (
            "unbound and attested keys",
            with("unbound = \"allow\"\nattests = [\"jwks\"]"),
            "unbound",
            "must not be \"allow\"",
        ),
        (
            "lifetime",
            with("lifetime_max = \"0s\""),
            "lifetime_max",
            "is zero",
        ),
        (
            "kind",
            instead("verifiable_credential", "credential"),
            "kind",
            "is not a kind of issuer",
        ),
    ] {
        let (is_accepted, text) = report(&entry);
        let place = format!("issuers[0].{key} ");
        assert!(
            !is_accepted && text.contains(&place) && text.contains(problem),
            "{case}: {text}"
        );
    }
    for (case, entry, key) in [
        ("first use", with("first_use = \"on\""), "first_use"),
        (
            "claims",
            with("attested_metadata = [\"scope\"]"),
            "attested_metadata",
        ),
        (
            "audiences",
            with("accept_audiences = [\"x\"]"),
            "accept_audiences",
        ),
        ("subject", with("subject_claim = \"x\""), "subject_claim"),
    ] {
        let (is_accepted, text) = report(&entry);
        let place = format!("issuers[0].{key} ");
        assert!(
            is_accepted && text.contains(&place) && text.contains("has no effect"),
            "{case}: {text}"
        );
    }
    for name in ["jwks", "client_name", "scope"] {
        let (is_accepted, text) = report(&with(&format!("attests = [\"{name}\"]")));
        assert!(is_accepted && !text.contains("attests"), "{name}: {text}");
    }
    let warned = |unbound: &str| {
        let (is_accepted, text) = report(&with(&format!("unbound = \"{unbound}\"")));
        assert!(is_accepted, "{unbound}: {text}");
        text.contains("issuers[0].unbound lets the first caller that has a copy")
    };
    assert!(warned("allow") && !warned("refuse"));
}

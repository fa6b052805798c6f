//! Included files: which, in what order, what they may hold, and how their problems are named.

use super::super::*;
use std::ffi::OsString;
use std::path::PathBuf;

const MAIN: &str = "issuer = \"https://as.example\"\ninclude = [\"rules.d/*.toml\"]\n[store]\nurl = \"memory:\"\n\
                    [[trust_domains]]\nname = \"a.example\"\nbundle = { file = \"a.json\" }\n\
                    [[rules]]\nname = \"main\"\nidentities = [\"spiffe://a.example/main\"]\n";

fn rule(name: &str) -> String {
    format!("[[rules]]\nname = \"{name}\"\nidentities = [\"spiffe://a.example/{name}\"]\n")
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, main: &str) -> Folder {
        let folder = Folder(testudo_testkit::scratch::folder(name));
        folder.write("testudo.toml", main);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn main(&self) -> PathBuf {
        self.0.join("testudo.toml")
    }

    fn load(&self) -> Result<(Configuration, Report), Report> {
        super::super::load(&self.main(), 1)
    }

    #[track_caller]
    fn rules(&self) -> Vec<String> {
        let (configuration, _) = self.load().unwrap_or_else(|report| panic!("{report}"));
        let rules = configuration.policy.rules.iter();
        rules.map(|rule| rule.name.clone()).collect()
    }

    /// What is said, without the folder.
    fn said(&self) -> String {
        let (Ok((_, report)) | Err(report)) = self.load();
        let said = report.to_string();
        said.replace(&format!("{}/", self.0.display()), "")
    }
}

#[test]
fn rules_of_included_files_follow_those_of_the_main_file_in_byte_order_of_the_paths() {
    let main = MAIN.replace(
        "\"rules.d/*.toml\"",
        "\"rules.d/*.toml\", \"team*/x.toml\", \"rules.d/b*.toml\"",
    );
    let folder = Folder::new("include-order", &main);
    assert_eq!(folder.rules(), ["main"], "patterns without a match are no error");
    for (file, name) in [
        ("rules.d/b.toml", "b"),
        ("rules.d/B.toml", "capital"),
        ("rules.d/10.toml", "ten"),
        ("rules.d/9.toml", "nine"),
        // By path components, team/x.toml would come first.
        ("team/x.toml", "team"),
        ("team-a/x.toml", "team-a"),
        ("rules.d/.hidden.toml", "hidden"),
        ("rules.d/..data/b.toml", "data"),
        ("rules.d/notes.txt", "none"),
    ] {
        folder.write(file, &rule(name));
    }
    assert_eq!(
        folder.rules(),
        ["main", "ten", "nine", "capital", "b", "team-a", "team"]
    );
}

#[test]
fn pattern_that_matches_nothing_is_a_warning_and_a_file_that_is_named_and_missing_an_error() {
    let folder = Folder::new("include-nothing", MAIN);
    let said = folder.said();
    assert!(
        said.contains("warning: testudo.toml:2:12: include[0] \"rules.d/*.toml\" matches no file"),
        "{said}"
    );
    assert!(folder.load().is_ok());
    for (pattern, says) in [
        ("rules.d/a.toml", "does not exist"),
        ("**/a.toml", "contains **: name each folder"),
        ("rules.d/[", "is not a pattern"),
        ("*.toml", "names the configuration file itself"),
    ] {
        folder.write("testudo.toml", &MAIN.replace("rules.d/*.toml", pattern));
        let said = folder.said();
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        assert!(
            errors[0].starts_with("error: testudo.toml:2:12: include[0] ") && errors[0].contains(says),
            "{said}"
        );
    }
}

#[test]
fn folder_whose_name_looks_like_a_pattern_is_taken_as_it_is() {
    let folder = Folder::new("include-folder", "");
    folder.write("a[1]*/testudo.toml", MAIN);
    folder.write("a[1]*/rules.d/x.toml", &rule("x"));
    let (configuration, _) = super::super::load(&folder.0.join("a[1]*/testudo.toml"), 1)
        .unwrap_or_else(|report| panic!("{report}"));
    assert!(configuration.policy.rules.by_name("x").is_some());
}

#[test]
fn included_file_holds_rules_authorities_and_clients_and_nothing_else() {
    let folder = Folder::new("include-sections", MAIN);
    folder.write("clients.json", &jwks());
    let all = "[[trust_domains]]\nname = \"b.example\"\nbundle = { file = \"b.json\" }\n\
               [[issuers]]\nname = \"i\"\nkind = \"jwt\"\nuse = [\"client\"]\nissuer = \"https://i.example\"\njwks = { file = \"i.json\" }\n\
               [[clients]]\nclient_id = \"batch\"\njwks = { file = \"clients.json\" }\n";
    folder.write("rules.d/a.toml", &(rule("a") + all));
    let (configuration, _) = folder.load().unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(configuration.policy.authorities.len(), 3);
    // Relative paths begin where those of the main file do.
    assert_eq!(configuration.policy.clients.len(), 1);
    let bundles: Vec<String> = configuration
        .bundles
        .iter()
        .map(|source| source.origin.to_string())
        .collect();
    assert!(
        bundles.contains(&folder.0.join("b.json").display().to_string()),
        "{bundles:?}"
    );

    folder.write(
        "rules.d/a.toml",
        "include = [\"x.toml\"]\nissuer = \"https://x.example\"\n[server]\nlisten = []\n[[rule]]\nname = \"x\"\n[trust_domains]\nname = \"x\"\n",
    );
    let said = folder.said();
    for line in [
        "error: rules.d/a.toml:1:1: include cannot be in an included file: only the configuration file can include others",
        "error: rules.d/a.toml:2:1: issuer cannot be in an included file",
        "error: rules.d/a.toml:3:2: server cannot be in an included file",
        "error: rules.d/a.toml:5:3: rule cannot be in an included file\nhint: did you mean `rules`?",
        "error: rules.d/a.toml:7:1: trust_domains cannot be read: it is not a list of tables\nexpected: a list of tables, each beginning with [[trust_domains]]",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert_eq!(
        said.lines().filter(|line| line.starts_with("error: ")).count(),
        5,
        "{said}"
    );
}

fn jwks() -> String {
    let algorithm = testudo_protocol::jose::Algorithm::ES256;
    let key = testudo_testkit::generate_key(algorithm, None).public_jwk("sig", true);
    serde_json::json!({ "keys": [key] }).to_string()
}

#[test]
fn problem_in_an_included_file_names_that_file_and_counts_its_own_entries() {
    let folder = Folder::new("include-problems", MAIN);
    folder.write("rules.d/a.toml", &rule("a"));
    folder.write(
        "rules.d/b.toml",
        &(rule("b") + &rule("c") + "scopes = [\"a b\"]\nscope = 1\n" + &rule("main")),
    );
    folder.write("rules.d/c.toml", "x = = 1\n");
    let said = folder.said();
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(
        errors,
        [
            "error: rules.d/b.toml:7:11: rule `c`, rules[1].scopes[0] \"a b\" is not a scope value: printable ASCII without spaces, quotes and backslashes",
            "error: rules.d/b.toml:8:1: rule `c`, rules[1].scope is not a known key",
            "error: rules.d/b.toml:10:8: rule `main`, rules[2].name \"main\" is used twice: first at testudo.toml:9:8",
            "error: rules.d/c.toml:1:5: the file is not TOML: extra `=`, expected nothing",
        ],
        "{said}"
    );
    // Two included files have one name.
    folder.write("rules.d/c.toml", &rule("a"));
    folder.write("rules.d/b.toml", "");
    assert!(
        folder.said().contains(
            "rules.d/c.toml:2:8: rule `a`, rules[0].name \"a\" is used twice: first at rules.d/a.toml:2:8"
        ),
        "{}",
        folder.said()
    );
}

#[test]
fn rules_that_cannot_be_read_are_not_said_to_be_missing() {
    let folder = Folder::new(
        "include-unread",
        &MAIN
            .replace("[[rules]]", "[[issuers]]\nname = \"i\"\n[x]")
            .replace(
                "[x]\nname = \"main\"\nidentities = [\"spiffe://a.example/main\"]\n",
                "",
            ),
    );
    folder.write("rules.d/a.toml", "[[rules]\n");
    let said = folder.said();
    assert!(!said.contains("is empty"), "{said}");
    std::fs::remove_file(folder.0.join("rules.d/a.toml")).unwrap();
    std::fs::create_dir(folder.0.join("rules.d/a.toml")).unwrap();
    let said = folder.said();
    assert!(
        said.contains("include[0] rules.d/a.toml is a folder") && !said.contains("is empty"),
        "{said}"
    );
    std::fs::remove_dir(folder.0.join("rules.d/a.toml")).unwrap();
    std::fs::write(folder.0.join("rules.d/a.toml"), b"\n# \xff\n").unwrap();
    let said = folder.said();
    assert!(
        said.contains("rules.d/a.toml is not UTF-8: the first wrong byte is in line 2"),
        "{said}"
    );
}

#[test]
fn files_and_bytes_are_limited_at_the_bound_and_one_past_it() {
    let folder = Folder::new("include-limits", MAIN);
    for number in 0..1000 {
        folder.write(&format!("rules.d/{number:04}.toml"), "");
    }
    folder.load().unwrap_or_else(|report| panic!("{report}"));
    folder.write("rules.d/1000.toml", "");
    assert!(
        folder.said().contains("matches more than 1000 files"),
        "{}",
        folder.said()
    );
    std::fs::remove_dir_all(folder.0.join("rules.d")).unwrap();

    let left = (16 << 20) - MAIN.len();
    let comment = "#".repeat(left);
    folder.write("rules.d/a.toml", &comment);
    folder.load().unwrap_or_else(|report| panic!("{report}"));
    folder.write("rules.d/a.toml", &(comment + "#"));
    let said = folder.said();
    assert!(
        said.contains("rules.d/a.toml is too large: all files together may have 16 MiB"),
        "{said}"
    );
}

#[test]
fn digest_is_of_all_files_and_changes_with_each() {
    let folder = Folder::new("include-digest", MAIN);
    let mut seen = Vec::new();
    let mut differs = |what: &str| {
        let digest = digest(&folder.main());
        let (configuration, _) = folder.load().unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(digest, configuration.written.digest, "{what}");
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest);
    };
    differs("no included file");
    folder.write("rules.d/a.toml", &rule("a"));
    differs("one came");
    folder.write("rules.d/a.toml", &rule("b"));
    differs("it changed");
    std::fs::rename(folder.0.join("rules.d/a.toml"), folder.0.join("rules.d/b.toml")).unwrap();
    differs("it was renamed");
    folder.write("testudo.toml", &(MAIN.to_owned() + "# more\n"));
    differs("the main file changed");
    // Files that cannot be used give different digests too.
    std::fs::create_dir(folder.0.join("rules.d/c.toml")).unwrap();
    let broken = digest(&folder.main());
    assert!(!seen.contains(&broken));
}

#[test]
fn variable_sets_the_patterns_too() {
    let folder = Folder::new("include-variable", MAIN);
    folder.write("other.d/x.toml", &rule("x"));
    let variable = (
        "TESTUDO__INCLUDE".to_owned(),
        OsString::from("[\"other.d/*.toml\"]"),
    );
    let overlay = Overlay::of(std::iter::once(variable));
    let (configuration, _) =
        check_text(&folder.main(), MAIN, &overlay, 1).unwrap_or_else(|report| panic!("{report}"));
    assert!(configuration.policy.rules.by_name("x").is_some());
    assert_eq!(
        configuration.written.digest,
        read::digest(&folder.main(), &overlay)
    );
}

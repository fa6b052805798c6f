//! Reads the recipes of `docs/guides`.

use std::path::Path;

/// One section of a page.
pub struct Recipe {
    text: String,
}

/// The section below this heading.
#[track_caller]
pub fn recipe(page: &str, heading: &str) -> Recipe {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/guides")
        .join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let found = text
        .split("\n## ")
        .find_map(|section| section.strip_prefix(&format!("{heading}\n")));
    let text = found
        .unwrap_or_else(|| panic!("{page} has no section {heading}"))
        .to_owned();
    Recipe { text }
}

impl Recipe {
    /// The code block in this language. The section must have exactly one.
    #[track_caller]
    pub fn block(&self, language: &str) -> &str {
        let fence = format!("```{language}\n");
        let mut blocks = self.text.split(&fence).skip(1);
        let (block, _) = blocks.next().unwrap().split_once("```").unwrap();
        assert!(
            blocks.next().is_none(),
            "the section must have only one block of {language}"
        );
        block
    }

    /// The code blocks in this language, in the order of the page.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let fence = format!("```{language}\n");
        let blocks = self.text.split(&fence).skip(1);
        blocks
            .filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()))
            .collect()
    }

    /// The packages that the text links to at a registry, each with the version after the link: `name==1` if `between` is
    /// `==`.
    #[track_caller]
    pub fn packages(&self, registry: &str, between: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (place, link) in self.text.match_indices(&format!("](https://{registry}/")) {
            let (_, name) = self.text[..place].rsplit_once('[').unwrap();
            let (_, behind) = self.text[place + link.len()..].split_once(") ").unwrap();
            let version = behind
                .split([' ', ',', '\n'])
                .next()
                .unwrap()
                .trim_end_matches('.');
            assert!(
                version.contains('.'),
                "the text after the link of {name} is not a version: {version:?}"
            );
            found.push(format!("{name}{between}{version}"));
        }
        assert!(
            !found.is_empty(),
            "the section has no link to a package at {registry}"
        );
        found
    }
}

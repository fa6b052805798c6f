//! The recipes of `docs/guides`, as they stand there.

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
        .unwrap_or_else(|| panic!("{page} has a section {heading}"))
        .to_owned();
    Recipe { text }
}

impl Recipe {
    /// The one block of this language.
    #[track_caller]
    pub fn block(&self, language: &str) -> &str {
        let fence = format!("```{language}\n");
        let mut blocks = self.text.split(&fence).skip(1);
        let (block, _) = blocks.next().unwrap().split_once("```").unwrap();
        assert!(blocks.next().is_none(), "one block of {language}");
        block
    }

    /// The packages, if the text names each with this version: `name==1`, `name@1`.
    #[track_caller]
    pub fn packages<'a>(&self, packages: &'a [&'a str]) -> &'a [&'a str] {
        for package in packages {
            let (name, version) = package
                .split_once("==")
                .or_else(|| package.rsplit_once('@'))
                .unwrap();
            let (_, link) = self
                .text
                .split_once(&format!("[{name}]("))
                .unwrap_or_else(|| panic!("no {name}"));
            let (_, rest) = link.split_once(") ").unwrap();
            let rest = rest
                .strip_prefix(version)
                .unwrap_or_else(|| panic!("{package} is not the version of the page"));
            assert!(!rest.starts_with(|next: char| next.is_ascii_digit()), "{package}");
        }
        packages
    }
}

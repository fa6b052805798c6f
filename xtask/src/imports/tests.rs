//! Tests with sources that contain import cycles on purpose.

use super::{Crate, crates_of_workspace, cycles, hidden};
use crate::scratch::Scratch;

/// The cycles of a crate with these files, as lists of file names.
#[track_caller]
fn cycles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = Scratch::with(files);
    let source = Crate::read(folder.path()).unwrap();
    cycles(&source)
        .iter()
        .map(|cycle| {
            cycle
                .files
                .iter()
                .map(|file| source.files[*file].name.clone())
                .collect()
        })
        .collect()
}

/// The arrows of a crate with these files, as `from:line path to`.
#[track_caller]
fn arrows_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = Scratch::with(files);
    let source = Crate::read(folder.path()).unwrap();
    source
        .arrows
        .iter()
        .map(|arrow| {
            let (from, to) = (&source.files[arrow.from].name, &source.files[arrow.to].name);
            format!("{from}:{} {} {to}", arrow.line, arrow.path)
        })
        .collect()
}

const TWO: (&str, &str) = ("lib.rs", "mod one;\nmod two;\n");

#[test]
fn two_files_that_use_each_other_are_a_cycle() {
    let found = cycles_of(&[
        TWO,
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        (
            "two.rs",
            "pub struct Two;\nfn name() -> Option<crate::one::One> { None }\n",
        ),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn use_in_one_direction_only_is_not_a_cycle() {
    let files = [
        TWO,
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        ("two.rs", "pub struct Two;\n"),
    ];
    assert!(cycles_of(&files).is_empty());
    assert_eq!(arrows_of(&files), ["one.rs:1 crate::two::Two two.rs"]);
}

#[test]
fn a_cycle_of_three_files_is_shown_with_the_line_of_each_import() {
    let folder = Scratch::with(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "pub fn a() { crate::b::b() }\n"),
        ("b.rs", "pub fn b() { crate::c::c() }\n"),
        ("c.rs", "\npub fn c() { crate::a::a() }\n"),
    ]);
    let source = Crate::read(folder.path()).unwrap();
    let found = cycles(&source);
    assert_eq!(found.len(), 1);
    let lines: Vec<usize> = found[0].example.iter().map(|arrow| arrow.line).collect();
    assert_eq!(lines, [1, 1, 2]);
}

/// The arrow ends at the file that defines the item, not at the file that re-exports it.
#[test]
fn a_cycle_through_a_re_export_is_found() {
    let found = cycles_of(&[
        (
            "lib.rs",
            "mod one;\nmod shared;\nmod two;\npub use one::One as Public;\n",
        ),
        ("shared.rs", "pub use crate::two::{Two as Shared};\n"),
        ("one.rs", "use crate::shared::Shared;\npub struct One(Shared);\n"),
        ("two.rs", "pub struct Two;\npub fn from(_: crate::Public) {}\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_cycle_through_a_glob_re_export_is_found() {
    let found = cycles_of(&[
        ("lib.rs", "mod one;\nmod shared;\nmod two;\n"),
        ("shared.rs", "pub use crate::two::*;\n"),
        ("one.rs", "use crate::shared::Two;\npub struct One(Two);\n"),
        ("two.rs", "pub struct Two;\nuse crate::one::One;\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_cycle_through_super_and_self_is_found() {
    let found = cycles_of(&[
        ("lib.rs", "mod door;\nmod room;\n"),
        (
            "door.rs",
            "use super::room::table::Table;\npub struct Door(Table);\n",
        ),
        ("room/mod.rs", "pub mod table;\n"),
        (
            "room/table.rs",
            "pub struct Table;\nfn door() -> Option<super::super::door::Door> { None }\n",
        ),
    ]);
    assert_eq!(found, [["door.rs", "room/table.rs"]]);
}

#[test]
fn a_cycle_through_a_macro_call_is_found() {
    let found = cycles_of(&[
        TWO,
        (
            "one.rs",
            "pub fn one() { println!(\"{}\", crate::two::two(1)); }\n",
        ),
        (
            "two.rs",
            "pub fn two(n: u8) -> u8 { assert!(n > 0, \"{:?}\", [super::one::one()]); n }\n",
        ),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_cycle_through_a_serde_attribute_is_found() {
    let found = cycles_of(&[
        TWO,
        (
            "one.rs",
            "#[derive(Serialize)]\npub struct One { #[serde(with = \"crate::two\")] text: u8 }\n",
        ),
        ("two.rs", "use crate::one::One;\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_cycle_through_an_import_in_a_function_is_found() {
    let found = cycles_of(&[
        TWO,
        (
            "one.rs",
            "pub struct One;\nfn two() { use crate::two as other; other::two() }\n",
        ),
        ("two.rs", "pub fn two() {}\npub fn one(_: crate::one::One) {}\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn test_code_makes_no_cycle() {
    let found = cycles_of(&[
        ("lib.rs", "mod one;\nmod two;\n#[cfg(test)]\nmod suite;\n"),
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        (
            "two.rs",
            "pub struct Two;\n#[cfg(test)]\nuse crate::one::One;\n#[cfg(all(test, unix))]\nmod tests {\n  use \
             crate::one::One;\n}\n#[test]\nfn one() { crate::one::One; }\n#[cfg(test)]\nimpl Two { fn one() -> \
             crate::one::One {} }\n",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

/// `any(test, feature = "…")` is compiled into releases with that feature.
#[test]
fn code_for_tests_or_a_feature_makes_a_cycle() {
    let found = cycles_of(&[
        TWO,
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        (
            "two.rs",
            "pub struct Two;\n#[cfg(any(test, feature = \"more\"))]\nuse crate::one::One;\n",
        ),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn mod_lines_visibilities_and_names_of_local_variables_make_no_arrows() {
    let found = arrows_of(&[
        (
            "lib.rs",
            "mod one;\nmod two;\nfn f(two: u8) -> u8 { format!(\"{}\", two.one); two }\n",
        ),
        (
            "one.rs",
            "pub(crate) struct One;\n/// See [`crate::two`].\npub(in crate::one) fn two() {}\n",
        ),
        ("two.rs", "pub(super) fn one(one: u8) -> u8 { one }\n"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

/// The own file of a folder (`mod.rs`) uses the files of the folder, and these use its types: without the own file there
/// is no cycle.
#[test]
fn own_file_of_a_folder_with_the_files_of_the_folder_is_not_a_cycle() {
    for own_file in ["room/mod.rs", "room.rs"] {
        let found = cycles_of(&[
            ("lib.rs", "mod room;\n"),
            (
                own_file,
                "mod chair;\nmod table;\npub struct Size;\npub use chair::Chair;\npub use table::Table;\n",
            ),
            ("room/chair.rs", "use super::Size;\npub struct Chair(Size);\n"),
            (
                "room/table.rs",
                "use super::{Chair, Size};\npub struct Table(Size, Chair);\n",
            ),
        ]);
        assert!(found.is_empty(), "{own_file}: {found:?}");
    }
}

#[test]
fn files_of_a_folder_that_use_each_other_without_its_own_file_are_a_cycle() {
    let found = cycles_of(&[
        ("lib.rs", "mod room;\n"),
        (
            "room/mod.rs",
            "mod chair;\nmod table;\npub struct Size;\npub use chair::Chair;\npub use table::Table;\n",
        ),
        (
            "room/chair.rs",
            "use super::{Size, Table};\npub struct Chair(Size);\n",
        ),
        (
            "room/table.rs",
            "use super::{Chair, Size};\npub struct Table(Size, Chair);\n",
        ),
    ]);
    assert_eq!(found, [["room/chair.rs", "room/table.rs"]]);
}

/// A `mod.rs` in a cycle with a file of another folder counts like any file.
#[test]
fn a_mod_file_that_uses_another_folder_and_is_used_by_it_is_a_cycle() {
    let found = cycles_of(&[
        ("lib.rs", "mod door;\nmod room;\n"),
        ("door.rs", "use crate::room::Size;\npub struct Door(Size);\n"),
        (
            "room/mod.rs",
            "mod table;\npub struct Size;\nfn table() -> Option<table::Table> { None }\n",
        ),
        (
            "room/table.rs",
            "use crate::door::Door;\npub struct Table(Door);\n",
        ),
    ]);
    assert_eq!(found, [["door.rs", "room/mod.rs", "room/table.rs"]]);
}

#[test]
fn imports_that_refer_to_each_other_do_not_cause_an_endless_loop() {
    let found = arrows_of(&[
        TWO,
        ("one.rs", "pub use crate::two::*;\npub use crate::two::Thing;\n"),
        ("two.rs", "pub use crate::one::*;\npub use crate::one::Thing;\n"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
}

/// The complaints about ways in which a file can use another one without a path, for a crate `own-name`.
#[track_caller]
fn hidden_in(files: &[(&str, &str)]) -> Vec<String> {
    let folder = Scratch::with(files);
    hidden("own-name", &Crate::read(folder.path()).unwrap())
}

#[test]
fn paths_in_attributes_of_every_kind_make_arrows() {
    for attribute in [
        "#[schemars(regex(pattern = crate::two::C))]",
        "#[arg(value_parser = crate::two::f)]",
        "#[instrument(skip_all, fields(x = crate::two::f()))]",
        "#[cfg_attr(feature = \"x\", serde(with = \"crate::two\"))]",
        "#[crate::two::attribute]",
    ] {
        let one = format!("{attribute}\npub struct One;\n");
        let found = arrows_of(&[TWO, ("one.rs", &one), ("two.rs", "pub const C: &str = \"\";\n")]);
        assert!(
            found.len() == 1 && found[0].starts_with("one.rs:1 crate::two") && found[0].ends_with(" two.rs"),
            "{attribute}: {found:?}"
        );
    }
    let test_only = "#[cfg_attr(test, arg(value_parser = crate::two::f))]\npub struct One;\n";
    assert!(arrows_of(&[TWO, ("one.rs", test_only), ("two.rs", "")]).is_empty());
}

#[test]
fn module_named_tests_counts_unless_it_is_compiled_for_tests_only() {
    let counted = |attribute: &str| {
        let one = format!("{attribute}mod tests;\n");
        arrows_of(&[
            TWO,
            ("one.rs", &one),
            ("one/tests.rs", "use crate::two::Two;\n"),
            ("two.rs", "pub struct Two;\n"),
        ])
    };
    assert_eq!(counted(""), ["one/tests.rs:1 crate::two::Two two.rs"]);
    assert!(counted("#[cfg(test)]\n").is_empty());
}

#[test]
fn module_with_a_raw_name_is_read_from_the_file_of_that_name() {
    let found = arrows_of(&[
        ("lib.rs", "mod r#use;\nmod two;\n"),
        ("use.rs", "pub struct One;\n"),
        ("two.rs", "pub struct Two(crate::r#use::One);\n"),
    ]);
    assert_eq!(found, ["two.rs:1 crate::use::One use.rs"]);
}

#[test]
fn cycle_in_the_modules_of_main_is_found_where_there_is_a_library_too() {
    let workspace = Scratch::with(&[
        ("xtask/src/main.rs", "fn main() {}\n"),
        ("crates/both/src/lib.rs", "pub struct Both;\n"),
        ("crates/both/src/main.rs", "mod one;\nmod two;\n"),
        (
            "crates/both/src/one.rs",
            "use crate::two::Two;\npub struct One(Two);\n",
        ),
        (
            "crates/both/src/two.rs",
            "use crate::one::One;\npub struct Two;\n",
        ),
    ]);
    let crates = crates_of_workspace(workspace.path()).unwrap();
    let counts: Vec<(&str, usize)> = crates
        .iter()
        .map(|(name, source)| (name.as_str(), cycles(source).len()))
        .collect();
    assert_eq!(counts, [("both", 0), ("both main.rs", 1), ("xtask", 0)]);
}

#[test]
fn file_that_is_used_without_a_path_is_refused_with_its_line() {
    for (one, what) in [
        (
            "\n#[path = \"elsewhere.rs\"]\nmod other;\n",
            "one.rs:3 is a module with `#[path]`",
        ),
        (
            "\n#[cfg_attr(unix, path = \"elsewhere.rs\")]\nmod other;\n",
            "one.rs:3 is a module with `#[path]`",
        ),
        (
            "\ninclude!(\"elsewhere.rs\");\n",
            "one.rs:2 includes another file as code",
        ),
        (
            "\nfn f() { std::vec![include!(\"elsewhere.rs\")]; }\n",
            "one.rs:2 includes another file as code",
        ),
        (
            "\nextern crate self as x;\n",
            "one.rs:2 gives its own crate another name",
        ),
        (
            "\nuse ::own_name::two::Two;\n",
            "one.rs:2 names its own crate with `::`",
        ),
        (
            "\nfn f() -> ::own_name::two::Two {}\n",
            "one.rs:2 names its own crate with `::`",
        ),
        (
            "\nfn f() { std::vec![::own_name::two::Two]; }\n",
            "one.rs:2 names its own crate with `::`",
        ),
    ] {
        let found = hidden_in(&[TWO, ("one.rs", one), ("two.rs", "pub struct Two;\n")]);
        assert!(found.len() == 1 && found[0].contains(what), "{one}: {found:?}");
        let tests = format!("#[cfg(test)]\nmod tests {{ {one} }}\n");
        let found = hidden_in(&[TWO, ("one.rs", &tests), ("two.rs", "")]);
        assert!(found.is_empty(), "{tests}: {found:?}");
    }
    let allowed = "use ::other::own_name;\nconst C: &str = include_str!(\"x.txt\");\n";
    assert!(hidden_in(&[TWO, ("one.rs", allowed), ("two.rs", "")]).is_empty());
}

//! The development tasks of this repository: `cargo xtask ci | tidy | citations | deny | generate | bench | soak | fuzz
//! | spire | kubernetes | dist | dev`.

#![warn(clippy::wildcard_enum_match_arm)]

mod ci;
mod citations;
mod command_line;
mod deny;
mod dist;
mod failover;
mod fuzz;
mod generate;
mod imports;
mod kubernetes;
mod leftovers;
#[cfg(test)]
mod scratch;
mod spire;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci                   run what CI runs: format, lints, tidy, generated files, all tests
  tidy                 check the rules of this repository that no compiler checks
  tidy --cycles [FOLDER]
                       every import cycle, file by file, of this checkout or another one
  tidy --modules [FOLDER]
                       the modules of each crate with the modules that they use, each in the lowest possible layer
  citations NAME       list the lines that cite the specification with this short name
  deny                 check licences, bans and sources of dependencies; also advisories where ADVISORY_DB is a folder
                       with the advisory database
  generate [--check]   write docs/reference/ (or fail where it is out of date)
  bench [token|rules]  run benchmarks; `bench token --full` adds a million first uses
  bench proofs         only the measurements with proofs of possession: DPoP, attestations
  bench issuers        tokens of Kubernetes service accounts, and registrations with verifiable credentials
  bench people         pushed requests, codes, refresh tokens and introspection of people
  bench hostile        measure the CPU time of refused requests and of valid ones
  bench compare [--postgres] OLD [NEW]
                       compare two binaries: nine pairs of runs in turn, median of the ratios; with SQLite or PostgreSQL
  soak connections     10,000 silent connections of one address while valid requests are sent, with a release build
  soak reloads         1,000 reloads under load: rules, TLS files and bundle change each time; some minutes
  soak failover        PostgreSQL fails over under load, three rounds of every fault; as root, eight minutes
  soak events          a month with a million events: filters, and their export with bounded memory
  soak proofs          a million marks of used proofs: speed, memory, and one client that uses more than its share
  soak domains         1,000 trust domains: start, memory, refresh traffic, latency of tokens
  soak clusters        the same with 1,000 clusters of one issuer, and the cost of refused tokens
  soak people          a million sessions and refresh tokens, and 100,000 visits of invented clients
  soak people-crashes  kill -9 and a stopped database at each step of a sign-in, twenty rounds each
  soak install         install Patroni into target/patroni, for `soak failover` and the failover test of CI
  fuzz [SECONDS]       run every fuzz target for this time (default 60)
  spire install|up     build SPIRE; run it in the foreground with one registered workload
  kubernetes install   build the Kubernetes API server and Helm, for the tests of the chart
  dist [binary|deb|sbom|check]
                       build all files of a release into target/dist: static binary, man pages, archive, .deb, SBOM,
                       checksums;
                       `check` tests them: root file system of the container, name resolution in a chroot, package
  dev                  run testudo dev
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["tidy", "--modules"] => tidy::print_modules(None),
        ["tidy", "--modules", folder] => tidy::print_modules(Some(folder)),
        ["tidy", "--cycles"] => tidy::print_cycles(None),
        ["tidy", "--cycles", folder] => tidy::print_cycles(Some(folder)),
        ["citations", name] => citations::print(name),
        ["deny"] => deny::run(),
        ["generate"] => generate::run(false),
        ["generate", "--check"] => generate::run(true),
        ["bench"] => {
            bench("testudo-core", "rules", &[]).and_then(|()| bench("testudo", "server", &["token"]))
        }
        ["bench", "rules"] => bench("testudo-core", "rules", &[]),
        [
            "bench",
            what @ ("token" | "proofs" | "issuers" | "people" | "hostile" | "compare"),
            more @ ..,
        ] => bench("testudo", "server", &[&[*what], more].concat()),
        ["soak", "connections"] => soak("crowds::soak_"),
        ["soak", "reloads"] => soak("reload_load::soak_"),
        ["soak", "domains"] => soak("many::domains::soak_"),
        ["soak", "clusters"] => soak("many::clusters::soak_"),
        ["soak", "proofs"] => soak("proof_load::soak_"),
        ["soak", "events"] => soak("event_export::soak_"),
        ["soak", "people"] => soak("people_load::soak_"),
        ["soak", "people-crashes"] => soak("people_crashes::soak_"),
        ["soak", "install"] => failover::install(),
        ["soak", "failover"] => failover::install().and_then(|()| soak("failover::soak_")),
        ["fuzz"] => fuzz::run(60),
        ["fuzz", seconds] => seconds
            .parse()
            .map_err(|_| "SECONDS must be a number".to_owned())
            .and_then(fuzz::run),
        ["spire", "install"] => spire::install(),
        ["spire", "up"] => spire::up(),
        ["kubernetes", "install"] => kubernetes::install(),
        ["dist"] => dist::everything(),
        ["dist", "binary"] => dist::binary(),
        ["dist", "deb"] => dist::deb(),
        ["dist", "sbom"] => dist::sbom(),
        ["dist", "check"] => dist::check(),
        ["dev", more @ ..] => cargo(&[&["run", "--release", "--", "dev"], more].concat()),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a benchmark program of a package.
fn bench(package: &str, program: &str, more: &[&str]) -> Result<(), String> {
    let cargo_words = ["bench", "--quiet", "--package", package, "--bench", program, "--"];
    cargo(&[&cargo_words, more].concat())
}

/// Runs a long test of the built binary; CI runs a short form of it.
fn soak(test: &str) -> Result<(), String> {
    let cargo_words = [
        "test",
        "--release",
        "--package",
        "testudo",
        "--test",
        "suite",
        test,
    ];
    cargo(
        &[
            &cargo_words[..],
            &["--", "--ignored", "--nocapture", "--test-threads=1"],
        ]
        .concat(),
    )
}

/// The folder of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// Runs cargo in the folder of the repository and shows its output.
fn cargo(arguments: &[&str]) -> Result<(), String> {
    run("cargo", arguments, &[])
}

/// Runs a program in the folder of the repository and shows its output.
fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    eprintln!("+ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} {} failed", arguments.join(" ")))
    }
}

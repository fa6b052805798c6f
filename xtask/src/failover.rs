//! Installs the programs for the failover tests that Debian has no packages of.

use crate::root;
use testudo_testkit::patroni;

/// Installs Patroni, once for each list of versions.
pub fn install() -> Result<(), String> {
    patroni::install(&root().join("target/patroni"))
}

//! Installs the programs for the failover tests that Debian's packages do not have.

use crate::root;
use testudo_testkit::patroni;

/// Installs Patroni, once for each list of versions.
pub fn install() -> Result<(), String> {
    patroni::install(&root().join("target/patroni"))
}

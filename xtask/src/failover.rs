//! What the tests of failover need beside Debian's packages.

use crate::root;
use testudo_testkit::patroni;

/// Installs Patroni, once for each list of versions.
pub fn install() -> Result<(), String> {
    patroni::install(&root().join("target/patroni"))
}

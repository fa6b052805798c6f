//! Checks of the admin socket and of the addresses on which the server listens.

use super::finding::{Finding, finding, problem};
use crate::admin;
use crate::config::{Configuration, listening};
use crate::listen;
use std::io::ErrorKind;

pub(super) async fn examine(configuration: &Configuration) -> Vec<Finding> {
    let socket = &configuration.admin.socket;
    let checked = admin::check_path(socket).await;
    // If a server listens on the admin socket, it is most likely also the one that uses the addresses.
    let is_running = checked.is_ok() && admin::must_be_free(socket).await.is_err();
    let mut findings = vec![finding("admin socket", checked.map_err(Into::into))];
    let listening = listening(&configuration.server, &configuration.admin);
    // Each is kept until all are tried, as the server keeps them.
    let mut held = Vec::new();
    for (position, wanted) in listening.iter().enumerate() {
        let outcome = listen::bind(wanted.address).map(|socket| held.push(socket));
        let outcome = match outcome {
            Ok(()) => Ok("the server can listen on it".to_owned()),
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_running => {
                Ok("is in use, and a server listens on the admin socket of this configuration".to_owned())
            }
            Err(error) => {
                let earlier = listening.get(..position).unwrap_or_default();
                let (what, remedy) = listen::cannot_bind(&error, wanted, earlier);
                Err(problem(what, remedy))
            }
        };
        findings.push(finding(wanted.to_string(), outcome));
    }
    findings
}

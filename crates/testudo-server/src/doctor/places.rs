//! Checks of the admin socket and of the addresses on which the server listens.

use super::finding::{Finding, finding, problem};
use crate::admin;
use crate::config::Configuration;
use crate::listen;
use std::io::ErrorKind;
use std::net::SocketAddr;

pub(super) async fn examine(configuration: &Configuration) -> Vec<Finding> {
    let socket = &configuration.admin.socket;
    let checked = admin::check_path(socket).await;
    // If a server listens on the admin socket, it is most likely also the one that uses the addresses.
    let is_running = checked.is_ok() && admin::must_be_free(socket).await.is_err();
    let mut findings = vec![finding("admin socket", checked.map_err(Into::into))];
    for (key, address) in addresses(configuration) {
        findings.push(try_address(key, address, is_running));
    }
    findings
}

fn addresses(configuration: &Configuration) -> Vec<(&'static str, SocketAddr)> {
    let server = &configuration.server;
    let public = server.listen.iter().map(|address| ("server.listen", *address));
    let mtls = server.mtls.iter().flat_map(|mtls| &mtls.listen);
    let mtls = mtls.map(|address| ("server.mtls.listen", *address));
    let admin = configuration
        .admin
        .listen
        .map(|address| ("admin.listen", address));
    public.chain(mtls).chain(admin).collect()
}

/// Binds the address and releases it again.
fn try_address(key: &str, address: SocketAddr, is_running: bool) -> Finding {
    let subject = format!("{key} {address}");
    let outcome = match listen::bind(address) {
        Ok(_) => Ok("the server can listen on it".to_owned()),
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_running => {
            Ok("is in use, and a server listens on the admin socket of this configuration".to_owned())
        }
        Err(error) => {
            let (what, remedy) = listen::cannot_bind(&error);
            Err(problem(what, remedy))
        }
    };
    finding(subject, outcome)
}

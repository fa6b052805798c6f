//! `testudo serve`.

use crate::output::Failed;
use crate::service_manager::ServiceManager;
use std::path::Path;
use testudo_core::Actor;
use testudo_server::listen::PassedSockets;
use testudo_server::reload::reload;
use testudo_server::serve::{Options, start_server};
use testudo_server::{Note, config};
use tokio::signal::unix::{SignalKind, signal};

pub async fn run(path: &Path, passed: PassedSockets) -> Result<(), Failed> {
    let manager = ServiceManager::from_environment();
    #[cfg(feature = "test-clock")]
    tracing::warn!(
        event = "server.test_clock",
        "this binary is built with the test clock of TESTUDO_TEST_CLOCK: use it only for tests"
    );
    let (configuration, warnings) = config::load(path, 1).map_err(|report| {
        report.log();
        Failed::new(format!("{} cannot be used", path.display()))
    })?;
    warnings.log();
    let scheme = if configuration.server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let admin_scheme = if configuration.admin.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let socket = configuration.admin.socket.clone();
    let options = Options {
        config_path: Some(path.to_owned()),
        passed,
        ..Options::default()
    };
    let running = start_server(configuration, options).await.map_err(Failed::new)?;
    // Signals are handled before the ready line is written: a service manager may send one as soon as it reads the line.
    let failed = |error: std::io::Error| Failed::new(format!("cannot wait for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let addresses: Vec<String> = running
        .addresses
        .iter()
        .map(|address| format!("{scheme}://{address}"))
        .collect();
    let metrics = running
        .admin_address
        .map(|address| format!(", metrics on {admin_scheme}://{address}"))
        .unwrap_or_default();
    let ready = format!(
        "ready on {}, admin socket {}{metrics}",
        addresses.join(" "),
        socket.display()
    );
    tracing::info!(event = "server.ready", "{ready}");
    manager.ready(&ready);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                manager.reloading();
                match reload(&running.app, Note::by(&Actor::Signal)).await {
                    Ok(_) => manager.ready(&format!("reloaded; {ready}")),
                    Err(report) => {
                        let kept = "not reloaded: the server goes on with its present configuration";
                        tracing::error!(event = "configuration.not_reloaded", %report, "{kept}");
                        manager.ready(&format!("{kept} (testudo check); {ready}"));
                    }
                }
            }
        }
    }
    manager.stopping();
    tracing::info!(event = "server.stopping", "stopping: running requests may finish");
    running.stop().await;
    Ok(())
}

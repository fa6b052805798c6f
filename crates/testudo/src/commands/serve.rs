//! `testudo serve`.

use crate::output::{Failed, note, note_report};
use crate::service_manager::ServiceManager;
use std::io::IsTerminal as _;
use std::path::Path;
use testudo_core::Actor;
use testudo_server::listen::PassedSockets;
use testudo_server::reload::reload;
use testudo_server::serve::{Options, serve};
use testudo_server::{Note, config};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

pub async fn run(path: &Path, passed: PassedSockets) -> Result<(), Failed> {
    start_log();
    let manager = ServiceManager::from_environment();
    #[cfg(feature = "test-clock")]
    crate::output::warn("this binary has the test clock of TESTUDO_TEST_CLOCK: never use it but for tests");
    let (configuration, warnings) = config::load(path, 1).map_err(|report| {
        note_report(&report);
        Failed::new(format!("{} cannot be used", path.display()))
    })?;
    note_report(&warnings);
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
    let running = serve(configuration, options).await.map_err(Failed::new)?;
    // Before the ready line: a manager that reads it may send a signal at once.
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
    note(&ready);

    manager.ready(&ready);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                manager.reloading();
                match reload(&running.app, Note::by(&Actor::Signal)).await {
                    Ok(reloaded) => {
                        note(&format!("{}reloaded: {}", reloaded.warnings, reloaded.summary()));
                        manager.ready(&format!("reloaded; {ready}"));
                    }
                    Err(report) => {
                        let kept = "not reloaded: the configuration in force stays as it was";
                        note(&format!("{report}{kept}"));
                        manager.ready(&format!("{kept} (testudo check); {ready}"));
                    }
                }
            }
        }
    }
    manager.stopping();
    note("stopping: running requests may finish");
    running.stop().await;
    Ok(())
}

/// JSON lines where a program reads, text where a person does; `RUST_LOG` chooses the level.
pub fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
}

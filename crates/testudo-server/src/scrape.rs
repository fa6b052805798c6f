//! The answer of `/metrics`: the counters, and values that are read from the state at this moment. So an authority or a
//! key that was removed is not in the answer any more.

use crate::state::app::App;
use crate::state::metrics::register_metric;
use crate::state::readiness::Readiness;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use testudo_core::signing_keys::KeyState;

/// The exposition text.
pub fn scrape(app: &App) -> String {
    let mut ours = Registry::with_prefix("testudo");
    server(app, &mut ours);
    authorities(app, &mut ours);
    our_keys(app, &mut ours);
    store(app, &mut ours);
    let mut of_process = Registry::default();
    // On systems without /proc, only these metrics are absent.
    let _ = process(&mut of_process);
    let mut text = app.metrics.text();
    // Writing into a string cannot fail.
    let _ = encode_registry(&mut text, &ours);
    let _ = encode_registry(&mut text, &of_process);
    let _ = encode_eof(&mut text);
    text
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabel {
    version: &'static str,
    store: &'static str,
}

fn server(app: &App, registry: &mut Registry) {
    let build = Family::<BuildLabel, Gauge>::default();
    let label = BuildLabel {
        version: env!("CARGO_PKG_VERSION"),
        store: app.store.engine_name(),
    };
    build.get_or_create(&label).set(1);
    register_metric(registry, "build_info", build);
    let is_ready = Readiness::of(app).ready;
    register_metric(registry, "ready", ConstGauge::new(i64::from(is_ready)));
    let generation = app.in_force.load().policy.generation;
    register_metric(registry, "configuration_generation", ConstGauge::new(generation));
    let clients = app.memory.clients.len();
    register_metric(registry, "clients_in_memory", ConstGauge::new(clients as u64));
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AuthorityLabel {
    authority: String,
}

fn authorities(app: &App, registry: &mut Registry) {
    let usable = Family::<AuthorityLabel, Gauge>::default();
    let age = Family::<AuthorityLabel, Gauge<f64, AtomicU64>>::default();
    let expires = Family::<AuthorityLabel, Gauge>::default();
    let failures = Family::<AuthorityLabel, Counter>::default();
    let now = app.moment();
    for anchor in app.in_force.load().anchors.values() {
        let label = AuthorityLabel {
            authority: anchor.source().authority.key().to_owned(),
        };
        let status = anchor.status(now);
        let is_usable = anchor.current(now).is_some();
        usable.get_or_create(&label).set(i64::from(is_usable));
        let seconds = status.age_seconds.map_or(f64::INFINITY, |age| age as f64);
        age.get_or_create(&label).set(seconds);
        if let Some(age) = status.age_seconds {
            let ends = app.now().0.saturating_add(status.max_staleness_seconds - age);
            expires.get_or_create(&label).set(ends);
        }
        failures.get_or_create(&label).inc_by(anchor.failures());
    }
    register_metric(registry, "bundle_usable", usable);
    register_metric(registry, "bundle_age_seconds", age);
    register_metric(registry, "bundle_expires_seconds", expires);
    register_metric(registry, "bundle_failures", failures);
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CertificateLabel {
    section: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MadeLabel {
    kid: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KeyLabel {
    kid: String,
}

fn our_keys(app: &App, registry: &mut Registry) {
    let certificates = Family::<CertificateLabel, Gauge>::default();
    for certificate in app.certificates.all() {
        let label = CertificateLabel {
            section: certificate.section,
        };
        certificates
            .get_or_create(&label)
            .set(certificate.validity().not_after.0);
    }
    register_metric(registry, "tls_certificate_expires_seconds", certificates);
    let made = Family::<MadeLabel, Gauge>::default();
    let ends = Family::<KeyLabel, Gauge>::default();
    for key in &app.keys.load().listed {
        let state = match key.state {
            KeyState::Next => "next",
            KeyState::Active => "active",
            KeyState::Retiring => "retiring",
        };
        let kid = key.kid.clone();
        made.get_or_create(&MadeLabel { kid, state }).set(key.created.0);
        if let Some(until) = key.published_until {
            let kid = key.kid.clone();
            ends.get_or_create(&KeyLabel { kid }).set(until.0);
        }
    }
    register_metric(registry, "signing_key_created_seconds", made);
    register_metric(registry, "signing_key_expires_seconds", ends);
}

fn store(app: &App, registry: &mut Registry) {
    let store = &app.store;
    register_metric(
        registry,
        "store_batches",
        ConstCounter::new(store.batches_written()),
    );
    register_metric(registry, "store_reads", ConstCounter::new(store.reads()));
    register_metric(registry, "store_failures", ConstCounter::new(store.failures()));
}

fn process(registry: &mut Registry) -> procfs::ProcResult<()> {
    let process = procfs::process::Process::myself()?;
    let stat = process.stat()?;
    let ticks_per_second = procfs::ticks_per_second() as f64;
    let cpu = (stat.utime + stat.stime) as f64 / ticks_per_second;
    register_metric(registry, "process_cpu_seconds", ConstCounter::new(cpu));
    register_metric(
        registry,
        "process_resident_memory_bytes",
        ConstGauge::new(stat.rss * procfs::page_size()),
    );
    register_metric(
        registry,
        "process_virtual_memory_bytes",
        ConstGauge::new(stat.vsize),
    );
    register_metric(registry, "process_threads", ConstGauge::new(stat.num_threads));
    register_metric(
        registry,
        "process_open_fds",
        ConstGauge::new(process.fd_count()? as u64),
    );
    let max = process.limits()?.max_open_files.soft_limit;
    if let procfs::process::LimitValue::Value(max) = max {
        register_metric(registry, "process_max_fds", ConstGauge::new(max));
    }
    let started = procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks_per_second;
    register_metric(registry, "process_start_time_seconds", ConstGauge::new(started));
    Ok(())
}

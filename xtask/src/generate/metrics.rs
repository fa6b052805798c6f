//! `docs/reference/metrics.md`: every metric of `/metrics`.

use testudo_server::state::metrics::METRICS;

pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\nGenerated from `server::state::metrics`. `GET /metrics` on `admin.listen` returns them in the \
         OpenMetrics format, without a token. Values of labels are from fixed lists and from the configuration, never \
         from requests. After an authority or a key is removed, its series are missing from the next scrape. \
         Alert rules: [alerts.yaml](../../deploy/prometheus/alerts.yaml); a dashboard for Grafana: \
         [testudo.json](../../deploy/grafana/testudo.json).\n\n| metric | type | labels | what it measures |\n\
         |---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        page.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            metric.kind.name(),
            labels.join(", "),
            metric.meaning
        ));
    }
    page
}

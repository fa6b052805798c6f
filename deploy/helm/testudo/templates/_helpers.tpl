{{- define "testudo.name" -}}
{{- if contains "testudo" .Release.Name -}}{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-testudo" .Release.Name | trunc 53 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "testudo.selector" -}}
app.kubernetes.io/name: testudo
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "testudo.labels" -}}
{{ include "testudo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "testudo.scheme" -}}{{ if .Values.tlsSecret }}HTTPS{{ else }}HTTP{{ end }}{{- end }}

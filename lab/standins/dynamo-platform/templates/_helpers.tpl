{{- define "fullname" -}}
{{ printf "%s-dynamo-operator" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- define "labels" -}}
app.kubernetes.io/name: dynamo-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "selectorLabels" -}}
app.kubernetes.io/name: dynamo-operator
app.kubernetes.io/instance: {{ .Release.Name }}
control-plane: controller-manager
{{- end }}
{{- define "groveEnabled" -}}
{{ or .Values.global.grove.enabled .Values.global.grove.install }}
{{- end }}
{{- define "kaiEnabled" -}}
{{ or (index .Values.global "kai-scheduler").enabled (index .Values.global "kai-scheduler").install }}
{{- end }}

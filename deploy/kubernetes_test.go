package deploy

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
)

// An object is a YAML mapping.
type object map[string]any

// at returns what lies on a path of keys and of indices, as the manifests have them.
func (o object) at(t *testing.T, path ...any) any {
	t.Helper()
	var v any = map[string]any(o)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			next, ok := v.(map[string]any)[step]
			if !ok {
				t.Fatalf("there is no %v: nothing at %q", path, step)
			}
			v = next
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

// decode returns the documents of a YAML file.
func decode(t *testing.T, text string) []object {
	t.Helper()
	var all []object
	for document := range strings.SplitSeq(text, "\n---\n") {
		o, err := yaml.Parser().Unmarshal([]byte(document))
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		all = append(all, o)
	}
	return all
}

// manifest returns the object of a kind and a name.
func manifest(t *testing.T, kind, name string) object {
	t.Helper()
	for _, o := range manifests(t) {
		if o.at(t, "kind") == kind && o.at(t, "metadata", "name") == name {
			return o
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// manifests returns everything that kubectl apply would read.
func manifests(t *testing.T) []object {
	t.Helper()
	paths, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []object
	for _, path := range paths {
		if filepath.Base(path) != "prometheus-adapter.yaml" { // values for a chart
			all = append(all, decode(t, read(t, path))...)
		}
	}
	return all
}

func TestManifestsDecode(t *testing.T) {
	var kinds []string
	for _, o := range manifests(t) {
		kinds = append(kinds, o.at(t, "apiVersion").(string)+" "+o.at(t, "kind").(string)+" "+o.at(t, "metadata", "name").(string))
	}
	slices.Sort(kinds)
	want := []string{
		"apps/v1 StatefulSet edge", "autoscaling/v2 HorizontalPodAutoscaler edge", "networking.k8s.io/v1 NetworkPolicy edge",
		"policy/v1 PodDisruptionBudget edge", "v1 ConfigMap edge", "v1 Secret edge", "v1 Service edge", "v1 Service edge-nodes",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("manifests = %q; want %q", kinds, want)
	}
}

func TestGraceOutlastsTheDrain(t *testing.T) {
	pod := manifest(t, "StatefulSet", "edge").at(t, "spec", "template", "spec").(map[string]any)
	grace := seconds(object(pod).at(t, "terminationGracePeriodSeconds"))
	wait := seconds(object(pod).at(t, "containers", 0, "lifecycle", "preStop", "sleep", "seconds"))
	if window := podWindow(t); grace < wait+window+hardStop {
		t.Errorf("terminationGracePeriodSeconds = %v; want %v more than preStop, %v, and shutdown.window, %v", grace, hardStop, wait, window)
	}
}

func TestProbesAskWhatExists(t *testing.T) {
	container := object(manifest(t, "StatefulSet", "edge").at(t, "spec", "template", "spec", "containers", 0).(map[string]any))
	docs := read(t, "../docs/operations.md")
	for probe, path := range map[string]string{
		"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready",
	} {
		if got := container.at(t, probe, "httpGet", "path"); got != path {
			t.Errorf("%s asks for %v; want %s", probe, got, path)
		}
		if got := container.at(t, probe, "httpGet", "port"); got != "internal" {
			t.Errorf("%s asks port %v; want internal", probe, got)
		}
		if !strings.Contains(docs, "`"+path+"`") {
			t.Errorf("docs/operations.md does not have %s", path)
		}
	}
}

// What is selected, mounted and referred to is there under the same name and port.
func TestManifestsAgree(t *testing.T) {
	set := manifest(t, "StatefulSet", "edge")
	labels := set.at(t, "spec", "template", "metadata", "labels").(map[string]any)
	for name, selector := range map[string]any{
		"StatefulSet":         set.at(t, "spec", "selector", "matchLabels"),
		"Service":             manifest(t, "Service", "edge").at(t, "spec", "selector"),
		"headless Service":    manifest(t, "Service", "edge-nodes").at(t, "spec", "selector"),
		"PodDisruptionBudget": manifest(t, "PodDisruptionBudget", "edge").at(t, "spec", "selector", "matchLabels"),
		"NetworkPolicy":       manifest(t, "NetworkPolicy", "edge").at(t, "spec", "podSelector", "matchLabels"),
	} {
		for key, value := range selector.(map[string]any) {
			if labels[key] != value {
				t.Errorf("%s selects %s=%v, which the pods do not have", name, key, value)
			}
		}
	}
	for _, row := range []struct{ got, want any }{
		{set.at(t, "spec", "serviceName"), manifest(t, "Service", "edge-nodes").at(t, "metadata", "name")},
		{manifest(t, "Service", "edge-nodes").at(t, "spec", "clusterIP"), "None"},
		{manifest(t, "HorizontalPodAutoscaler", "edge").at(t, "spec", "scaleTargetRef", "kind"), "StatefulSet"},
		{manifest(t, "HorizontalPodAutoscaler", "edge").at(t, "spec", "metrics", 0, "pods", "metric", "name"), "edge_connections"},
		{manifest(t, "PodDisruptionBudget", "edge").at(t, "spec", "maxUnavailable"), 1},
		{podConfig(t).at(t, "listen", "address", 0), ":8000"},
		{podConfig(t).at(t, "internal", "address"), ":9000"},
	} {
		if row.got != row.want {
			t.Errorf("got %v; want %v", row.got, row.want)
		}
	}
}

// A secret that the configuration names is in the Secret, under the file's name.
func TestSecretsAreThere(t *testing.T) {
	secrets := manifest(t, "Secret", "edge").at(t, "stringData").(map[string]any)
	for path, value := range keys(podConfig(t)) {
		if !strings.HasSuffix(path, "_file") {
			continue
		}
		if name, ok := strings.CutPrefix(value.(string), "/etc/edge/secrets/"); !ok || secrets[name] == nil {
			t.Errorf("%s: %v is not in the Secret", path, value)
		}
	}
}

// podConfig returns the configuration of the nodes in Kubernetes.
func podConfig(t *testing.T) object {
	t.Helper()
	return decode(t, manifest(t, "ConfigMap", "edge").at(t, "data", "edge.yaml").(string))[0]
}

// nodeDrain returns the delay and the window of edge.yaml.
func nodeDrain(t *testing.T) (delay, window time.Duration) {
	t.Helper()
	node := decode(t, read(t, "edge.yaml"))[0]
	return duration(t, node.at(t, "shutdown", "delay").(string)), duration(t, node.at(t, "shutdown", "window").(string))
}

func podWindow(t *testing.T) time.Duration {
	t.Helper()
	return duration(t, podConfig(t).at(t, "shutdown", "window").(string))
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// seconds is how manifests write a duration.
func seconds(v any) time.Duration { return time.Duration(v.(int)) * time.Second }

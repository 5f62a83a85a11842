package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The units are verified with a program that exists in place of edge.
func TestSystemdAccepts(t *testing.T) {
	analyze := need(t, "systemd-analyze", "systemd")
	dir := t.TempDir()
	for _, name := range []string{"edge.service", "edge.socket"} {
		text := strings.ReplaceAll(read(t, "systemd/"+name), "/usr/local/bin/edge", "/bin/true")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SYSTEMD_UNIT_PATH", dir+":") // the empty entry stands for the system's own units
	accept(t, analyze, "verify", filepath.Join(dir, "edge.service"), filepath.Join(dir, "edge.socket"))
}

// hardStop is how long a node may take beyond its delay and its window: a quarter of a second without listening, 6 s for
// clients that do not answer, 10 s for calls of an application that do not come back.
const hardStop = 17 * time.Second

// The service is not killed while it drains, with our edge.yaml and with what a node does by default.
func TestServiceOutlastsTheDrain(t *testing.T) {
	unit := settings(t, "systemd/edge.service")
	stop := duration(t, unit["TimeoutStopSec"][0]+"s")
	check := func(of string, delay, window time.Duration) {
		t.Helper()
		if stop < delay+window+hardStop {
			t.Errorf("TimeoutStopSec = %v; want %v more than delay and window of %s, %v and %v", stop, hardStop, of, delay, window)
		}
	}
	delay, window := nodeDrain(t)
	check("edge.yaml", delay, window)
	check("docs/configuration.md", defaultOf(t, "shutdown.delay"), defaultOf(t, "shutdown.window"))
}

// defaultOf returns a key's default as docs/configuration.md has it.
func defaultOf(t *testing.T, key string) time.Duration {
	t.Helper()
	m := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(key) + "` \\| duration \\| `([^`]+)` \\|").FindStringSubmatch(read(t, "../docs/configuration.md"))
	if m == nil {
		t.Fatalf("docs/configuration.md has no default of %s", key)
	}
	return duration(t, m[1])
}

func TestServiceIsHardened(t *testing.T) {
	unit := settings(t, "systemd/edge.service")
	for key, want := range map[string][]string{
		"Type":                    {"notify"},
		"NoNewPrivileges":         {"yes"},
		"ProtectSystem":           {"strict"},
		"PrivateTmp":              {"yes"},
		"CapabilityBoundingSet":   {""},
		"AmbientCapabilities":     {""},
		"RestrictAddressFamilies": {"AF_INET AF_INET6 AF_UNIX"},
		"SystemCallFilter":        {"@system-service", "~@privileged @resources"},
	} {
		if got := unit[key]; !slices.Equal(got, want) {
			t.Errorf("%s = %q; want %q", key, got, want)
		}
	}
}

// The loops' own descriptor tables need these; the filter must not take them away with a later systemd.
func TestFilterAllowsPrivateTables(t *testing.T) {
	analyze := need(t, "systemd-analyze", "systemd")
	unit := settings(t, "systemd/edge.service")
	allowed := expand(t, analyze, unit["SystemCallFilter"][0])
	for _, group := range strings.Fields(strings.TrimPrefix(unit["SystemCallFilter"][1], "~")) {
		for call := range expand(t, analyze, group) {
			delete(allowed, call)
		}
	}
	for _, call := range []string{"unshare", "close_range", "epoll_pwait", "accept4", "sendmsg", "recvfrom"} {
		if !allowed[call] {
			t.Errorf("the service may not call %s", call)
		}
	}
}

func TestSocketHasThePortsOfTheNode(t *testing.T) {
	ports := settings(t, "systemd/edge.socket")["ListenStream"]
	if want := []string{"8000", "8001", "8002", "8003"}; !slices.Equal(ports, want) {
		t.Errorf("ListenStream = %q; want %q", ports, want)
	}
	if got := decode(t, read(t, "edge.yaml"))[0].at(t, "listen", "address"); !slices.Equal(got.([]any), []any{":8000-8003"}) {
		t.Errorf("listen.address of edge.yaml = %v; want the socket's ports", got)
	}
}

// Each line of sysctl.d is a name and a value, once, with a comment above its group.
func TestSysctlsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(read(t, "sysctl.d/60-edge.conf")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, " = ")
		if !ok || value == "" || seen[name] {
			t.Errorf("%q is not the first and only setting of a value", line)
		}
		seen[name] = true
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); err != nil && !hostOnly[name] {
			t.Errorf("this kernel has no %s", name)
		}
	}
}

// hostOnly are missing where the test itself runs in a network namespace of its own.
var hostOnly = map[string]bool{"net.ipv4.tcp_mem": true, "net.ipv4.tcp_max_orphans": true}

// settings returns the values of each key of a unit, in their order.
func settings(t *testing.T, path string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(read(t, path)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			all[key] = append(all[key], value)
		}
	}
	return all
}

// expand returns the calls of a group that systemd names, and of the groups in it.
func expand(t *testing.T, analyze, group string) map[string]bool {
	t.Helper()
	out, err := exec.Command(analyze, "syscall-filter", group).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", group, err)
	}
	calls := map[string]bool{}
	for _, name := range strings.Fields(commentless(string(out)))[1:] { // the first is the group itself
		if !strings.HasPrefix(name, "@") {
			calls[name] = true
			continue
		}
		for call := range expand(t, analyze, name) {
			calls[call] = true
		}
	}
	return calls
}

// commentless returns text without lines that are comments.
func commentless(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

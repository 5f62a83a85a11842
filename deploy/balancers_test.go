package deploy

import (
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

func TestHAProxyAccepts(t *testing.T) {
	haproxy := need(t, "haproxy", "haproxy")
	t.Run("layer 4", func(t *testing.T) {
		accept(t, haproxy, "-c", "-f", "haproxy/haproxy.cfg")
	})
	t.Run("layer 7", func(t *testing.T) {
		cert, key := certificate(t)
		file := adapted(t, "haproxy/haproxy-tls.cfg", "/etc/haproxy/certs/edge.pem", save(t, "edge.pem", cert+key))
		accept(t, haproxy, "-c", "-f", file)
	})
}

// nginx binds what it would listen on, and forgives only a port in use: so it is given ports that anybody may bind.
func TestNginxAccepts(t *testing.T) {
	nginx := need(t, "nginx", "nginx libnginx-mod-stream")
	pid := "pid " + filepath.Join(t.TempDir(), "pid") + ";"
	t.Run("layer 4", func(t *testing.T) {
		file := adapted(t, "nginx/nginx-stream.conf", "listen 8000", "listen 127.0.0.1:8000")
		accept(t, nginx, "-t", "-c", file, "-g", pid)
	})
	t.Run("layer 7", func(t *testing.T) {
		cert, key := certificate(t)
		file := adapted(t, "nginx/nginx-http-tls.conf", "listen 443", "listen 127.0.0.1:8443",
			"/etc/nginx/certs/edge.crt", save(t, "edge.crt", cert), "/etc/nginx/certs/edge.key", save(t, "edge.key", key))
		accept(t, nginx, "-t", "-c", file, "-g", pid)
	})
}

// A node of ours serves until HAProxy must have noticed that it is not ready.
func TestDelayOutlastsTheChecks(t *testing.T) {
	delay, _ := nodeDrain(t)
	for _, file := range []string{"haproxy/haproxy.cfg", "haproxy/haproxy-tls.cfg"} {
		m := regexp.MustCompile(` check port 9000 inter (\w+) .* fall (\d+) `).FindStringSubmatch(read(t, file))
		if m == nil {
			t.Fatalf("%s has no checks", file)
		}
		fall, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if checks := time.Duration(fall) * duration(t, m[1]); delay <= checks {
			t.Errorf("shutdown.delay of edge.yaml = %v; want more than the checks of %s take, %v", delay, file, checks)
		}
	}
}

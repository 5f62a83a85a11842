package deploy

import (
	"path/filepath"
	"testing"
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

package config

import (
	"slices"
	"strings"
	"testing"
)

// Every kind of mistake in a file, with what is said of it.
func TestMistakesInFiles(t *testing.T) {
	for _, r := range []struct {
		name, content string
		want          []string
	}{
		// names
		{"edge.yaml", "client: {ping_intervall: 25s}", []string{"client.ping_intervall: unknown key; did you mean client.ping_interval?"}},
		{"edge.yaml", "ping_interval: 25s", []string{"ping_interval: unknown key; did you mean client.ping_interval?"}},
		{"edge.yaml", "clinet: {ping_interval: 25s}", []string{"clinet: unknown key; did you mean client?"}},
		{"edge.yaml", "client: {Ping_Interval: 25s}", []string{"client.Ping_Interval: unknown key; did you mean client.ping_interval?"}},
		{"edge.yaml", "room: {without_namespace: {histroy_size: 5}}", []string{"room.without_namespace.histroy_size: unknown key; did you mean room.without_namespace.history_size?"}},
		{"edge.yaml", "quux: 1", []string{"quux: unknown key; edge configdoc lists all"}},
		{"edge.yaml", "client.ping_interval: 25s", []string{"client.ping_interval: has a dot in its name; write ping_interval in a section of its own"}},
		{"edge.yaml", `"a\nb": 1`, []string{`"a\nb": unknown key; edge configdoc lists all`}},
		{"edge.yaml", `"": 1`, []string{`"": unknown key; edge configdoc lists all`}},
		{"edge.yaml", "1: 2", []string{"1: unknown key; edge configdoc lists all"}},

		// types
		{"edge.yaml", "client: 5", []string{"client: what it has is not a section; write its keys with their values"}},
		{"edge.yaml", "client: [ping_interval]", []string{"client: a list is not a section; write its keys with their values"}},
		{"edge.yaml", "log: 5", []string{"log: 5 is not a section; write its keys with their values"}},
		{"edge.yaml", "log: {level: }", []string{"log.level: has no value; write debug, info, warn or error, or leave the key out"}},
		{"edge.yaml", "development: 1", []string{"development: 1 is not a bool; write true or false"}},
		{"edge.yaml", `development: "true"`, []string{`development: "true" is not a bool; write true or false`}},
		{"edge.yaml", "reactor: {loops: many}", []string{`reactor.loops: "many" is not a whole number; write 0 for one for each CPU, or 1 to 256`}},
		{"edge.yaml", "reactor: {loops: 1.5}", []string{"reactor.loops: 1.5 is not a whole number; write 0 for one for each CPU, or 1 to 256"}},
		{"edge.yaml", "reactor: {loops: {}}", []string{"reactor.loops: a section is not a whole number; write 0 for one for each CPU, or 1 to 256"}},
		{"edge.json", `{"reactor": {"loops": 1.5}}`, []string{"reactor.loops: 1.5 is not a whole number; write 0 for one for each CPU, or 1 to 256"}},
		{"edge.toml", "reactor.private_fd_tables = true", []string{"reactor.private_fd_tables: true is not one of the choices; write auto, on or off"}},
		{"edge.toml", "shutdown.window = 07:00:00", []string{"shutdown.window: 07:00:00 is not a duration; write a time such as 30s, or 0s"}},
		{"edge.yaml", "client: {ping_interval: 25}", []string{"client.ping_interval: 25 is not a duration; write whole seconds, as 25s, or 0s for none"}},
		{"edge.yaml", "client: {queue_max_size: 1 MB}", []string{`client.queue_max_size: "1 MB" is not a size; write a size as 65536, 64KiB or 16MiB, below 2GiB`}},
		{"edge.yaml", "log: {level: loud}", []string{`log.level: "loud" is not one of the choices; write debug, info, warn or error`}},
		{"edge.yaml", "listen: {address: [8000]}", []string{"listen.address: a list is not a list of strings; write host:port, host:first-last or unix:path"}},
		{"edge.yaml", "history: {store: {path: 5}}", []string{"history.store.path: 5 is not a string; write the path of a file"}},

		// ranges
		{"edge.yaml", "reactor: {loops: 257}", []string{"reactor.loops: 257 is out of range; write 0 for one for each CPU, or 1 to 256"}},
		{"edge.yaml", "reactor: {loops: -1}", []string{"reactor.loops: -1 is out of range; write 0 for one for each CPU, or 1 to 256"}},
		{"edge.yaml", "client: {room_limit: 0}", []string{"client.room_limit: 0 is out of range; write 1 or more"}},
		{"edge.yaml", "client: {message_size_limit: 2GiB}", []string{`client.message_size_limit: "2GiB" is out of range; write a size as 65536, 64KiB or 16MiB, below 2GiB`}},
		{"edge.yaml", "client: {message_size_limit: 0}", []string{"client.message_size_limit: 0 is out of range; write a size as 65536, 64KiB or 16MiB, below 2GiB"}},
		{"edge.yaml", "client: {ping_interval: 1500ms}", []string{`client.ping_interval: "1500ms" is not a multiple of 1s; write whole seconds, as 25s, or 0s for none`}},
		{"edge.yaml", "client: {ping_interval: -1s}", []string{`client.ping_interval: "-1s" is out of range; write whole seconds, as 25s, or 0s for none`}},
		{"edge.yaml", "client: {pong_timeout: 0}", []string{"client.pong_timeout: 0 is out of range; write a time from 100ms to 24h, as 10s"}},
		{"edge.yaml", "history: {memory_limit: -1}", []string{"history.memory_limit: -1 is out of range; write auto, a size as 4GiB, or 0 for no limit"}},
		{"edge.yaml", "shutdown: {window: 25h}", []string{`shutdown.window: "25h" is out of range; write a time such as 30s, or 0s`}},
		{"edge.yaml", "listen: {address: []}", []string{"listen.address: a list is empty; write host:port, host:first-last or unix:path"}},
		{"edge.yaml", "listen: {address: here}", []string{`listen.address: "here" has "here", which is not an address; write host:port, host:first-last or unix:path`}},
		{"edge.yaml", `listen: {address: [":9-8"]}`, []string{`listen.address: a list has ":9-8", which is not an address; write host:port, host:first-last or unix:path`}},
		{"edge.yaml", `listen: {address: ":65536"}`, []string{`listen.address: ":65536" has ":65536", which is not an address; write host:port, host:first-last or unix:path`}},
		{"edge.yaml", `listen: {address: "unix:"}`, []string{`listen.address: "unix:" has "unix:", which names no path; write host:port, host:first-last or unix:path`}},
		{"edge.yaml", `internal: {address: "9000"}`, []string{`internal.address: "9000" is not an address; write host:port`}},
		{"edge.yaml", `room: {without_namespace: {channel_regex: "[a"}}`, []string{`room.without_namespace.channel_regex: "[a" is not a regular expression: missing closing ]; write a regular expression in the syntax of RE2`}},
		{"edge.yaml", "room: {without_namespace: {publication_data_format: xml}}", []string{`room.without_namespace.publication_data_format: "xml" is not one of the choices; write "", json, json_object or binary`}},

		{"edge.yaml", "listen: {proxy_protocol: {trusted: [10.0.0.0/33]}}", []string{`listen.proxy_protocol.trusted: a list has "10.0.0.0/33", which is not a network; write networks as 10.0.0.0/8, or addresses`}},
		{"edge.yaml", "client: {allowed_origins: [example.com]}", []string{`client.allowed_origins: a list has "example.com", which is not an origin; write origins as https://example.com, https://*.example.com, self or *`}},
		{"edge.yaml", "client: {allowed_origins: []}", []string{"client.allowed_origins: a list is empty; write origins as https://example.com, https://*.example.com, self or *"}},
		{"edge.yaml", "client: {memory_budget: much}", []string{`client.memory_budget: "much" is not a size; write auto, a size as 4GiB, or 0 for no limit`}},
		{"edge.yaml", "client: {connection_rate_limit: 0.5}", []string{"client.connection_rate_limit: 0.5 is not a whole number; write 1 or more, or 0 for no limit"}},
		{"edge.yaml", "listen: {tls: {min_version: 1.1}}", []string{"listen.tls.min_version: 1.1 is not a version that may be the least; write 1.2 or 1.3"}},
		{"edge.yaml", "client: {token: {hmac_previous_until: tomorrow}}", []string{`client.token.hmac_previous_until: "tomorrow" is not a time; write a time such as 2030-01-31T12:00:00Z`}},
		{"edge.toml", "client.token.hmac_previous_until = 1030-01-31T12:00:00Z", []string{"client.token.hmac_previous_until: 1030-01-31 12:00:00 +0000 UTC is out of range; write a time such as 2030-01-31T12:00:00Z"}},
		{"edge.yaml", "client: {token: {jwks_public_endpoint: 'http://keys.example'}}", []string{`client.token.jwks_public_endpoint: is not an https address; write an address such as https://issuer.example/keys`}},
		{"edge.yaml", "hooks: {connect: {forward_headers: [Host]}}", []string{`hooks.connect.forward_headers: a list has "Host", which is not the name of a header that may be forwarded; write names of headers`}},

		// entries
		{"edge.yaml", "client: {token: {jwks: {issuer: a}}}", []string{"client.token.jwks: a section is not a list; write entries, each with issuer, endpoint, allow_http"}},
		{"edge.yaml", "client: {token: {jwks: [5]}}", []string{"client.token.jwks[0]: 5 is not a section; write issuer, endpoint, allow_http"}},
		{"edge.yaml", "client: {token: {jwks: [{isuer: a, endpoint: 'https://a.example'}]}}", []string{"client.token.jwks[0].isuer: unknown key; did you mean issuer?"}},
		{"edge.yaml", "listen: {tls: {certificates: [{cert_file: 5}, {key_file: b}]}}", []string{"listen.tls.certificates[0].cert_file: 5 is not a string; write the path of a file"}},

		// namespaces
		{"edge.yaml", "room: {namespaces: {chat: {}}}", []string{"room.namespaces: a section is not a list; write entries, each with a name"}},
		{"edge.yaml", "room: {namespaces: [chat]}", []string{`room.namespaces[0]: "chat" is not a section; write a name and options`}},
		{"edge.yaml", "room: {namespaces: [{presence: true}]}", []string{"room.namespaces[0].name: missing; write how the names of its rooms begin"}},
		{"edge.yaml", "room: {namespaces: [{name: a}]}", []string{`room.namespaces[0].name: "a" is not a name; write two or more letters, digits, hyphens or underscores`}},
		{"edge.yaml", `room: {namespaces: [{name: "a:b"}]}`, []string{`room.namespaces[0].name: "a:b" is not a name; write two or more letters, digits, hyphens or underscores`}},
		{"edge.yaml", "room: {namespaces: [{name: 12}]}", []string{"room.namespaces[0].name: 12 is not a name; write two or more letters, digits, hyphens or underscores"}},
		{"edge.yaml", "room: {namespaces: [{name: chat}, {name: chat}]}", []string{"room.namespaces[chat]: a second namespace of this name; write each once"}},
		{"edge.yaml", "room: {namespaces: [{name: chat, presenc: true}]}", []string{"room.namespaces[chat].presenc: unknown key; did you mean presence?"}},
		{"edge.yaml", "room: {namespaces: [{nam: chat}]}", []string{
			"room.namespaces[0].name: missing; write how the names of its rooms begin",
			"room.namespaces[0].nam: unknown key; did you mean name?"}},
		{"edge.yaml", "room: {without_namespace: {typing_ttl: 2562047h}}", []string{`room.without_namespace.typing_ttl: "2562047h" is out of range; write a time from 100ms on, as 30s`}},
		{"edge.yaml", "room: {namespaces: [{name: chat, history_size: -1}]}", []string{"room.namespaces[chat].history_size: -1 is out of range; write 0 or more"}},
		{"edge.toml", "[[room.namespaces]]\nname = 'chat'\n[[room.namespaces]]\nname = 'news'\ntyping_ttl = '1ms'", []string{`room.namespaces[news].typing_ttl: "1ms" is out of range; write a time from 100ms on, as 30s`}},

		// files
		{"edge.yaml", "a: [", []string{"FILE: yaml: line 1: did not find expected node content"}},
		{"edge.yaml", "log: {level: info}\nlog: {level: warn}\n", []string{`FILE: yaml: unmarshal errors: line 2: mapping key "log" already defined at line 1`}},
		{"edge.yaml", "# first\n---\nlog: {level: info}\n---\nlog: {level: warn}\n", []string{"FILE: line 5 begins a second document; write one"}},
		{"edge.yml", "log: {level: info}\n...\nlog: {level: warn}\n", []string{"FILE: line 3 begins a second document; write one"}},
		{"edge.json", `{"log": {"level": "info", "level": "warn"}}`, []string{`FILE: "level" stands twice in one object, the second time before byte 33; write it once`}},
		{"edge.json", `{"room": {"namespaces": [{}, {"name": 1, "name": 2}]}}`, []string{`FILE: "name" stands twice in one object, the second time before byte 47; write it once`}},
		{"edge.json", `{"log": `, []string{"FILE: line 1: unexpected end of JSON input"}},
		{"edge.json", "{\n\"log\": x\n}", []string{"FILE: line 2: invalid character 'x' looking for beginning of value"}},
		{"edge.json", `{} {}`, []string{"FILE: line 1: invalid character '{' after top-level value"}},
		{"edge.json", ``, []string{"FILE: line 1: unexpected end of JSON input"}},
		{"edge.toml", "a = 1\na = 2", []string{"FILE: toml: key a is already defined"}},
		{"edge.toml", "[log]\nlevel = \n", []string{"FILE: line 2: toml: incomplete number"}},
		{"edge.conf", "a = 1", []string{"FILE: its format is not known; write a name that ends in .yaml, .yml, .json or .toml"}},
	} {
		got := complaints(t, Sources{File: file(t, r.name, r.content)})
		if !slices.Equal(got, r.want) {
			t.Errorf("%s with %s:\n%s\nwant\n%s", r.name, r.content, strings.Join(got, "\n"), strings.Join(r.want, "\n"))
		}
	}
}

func TestNoFile(t *testing.T) {
	for name, want := range map[string]string{"nowhere.yaml": "FILE: no such file or directory", "": "FILE: its format is not known; write a name that ends in .yaml, .yml, .json or .toml"} {
		if got := complaints(t, Sources{File: t.TempDir() + "/" + name}); !slices.Equal(got, []string{want}) {
			t.Errorf("file %q: %q; want %q", name, got, want)
		}
	}
}

// Options of rooms that contradict each other, wherever they stand.
func TestContradictions(t *testing.T) {
	for _, r := range []struct {
		options string
		want    []string
	}{
		{"history_size: 5", []string{"history_ttl: 0s beside a history_size keeps nothing; write a time such as 10m"}},
		{"history_ttl: 5m", []string{"history_size: 0 beside a history_ttl keeps nothing; write a number such as 100"}},
		{"history_size: 5, history_ttl: soon", []string{`history_ttl: "soon" is not a duration; write a time such as 10m, or 0s`}},
		{"kind: latest", []string{"kind: latest rooms keep their newest publication; write history_size: 1 and a history_ttl such as 24h"}},
		{"kind: latest, history_size: 1", []string{"history_ttl: 0s beside a history_size keeps nothing; write a time such as 10m"}},
		{"kind: durable", []string{"kind: durable rooms need history; write history_size and history_ttl, such as 1000 and 24h"}},
		{"kind: ephemeral, history_size: 5, history_ttl: 5m", []string{"kind: ephemeral rooms have no history; write kind: stream, or leave history_size and history_ttl out"}},
		{"force_recovery: true", []string{"force_recovery: needs history; write history_size and history_ttl, such as 100 and 10m"}},
		{"allow_recovery: true, auto_cache_recover: true", []string{
			"allow_recovery: needs history; write history_size and history_ttl, such as 100 and 10m",
			"auto_cache_recover: needs history; write history_size and history_ttl, such as 100 and 10m"}},
		{"join_leave: true", []string{"join_leave: needs presence; write presence: true"}},
		{"join_leave: true, presence: maybe", []string{`presence: "maybe" is not a bool; write true or false`}},
		{"presence: true, force_push_join_leave: true", []string{"force_push_join_leave: needs join_leave; write join_leave: true"}},
		{"presence_grace: 5s", []string{"presence_grace: needs presence; write presence: true"}},
		{"store: true", []string{
			"store: needs history; write history_size and history_ttl, such as 100 and 10m",
			"store: needs a store; write history.store.enabled: true, which takes a restart"}},
	} {
		for section, content := range map[string]string{
			"room.without_namespace": "room: {without_namespace: {" + r.options + "}}",
			"room.namespaces[chat]":  "room: {namespaces: [{name: chat, " + r.options + "}]}",
		} {
			want := mapped(r.want, func(s string) string { return section + "." + s })
			if got := complaints(t, Sources{File: file(t, "edge.yaml", content)}); !slices.Equal(got, want) {
				t.Errorf("%s:\n%s\nwant\n%s", content, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

func TestStoreNeedsAPath(t *testing.T) {
	got := complaints(t, Sources{File: file(t, "edge.yaml", "history: {store: {enabled: true}}")})
	if want := "history.store.path: missing; write the path of a file"; !slices.Equal(got, []string{want}) {
		t.Errorf("a store without a path: %q; want %q", got, want)
	}
}

// Keys that contradict each other outside rooms.
func TestRefusedCombinations(t *testing.T) {
	key := strings.Repeat("k", 32)
	for _, r := range []struct{ content, want string }{
		{"listen: {tls: {enabled: true}}", "listen.tls.cert_file: missing; write the path of a certificate, and that of its key as key_file"},
		{"listen: {tls: {cert_file: a.pem}}", "listen.tls.key_file: missing beside a cert_file; write the path of its private key"},
		{"listen: {tls: {key_file: a.pem}}", "listen.tls.cert_file: missing beside a key_file; write the path of its certificate"},
		{"listen: {tls: {cert_file: a, key_file: b, certificates: [{cert_file: a, key_file: b}]}}", "listen.tls.certificates: stands beside cert_file and key_file; write one of the two"},
		{"listen: {tls: {certificates: [{cert_file: a}]}}", "listen.tls.certificates[0]: lacks a file; write cert_file and key_file"},
		{"listen: {tls: {client_certs: optional}}", "listen.tls.client_ca_file: missing; write the path of the certificates that may sign those of clients"},
		{"listen: {proxy_protocol: {enabled: true}}", "listen.proxy_protocol.trusted: missing; write the networks of the proxies, as 10.0.0.0/28"},

		{"internal: {address: ':9000'}", "internal.address: beyond the loopback the HTTP API needs a key; write api.key, or an address as 127.0.0.1:9000"},
		{"development: true\ninternal: {address: '10.0.0.1:9000'}", "internal.address: beyond the loopback the HTTP API needs a key; write api.key, or an address as 127.0.0.1:9000"},
		{"internal: {address: ':9000'}\napi: {key: k}", ""},
		{"internal: {address: 'localhost:9000'}", ""},
		{"internal: {address: '[::1]:9000'}", ""},
		{"api: {key: a b}", "api.key: has a character that no header has, or a space; write letters and digits, as edge genconfig makes them"},

		{"client: {token: {hmac_previous_secret_key: " + key + "}}", "client.token.hmac_secret_key: missing beside a previous one; write 32 or more random bytes, as edge genconfig makes them"},
		{"client: {token: {hmac_secret_key: " + key + ", hmac_previous_secret_key: " + key + "}}", "client.token.hmac_previous_until: missing beside a previous secret; write until when that is good, as 2030-01-31T12:00:00Z"},
		{"client: {token: {hmac_secret_key: " + key + ", hmac_previous_secret_key: " + key + ", hmac_previous_until: 2030-01-31T12:00:00Z}}", ""},
		{"client: {token: {issuer: a, issuer_regex: a}}", "client.token.issuer: stands beside issuer_regex; write one of them"},
		{"client: {token: {jwks: [{endpoint: 'https://a.example'}, {issuer: b, endpoint: 'https://b.example'}]}}", `client.token.jwks: JWKS endpoint "https://a.example" beside other public keys; say whose it is`},
		{"client: {subscription_token: {enabled: true}}", "client.subscription_token.enabled: but no key under client.subscription_token could check a token; write one, as hmac_secret_key"},
		{"client: {subscription_token: {enabled: true, hmac_secret_key: " + key + "}}", ""},
		{"client: {subscribe_to_user_personal_channel: {personal_channel_namespace: news}}", `client.subscribe_to_user_personal_channel.personal_channel_namespace: "news" is no namespace; write the name of one under room.namespaces`},

		{"hooks: {rpc: {previous_secret: " + key + "}}", "hooks.rpc.secret: missing beside a previous one; write 16 or more random bytes"},
		{"hooks: {rpc: {url: 'http://app', ca_file: ca.pem}}", "hooks.rpc.ca_file: is for a URL that begins with https; leave it out"},
	} {
		got := strings.Join(complaints(t, Sources{File: file(t, "edge.yaml", r.content)}), "\n")
		if got != r.want {
			t.Errorf("%s:\n%s\nwant\n%s", r.content, got, r.want)
		}
	}
}

func TestA16InsecureIsForDevelopment(t *testing.T) {
	for _, r := range []struct{ content, want string }{
		{"api: {insecure: true}", "api.insecure: only for development: true; write false, and an api.key"},
		{"development: true\napi: {insecure: true}", ""},
		{"development: true\napi: {insecure: true}\ninternal: {address: '0.0.0.0:9000'}", "api.insecure: only while internal.address is on the loopback; write false, and an api.key"},
	} {
		got := strings.Join(complaints(t, Sources{File: file(t, "edge.yaml", r.content)}), "\n")
		if got != r.want {
			t.Errorf("%s:\n%s\nwant\n%s", r.content, got, r.want)
		}
	}
}

// Variables and flags are named beside the key that they are for.
func TestMistakesElsewhere(t *testing.T) {
	for _, r := range []struct {
		environ []string
		flags   map[string]string
		want    string
	}{
		{[]string{"EDGE_CLIENT_PING_INTERVALL=25s"}, nil, "EDGE_CLIENT_PING_INTERVALL: unknown variable; did you mean EDGE_CLIENT_PING_INTERVAL?"},
		{[]string{"EDGE_CONFG=x"}, nil, "EDGE_CONFG: unknown variable; did you mean EDGE_CONFIG?"},
		{[]string{"EDGE_QUUX=1"}, nil, "EDGE_QUUX: unknown variable; edge configdoc lists all"},
		{[]string{"EDGE_\n=1"}, nil, `"EDGE_\n": unknown variable; edge configdoc lists all`},
		{[]string{"EDGE_SERVICE_HOST=10.0.0.1"}, nil, "EDGE_SERVICE_HOST: unknown variable; if Kubernetes has set it for a service, write enableServiceLinks: false"},
		{[]string{"EDGE_PORT_8000_TCP=tcp://10.0.0.1:8000"}, nil, "EDGE_PORT_8000_TCP: unknown variable; if Kubernetes has set it for a service, write enableServiceLinks: false"},
		{[]string{"EDGE_CLIENT_PING_INTERVAL=25"}, nil, `client.ping_interval (EDGE_CLIENT_PING_INTERVAL): "25" is not a duration; write whole seconds, as 25s, or 0s for none`},
		{[]string{"EDGE_DEVELOPMENT=yes"}, nil, `development (EDGE_DEVELOPMENT): "yes" is not a bool; write true or false`},
		{[]string{"EDGE_REACTOR_LOOPS="}, nil, `reactor.loops (EDGE_REACTOR_LOOPS): "" is not a whole number; write 0 for one for each CPU, or 1 to 256`},
		{[]string{"EDGE_LISTEN_ADDRESS= "}, nil, `listen.address (EDGE_LISTEN_ADDRESS): " " is empty; write host:port, host:first-last or unix:path`},
		{[]string{"EDGE_ROOM_NAMESPACES=chat"}, nil, `room.namespaces (EDGE_ROOM_NAMESPACES): "chat" is not a list; write entries, each with a name`},
		{[]string{`EDGE_ROOM_NAMESPACES=[{"name":"chat","kind":5}]`}, nil, "room.namespaces[chat].kind (EDGE_ROOM_NAMESPACES): 5 is not one of the choices; write stream, ephemeral, latest or durable"},
		{[]string{`EDGE_ROOM_NAMESPACES=[{"name":"chat","name":"news"}]`}, nil, `room.namespaces (EDGE_ROOM_NAMESPACES): "[{\"name\":\"chat\",\"name\":\"news\"}]" is not a list; write entries, each with a name`},
		{nil, map[string]string{"reactor.loops": "257"}, `reactor.loops (--loops): "257" is out of range; write 0 for one for each CPU, or 1 to 256`},
		{nil, map[string]string{"development": "1"}, `development (--development): "1" is not a bool; write true or false`},
	} {
		if got := complaints(t, Sources{Environ: r.environ, Flags: r.flags}); !slices.Equal(got, []string{r.want}) {
			t.Errorf("%q, flags %q: %q; want %q", r.environ, r.flags, got, r.want)
		}
	}
}

// One load reports all that is wrong, even where a later source has the last word.
func TestAllMistakesAtOnce(t *testing.T) {
	got := complaints(t, Sources{
		File:    file(t, "edge.yaml", "client: {ping_interval: 5, pingg: 1}\nlog: {level: loud}\nroom: {without_namespace: {store: true}}"),
		Environ: []string{"EDGE_LOG_LEVEL=quiet", "EDGE_CLIENT_PING_INTERVAL=5s"},
		Flags:   map[string]string{"reactor.loops": "x"},
	})
	var where []string
	for _, line := range got {
		where = append(where, line[:strings.Index(line, ": ")])
	}
	want := []string{
		"client.ping_interval", "client.pingg", "log.level", "log.level (EDGE_LOG_LEVEL)", "reactor.loops (--loops)",
		"room.without_namespace.store", "room.without_namespace.store",
	}
	if !slices.Equal(where, want) {
		t.Errorf("complaints\n%s\nwant them about %q", strings.Join(got, "\n"), want)
	}
}

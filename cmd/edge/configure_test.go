package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configFile writes a configuration file and returns where it is.
func configFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edge.yaml")
	writeFile(t, path, content)
	return path
}

// writeFile gives the file at path a new content.
func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckConfig(t *testing.T) {
	fine := configFile(t, "client: {ping_interval: 10s}")
	if code, out, complaint := run(t, "checkconfig", fine); code != 0 || out != fine+": fine\n" || complaint != "" {
		t.Errorf("checkconfig of a good file = %d, %q, %q", code, out, complaint)
	}
	bad := configFile(t, "client: {ping_intervall: 10s}\nlog: {level: loud}")
	code, out, complaint := run(t, "checkconfig", bad)
	const want = "edge: client.ping_intervall: unknown key; did you mean client.ping_interval?\n" +
		`edge: log.level: "loud" is not one of the choices; write debug, info, warn or error` + "\n"
	if code != exitUsage || out != "" || complaint != want {
		t.Errorf("checkconfig of a bad file = %d, %q, %q; want %d and %q", code, out, complaint, exitUsage, want)
	}
}

// Each command has --json, but for those that only hold others, for serve, whose log is JSON where nobody watches, and for help and
// completion, whose output is for people and for shells.
func TestEachCommandHasJSON(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.Runnable() && c.Name() != "edge" && c.Name() != "serve" && c.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(rootCommand())
}

// What the commands around configuration print with --json is one object of theirs.
func TestConfigurationInJSON(t *testing.T) {
	bad := configFile(t, "client: {ping_intervall: 10s}")
	made := filepath.Join(t.TempDir(), "made.yaml")
	for _, r := range []struct {
		args []string
		code int
		want string // of the object, which may have more behind it
	}{
		{[]string{"genconfig", made}, 0, `{"file":"` + made + `"}`},
		{[]string{"checkconfig", made}, 0, `{"file":"` + made + `","good":true}`},
		{[]string{"checkconfig", bad}, exitUsage, `{"file":"` + bad + `","good":false,"problems":[{"key":"client.ping_intervall","what":"unknown key; did you mean client.ping_interval?"}]}`},
		{[]string{"configdoc"}, 0, `{"keys":[{"path":"development","type":"bool","default":"false","reload":false,"flag":"development","meaning":"`},
		{[]string{"configdoc", "--effective", "--config", made}, 0, `{"keys":[{"path":"development","value":"false","from":"default"},`},
		{[]string{"version"}, 0, `{"version":"` + version() + `","commit":"`},
	} {
		code, out, _ := run(t, append(r.args, "--json")...)
		if code != r.code || !strings.HasPrefix(out, r.want) || !json.Valid([]byte(out)) || strings.Count(out, "\n") != 1 {
			t.Errorf("%q = %d, %s; want %d, %s", r.args, code, out, r.code, r.want)
		}
	}
	code, out, complaint := run(t, "defaultconfig", "--json")
	file := filepath.Join(t.TempDir(), "edge.json")
	writeFile(t, file, out)
	if again, _, mistakes := run(t, "checkconfig", file); code != 0 || again != 0 {
		t.Errorf("defaultconfig --json = %d, %s; as a file %s", code, complaint, mistakes)
	}
}

// Serve refuses what checkconfig refuses, wherever its name comes from.
func TestServeRefusesABadFile(t *testing.T) {
	bad := configFile(t, "quux: 1")
	const want = "edge: quux: unknown key; edge configdoc lists all\n"
	for _, args := range [][]string{{"--config", bad}, {"serve", "--config", bad}, {"configdoc", "--effective", "--config", bad}} {
		if code, out, complaint := run(t, args...); code != exitUsage || out != "" || complaint != want {
			t.Errorf("edge %q = %d, %q, %q; want %d and %q", args, code, out, complaint, exitUsage, want)
		}
	}
	cmd := edge("serve")
	cmd.Env = append(cmd.Env, "EDGE_CONFIG="+bad)
	out, _ := cmd.CombinedOutput() // the status says it
	if code := cmd.ProcessState.ExitCode(); code != exitUsage || string(out) != want {
		t.Errorf("edge serve with EDGE_CONFIG = %d, %q; want %d and %q", code, out, exitUsage, want)
	}
}

// What defaultconfig prints is a good file, and configdoc the page in docs.
func TestPrintedConfigurations(t *testing.T) {
	code, out, complaint := run(t, "defaultconfig")
	if code != 0 || complaint != "" {
		t.Fatalf("defaultconfig = %d, %q", code, complaint)
	}
	if code, _, complaint := run(t, "checkconfig", configFile(t, out)); code != 0 {
		t.Errorf("the printed defaults are not fine: %s", complaint)
	}
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if code, out, complaint := run(t, "configdoc"); code != 0 || out != string(page) {
		t.Errorf("configdoc = %d, %q, and is not docs/configuration.md", code, complaint)
	}
}

func TestConfigDocEffective(t *testing.T) {
	path := configFile(t, "client: {ping_interval: 10s}")
	cmd := edge("configdoc", "--effective", "--config", path)
	cmd.Env = append(cmd.Env, "EDGE_LOG_LEVEL=warn")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"client.ping_interval": "10s " + path,
		"log.level":            "warn EDGE_LOG_LEVEL",
		"log.format":           "auto default",
	} {
		if got := effective(out, key); got != want {
			t.Errorf("configdoc --effective has %s %q; want %q", key, got, want)
		}
	}
}

// effective returns value and origin of a key.
func effective(table []byte, key string) string {
	for line := range bytes.Lines(table) {
		if fields := strings.Fields(string(line)); fields[0] == key {
			return strings.Join(fields[1:], " ")
		}
	}
	return ""
}

// Flags that are given become sources, those that are not do not; a list may come in parts.
func TestFlagsAreSources(t *testing.T) {
	var from sourceFlags
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	from.addFile(flags)
	from.addKeys(flags)
	err := flags.Parse([]string{"--address=:1", "--address", ":2,:3", "--loops=2", "--loops=3", "--development", "--config=edge.toml"})
	want := map[string]string{"listen.address": ":1,:2,:3", "reactor.loops": "3", "development": "true"}
	if got := from.sources(); err != nil || got.File != "edge.toml" || !maps.Equal(got.Flags, want) {
		t.Errorf("sources() = %+v, %v; want the flags %v", got, err, want)
	}
}

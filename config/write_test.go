package config

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// written returns c as a YAML file.
func written(t testing.TB, c *Config) string { return writtenKeys(t, c, keys) }

// writtenShort is written without what is as by default, which is faster to read.
func writtenShort(t testing.TB, c *Config) string {
	plain := defaults()
	return writtenKeys(t, c, slices.DeleteFunc(slices.Clone(keys), func(k key[settings]) bool { return k.same(&c.settings, &plain) }))
}

func writtenKeys(t testing.TB, c *Config, keys []key[settings]) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeYAML(&b, keys, &c.settings); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// checkLines fails t if a problem takes more than one line or names nothing.
func checkLines(t testing.TB, ps Problems) {
	t.Helper()
	for _, p := range ps {
		if strings.ContainsAny(p.Error(), "\n\r\x00") || p.Key == "" || p.What == "" {
			t.Fatalf("a problem reads %q", p.Error())
		}
	}
}

// The written defaults load, say nothing new, and name every key.
func TestWriteDefaults(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDefaults(&b); err != nil {
		t.Fatal(err)
	}
	c := load(t, b.String())
	if !reflect.DeepEqual(c.settings, defaults()) {
		t.Errorf("the written defaults give %+v; want %+v", c.settings, defaults())
	}
	for _, k := range keys {
		if c.origin(k.Path) != c.File {
			t.Errorf("%s is not among the written defaults", k.Path)
		}
	}
	if n := strings.Count(b.String(), "\nroom:\n"); n != 1 {
		t.Errorf("the section room is written %d times", n)
	}
}

// So are they as JSON.
func TestWriteDefaultsJSON(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDefaultsJSON(&b); err != nil {
		t.Fatal(err)
	}
	if c := loadFrom(t, Sources{File: file(t, "edge.json", b.String())}); !reflect.DeepEqual(c.settings, defaults()) {
		t.Errorf("the written defaults give %+v; want %+v", c.settings, defaults())
	}
}

// What is set is written so that it loads to the same.
func TestWrittenSettingsLoad(t *testing.T) {
	for name, content := range forms {
		c := loadFrom(t, Sources{File: file(t, name, content)})
		if again := load(t, written(t, c)); !reflect.DeepEqual(again.settings, c.settings) {
			t.Errorf("%s is written as\n%s", name, written(t, c))
		}
	}
}

func TestReferenceIsUpToDate(t *testing.T) {
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != string(page) {
		t.Error("docs/configuration.md is not what the keys say; run make docs")
	}
}

func TestExampleLoads(t *testing.T) {
	n := load(t, example).Server()
	if !n.Access.Anonymous || len(n.Addresses) != 2 || len(n.Rooms.Namespaces) != 2 || n.Rooms.Namespaces[0].HistorySize != 100 {
		t.Errorf("the example gives %+v", n)
	}
}

func TestWriteEffective(t *testing.T) {
	c := loadFrom(t, Sources{
		File:    file(t, "edge.yaml", "client: {ping_interval: 10s}\nroom: {namespaces: [{name: chat, presence: true}]}"),
		Environ: []string{"EDGE_LOG_LEVEL=warn"},
		Flags:   map[string]string{"listen.address": ":1,:2"},
	})
	var b bytes.Buffer
	if err := c.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.Join(strings.Fields(strings.ReplaceAll(line, c.File, "FILE")), " "))
	}
	for _, want := range []string{
		"KEY VALUE FROM",
		"development false default",
		`listen.address [":1", ":2"] --address`,
		"client.ping_interval 10s FILE",
		"log.level warn EDGE_LOG_LEVEL",
		"room.namespaces [{name: chat, presence: true}] FILE",
		"room.without_namespace.kind stream default",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("configdoc --effective lacks %q:\n%s", want, b.String())
		}
	}
	if len(lines) != len(keys)+1 {
		t.Errorf("configdoc --effective has %d lines; want a head and %d", len(lines), len(keys))
	}
}

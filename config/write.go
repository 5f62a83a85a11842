package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/knadh/koanf/parsers/yaml"
)

// WriteDefaults writes a YAML file with every key, its meaning and its default. Loading it changes nothing.
func WriteDefaults(w io.Writer) error {
	d := defaults()
	return writeYAML(w, keys, &d)
}

// WriteDefaultsJSON is WriteDefaults for a JSON file, which has no room for meanings.
func WriteDefaultsJSON(w io.Writer) error {
	var b bytes.Buffer
	if err := WriteDefaults(&b); err != nil {
		return err
	}
	tree, err := yaml.Parser().Unmarshal(b.Bytes())
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(tree)
}

// writeYAML writes a file that says what s has for some keys, which stand section by section.
func writeYAML(w io.Writer, keys []key[settings], s *settings) error {
	var b bytes.Buffer
	var open []string
	for _, k := range keys {
		in := strings.Split(k.Path, separator)
		in = in[:len(in)-1]
		writeSections(&b, open, in)
		open = in
		indent := strings.Repeat("  ", len(in))
		fmt.Fprintf(&b, "%s# %s\n%s%s: %s\n", indent, plain(k.Meaning), indent, last(k.Path), k.text(s))
	}
	_, err := b.WriteTo(w)
	return err
}

// writeSections writes the names of the sections in which the next key stands, but for those that are open.
func writeSections(b *bytes.Buffer, open, in []string) {
	depth := 0
	for depth < min(len(open), len(in)) && open[depth] == in[depth] {
		depth++
	}
	for ; depth < len(in); depth++ {
		if depth == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "%s%s:\n", strings.Repeat("  ", depth), in[depth])
	}
}

// plain returns a meaning without its marks.
func plain(meaning string) string { return strings.ReplaceAll(meaning, "`", "") }

// Setting is what holds for one key.
type Setting struct {
	Path  string `json:"path"`
	Value string `json:"value"` // as YAML; of a secret only whether it is set
	From  string `json:"from"`  // the file, variable or flag that gave the value, or default
}

// Effective returns what holds, for each key.
func (c *Config) Effective() []Setting {
	all := make([]Setting, len(keys))
	for i, k := range keys {
		all[i] = Setting{k.Path, k.shown(&c.settings), c.origin(k.Path)}
	}
	return all
}

// WriteEffective writes what holds as a table.
func (c *Config) WriteEffective(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, value, origin string) { _, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", key, value, origin) } // Flush tells
	row("KEY", "VALUE", "FROM")
	for _, s := range c.Effective() {
		row(s.Path, s.Value, s.From)
	}
	return t.Flush()
}

// example is in the reference.
const example = `listen:
  address: [":8000", "unix:/run/edge.sock"]
client:
  anonymous: { enabled: true }
  message_size_limit: 16KiB
room:
  without_namespace:
    allow_subscribe_for_client: true
    allow_subscribe_for_anonymous: true
  namespaces:
    - name: chat
      history_size: 100
      history_ttl: 10m
      force_recovery: true
      allow_subscribe_for_client: true
      allow_publish_for_subscriber: true
    - name: cursors
      kind: ephemeral
      slow_consumer: latest
`

const referenceHead = `# Configuration

<!-- Written by "edge configdoc"; "make docs" brings it up to date. -->

A node needs no configuration: without a file it runs in development mode. A file is named with ` + "`--config` or `" + FileVariable + "`" + `
and is YAML, JSON or TOML by the end of its name. ` + "`edge genconfig FILE`" + ` makes one with fresh secrets.

` + "```yaml\n" + example + "```" + `

## Where values come from

A flag comes before a variable, a variable before the file, the file before the default. The variable of a key is
` + "`EDGE_`" + ` and its path in upper case with ` + "`_`" + ` for the dots: ` + "`EDGE_CLIENT_PING_INTERVAL`" + `. In variables, lists are separated by commas or
spaces, entries and maps are JSON. Durations are written ` + "`25s`, `10m`, `24h`" + `; sizes ` + "`65536`, `64KiB`, `16MiB`" + `; times
` + "`2030-01-31T12:00:00Z`" + `.

Everything is read strictly: a key or an ` + "`EDGE_`" + ` variable that does not exist, a value of another type or beyond its range,
and keys that contradict each other are errors, all reported at once with what to write instead. The exit status is 2.

| command | does |
|---|---|
| ` + "`edge genconfig FILE`" + ` | writes a file with fresh secrets, for its owner's eyes only |
| ` + "`edge checkconfig FILE`" + ` | says what is wrong with a file, read together with the environment and the files that it names |
| ` + "`edge defaultconfig`" + ` | prints a file with every key and its default |
| ` + "`edge configdoc`" + ` | prints this page; with ` + "`--effective`" + `, every value and where it came from |
| ` + "`edge gentoken`, `edge gensubtoken`" + ` | make a token of a connection or of a subscription, signed with the HMAC secret |
| ` + "`edge checktoken`, `edge checksubtoken`" + ` | say what is in a token, and whether a node with this configuration believes it |

With ` + "`--json`" + ` each prints one object, for programs.

HUP makes a node read all sources again. Where the column says so, the new value holds at once, for clients that come from then
on; other changes are named in the log and wait for a restart. A mistake changes nothing, and the log says what it was.

## Secrets

Each secret and each public key has a second key that ends in ` + "`_file`" + `: the file with it, of which the ends of lines at its end
are cut off. Writing both is an error. The file is read again by every reload. No secret appears in the log, in errors or in
` + "`configdoc --effective`" + `, and none has a flag, as the arguments of a process are for everybody to see. To change the HMAC secret,
give the new one as ` + "`client.token.hmac_secret_key`" + ` and the old one as ` + "`hmac_previous_secret_key`" + `, good until the last token under it
has expired.

## Keys

| key | type | default | reload | meaning |
|---|---|---|---|---|
`

const referenceHooks = `
## Options of hooks

They stand under ` + "`hooks.connect`, `hooks.refresh`, `hooks.subscribe`, `hooks.publish`, `hooks.rpc`, `hooks.sub_refresh` and\n`hooks.disconnect`" + `. What they ask and what a
backend answers is in [hooks.md](hooks.md). A reload changes the secrets; the others wait for a restart.

| option | type | default | meaning |
|---|---|---|---|
`

const referenceRooms = `
## Options of rooms

They stand under ` + "`" + withoutNamespace + "`" + `, for rooms without a colon in their name, and in each entry of ` + "`" + namespaces + "`" + `, beside its
` + "`name`" + ` of two or more letters, digits, hyphens or underscores. All can be reloaded.

| option | type | default | meaning |
|---|---|---|---|
`

// WriteReference writes docs/configuration.md.
func WriteReference(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	for _, k := range nodeKeys {
		reload := ""
		if k.Live {
			reload = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Path, k.kind(), code(k.Default), reload, k.meaning())
	}
	b.WriteString(referenceHooks)
	writeOptions(&b, endpointKeys)
	for _, k := range hookKeys[len(events)*len(endpointKeys):] {
		fmt.Fprintf(&b, "| `hooks.%s` | %s | %s | %s |\n", k.Path, k.kind(), code(k.Default), k.Meaning)
	}
	b.WriteString(referenceRooms)
	writeOptions(&b, roomKeys)
	_, err := b.WriteTo(w)
	return err
}

// writeOptions writes the rows of keys that stand in several sections.
func writeOptions[T any](b *bytes.Buffer, keys []key[T]) {
	for _, k := range keys {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.Path, k.kind(), code(k.Default), k.Meaning)
	}
}

// meaning returns what k's row says, with its flag if it has one.
func (k Key) meaning() string {
	if k.Flag == "" {
		return k.Meaning
	}
	return k.Meaning + " (`--" + k.Flag + "`)"
}

// code returns s in the marks of code, nothing for nothing.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

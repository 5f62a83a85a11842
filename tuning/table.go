package tuning

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteJSON writes r as one object.
func (r *Report) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// tableWidth is how wide a table may become, in columns.
const tableWidth = 100

// WriteTable writes r for people: what falls short and what does not show, each with its reason, then whether the load fits. all
// adds what is fine.
func (r *Report) WriteTable(w io.Writer, all bool) error {
	var b bytes.Buffer
	short, unknown, fine := r.In(Short), r.In(Unknown), r.In(Fine)
	if len(short) == 0 {
		fmt.Fprintf(&b, "no setting falls short for %d connections\n\n", r.Load.Connections)
	} else {
		writeRows(&b, fmt.Sprintf("%s for %d connections", numerus(len(short), "setting falls short", "settings fall short"), r.Load.Connections), short)
	}
	if n := len(slices.DeleteFunc(slices.Clone(short), func(row Row) bool { return !row.Settable() })); n > 0 && !r.elsewhere {
		fmt.Fprintf(&b, "--apply, as root, would set %d of them until the next boot; --sysctl-conf and --systemd print files\n\n", n)
	}
	if len(unknown) > 0 {
		writeRows(&b, numerus(len(unknown), "setting does not show from here", "settings do not show from here"), unknown)
	}
	if all {
		writeRows(&b, numerus(len(fine), "setting is fine", "settings are fine"), fine)
	} else if len(fine) > 0 {
		fmt.Fprintf(&b, "%s (--all shows them)\n\n", numerus(len(fine), "setting is fine", "settings are fine"))
	}
	r.writeSums(&b)
	for _, note := range r.Notes {
		b.WriteString("\n" + wrap("Linux "+shortRelease(r.Kernel)+": "+note, ""))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// numerus returns a number with the words that go with it.
func numerus(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func shortRelease(s string) string {
	if v, ok := parseRelease(s); ok {
		return v.String()
	}
	return s
}

// nameWidth is how wide the column of names may become. A longer name has a line of its own.
const nameWidth = 36

// writeRows writes a title and rows below it, each with its reason in lines of its own.
func writeRows(b *bytes.Buffer, title string, rows []Row) {
	b.WriteString(title + "\n\n")
	if len(rows) == 0 {
		return
	}
	name, now, wanted := len("NAME"), len("NOW"), len("WANTED")
	for i := range rows {
		r := &rows[i]
		if len(r.Name) <= nameWidth {
			name = max(name, len(r.Name))
		}
		now, wanted = max(now, len(r.Now)), max(wanted, len(r.Wanted))
	}
	line := func(cells ...string) {
		fmt.Fprintf(b, "%-*s  %-*s  %-*s  %s\n", name, cells[0], now, cells[1], wanted, cells[2], cells[3])
	}
	line("NAME", "NOW", "WANTED", "WHERE")
	for i := range rows {
		r := &rows[i]
		first := r.Name
		if len(first) > name {
			b.WriteString(first + "\n")
			first = ""
		}
		line(first, orUnknown(r.Now), orUnknown(r.Wanted), string(r.Where))
		b.WriteString(wrap(r.Why, "    "))
	}
	b.WriteByte('\n')
}

func orUnknown(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// wrap returns text in lines of at most tableWidth columns that begin with indent.
func wrap(text, indent string) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(indent) && len(line)+1+len(word) > tableWidth {
			b.WriteString(line + "\n")
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}

// writeSums writes whether memory and CPUs suffice.
func (r *Report) writeSums(b *bytes.Buffer) {
	m := &r.Memory
	fmt.Fprintf(b, "memory for %d connections, %s TLS\n", r.Load.Connections, map[bool]string{true: "with", false: "without"}[r.Load.TLS])
	line := func(what string, bytes int64) { fmt.Fprintf(b, "    %-42s %10s\n", what, formatBytes(bytes)) }
	line("kernel: idle sockets", m.Kernel)
	line("process", m.Process)
	line("on its way, not acknowledged or not read", m.InFlight)
	if m.Tracking > 0 {
		line("connection tracking", m.Tracking)
	}
	if m.Free > 0 {
		line("kept free, a tenth", m.Free)
	}
	line("together", m.Sum)
	switch m.State {
	case Unknown:
		b.WriteString("    whether that fits cannot be told: this host does not show its memory\n")
	case Fine:
		fmt.Fprintf(b, "    fits %s\n", formatBytes(m.Total))
	default:
		fmt.Fprintf(b, "    DOES NOT FIT %s\n", formatBytes(m.Total))
	}
	fmt.Fprintf(b, "CPU for heartbeats and %d messages a second: %.2f of %s\n", r.Load.Messages, r.CPU.Busy, numerus(r.CPU.Loops, "loop", "loops"))
}

package tuning

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// recorded is a host in memory. Its settings take what is written to them, as a kernel shows it.
type recorded struct {
	fstest.MapFS
	readOnly []string         // what begins so is on a file system that is
	refuses  map[string]error // by path
	writes   []string         // paths, in order
}

func (r *recorded) Writable(name string) error {
	if r.MapFS[name] == nil {
		return unix.ENOENT
	}
	for _, p := range r.readOnly {
		if strings.HasPrefix(name, p) {
			return unix.EROFS
		}
	}
	return nil
}

func (r *recorded) Write(name, value string) error {
	r.writes = append(r.writes, name)
	if err := r.refuses[name]; err != nil {
		return &fs.PathError{Op: "write", Path: name, Err: err}
	}
	if err := r.Writable(name); err != nil {
		return err
	}
	if name == hugePages {
		words := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(string(r.MapFS[name].Data)))
		i := slices.Index(words, strings.TrimSpace(value))
		if i < 0 {
			return unix.EINVAL
		}
		words[i] = "[" + words[i] + "]"
		value = strings.Join(words, " ")
	} else {
		value = strings.Join(strings.Fields(value), "\t")
	}
	r.MapFS[name] = &fstest.MapFile{Data: []byte(value + "\n")}
	return nil
}

// load reads a host from testdata: each file is a line "path: text", or "path:" and its lines behind tabs; a folder is its path
// and a slash, a link "path -> target". What begins with # is a comment, and "read-only: prefix" is for Writable.
func load(t testing.TB, name string) *recorded {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".host"))
	if err != nil {
		t.Fatal(err)
	}
	h := &recorded{MapFS: make(fstest.MapFS), refuses: make(map[string]error)}
	last := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "\t"); ok {
			h.MapFS[last].Data = append(h.MapFS[last].Data, text+"\n"...)
			continue
		}
		path, text, ok := strings.Cut(line, ":")
		switch {
		case line == "" || line[0] == '#':
		case path == "read-only":
			h.readOnly = append(h.readOnly, strings.TrimSpace(text))
		case !ok && strings.HasSuffix(line, "/"):
			h.MapFS[strings.TrimSuffix(line, "/")] = &fstest.MapFile{Mode: fs.ModeDir | 0o555}
		case strings.Contains(line, " -> "):
			from, to, _ := strings.Cut(line, " -> ")
			h.MapFS[from] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(to)}
		case !ok || !fs.ValidPath(path):
			t.Fatalf("testdata/%s.host: %q", name, line)
		default:
			h.MapFS[path] = &fstest.MapFile{}
			if last = path; text != "" {
				h.MapFS[path].Data = []byte(strings.TrimPrefix(text, " ") + "\n")
			}
		}
	}
	return h
}

// all are the hosts of testdata.
func all(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.host")
	if err != nil || len(names) == 0 {
		t.Fatalf("no hosts in testdata: %v", err)
	}
	for i := range names {
		names[i] = strings.TrimSuffix(filepath.Base(names[i]), ".host")
	}
	return names
}

func check(t testing.TB, h Host, l Load) *Report {
	t.Helper()
	r, err := Check(h, l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recorder notes all that is read of a host.
type recorder struct {
	Host
	files map[string]string
}

func (r *recorder) Open(string) (fs.File, error) { return nil, errors.ErrUnsupported }

func (r *recorder) ReadFile(name string) ([]byte, error) {
	data, err := fs.ReadFile(r.Host, name)
	if err == nil {
		r.files[name] = string(data)
	}
	return data, err
}

func (r *recorder) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(r.Host, name)
	if err == nil && info.IsDir() {
		r.files[name+"/"] = ""
	} else if _, known := r.files[name]; err == nil && !known {
		r.files[name] = ""
	}
	return info, err
}

func (r *recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(r.Host, name)
	for _, e := range entries {
		r.files[name+"/"+e.Name()+"/"] = ""
	}
	return entries, err
}

var record = flag.String("record", "", "file to record this host in, as testdata has them")

// TestRecord records the host that it runs on, with go test -run TestRecord -record FILE.
func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("no -record FILE")
	}
	r := &recorder{This(), make(map[string]string)}
	check(t, r, Load{Connections: 1_000_000, Loops: 16})
	delete(r.files, "proc/self/environ")
	status := r.files["proc/self/status"]
	r.files["proc/self/status"] = "Uid:\t" + lineOf(status, "Uid") + "\nCpus_allowed_list:\t" + lineOf(status, "Cpus_allowed_list") + "\n"
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		text := strings.TrimSuffix(r.files[name], "\n")
		switch {
		case strings.HasSuffix(name, "/"):
			fmt.Fprintln(&b, name)
		case !strings.Contains(text, "\n"):
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		default:
			fmt.Fprintf(&b, "%s:\n\t%s\n", name, strings.ReplaceAll(text, "\n", "\n\t"))
		}
	}
	if err := os.WriteFile(*record, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

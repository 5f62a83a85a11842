package edge_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed4ac54ce5/edge/"

// mayImport is the architecture: for each of our packages, by its folder, the others that it may
// import. A package arrives together with its row.
var mayImport = map[string][]string{
	"cmd/edge":             {"config", "server", "socketio", "hook", "auth", "admission", "tlsrecord", "metrics", "bench", "bench/page", "tuning", "logging", "tracing", "internal/systemd"},
	"config":               {"server", "auth", "admission", "hook", "proxyproto", "tlsrecord", "internal/near"},
	"server":               {"netpoll", "frame", "engineio", "protocol", "hub", "store", "metrics", "internal/slab", "internal/poison", "auth", "admission", "proxyproto", "tlsrecord", "api", "tuning", "socketio/packet"},
	"auth":                 {},
	"admission":            {"internal/slab"},
	"proxyproto":           {},
	"tlsrecord":            {},
	"api":                  {"protocol"},
	"api/client":           {"api"},
	"hook":                 {"auth", "server", "socketio"},
	"deploy":               {"metrics", "server", "auth", "test/balancer"},
	"test/balancer":        {"internal/testutil"},
	"test/faultproxy":      {},
	"test/faults":          {"bench", "frame", "auth", "proxyproto", "test/faultproxy", "test/balancer"}, // drives real processes
	"netpoll":              {"internal/sys", "internal/poison"},
	"frame":                {},
	"engineio":             {},
	"protocol":             {},
	"hub":                  {"internal/slab"},
	"store":                {"hub"},
	"metrics":              {},
	"logging":              {},
	"tracing":              {},
	"tuning":               {},
	"bench":                {"netpoll", "frame", "protocol", "auth", "proxyproto", "tlsrecord", "internal/near"},
	"bench/baseline":       {"internal/sys"}, // the bare loop that figures are compared with
	"bench/compare":        {"bench"},
	"bench/page":           {"bench"},
	"examples/chat":        {"server", "socketio"},
	"examples/chat-sdk":    {"server"},
	"socketio":             {"server", "socketio/packet"},
	"socketio/packet":      {},
	"internal/poison":      {},
	"internal/near":        {},
	"internal/slab":        {"internal/sys"},
	"internal/sys":         {},
	"internal/systemd":     {},
	"internal/testutil":    {},
	"test/aside":           {},
	"test/sdk/application": {"server"}, // for the tests with the JavaScript client

	"test/faults/application": {"server"},

	"test/sdk/socketio/application": {"server", "socketio"}, // for the same with that of Socket.IO

	"examples/socketio-conformance": {"server", "socketio"},
}

// kernelGate is the only package that may use unsafe, cgo or raw system calls.
const kernelGate = "internal/sys"

// A source is one Go file of the module.
type source struct {
	path string // relative to the module's root
	ast  *ast.File
}

// pkg returns the folder of s relative to the module's root, "." for the root itself.
func (s source) pkg() string { return filepath.ToSlash(filepath.Dir(s.path)) }

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// imports returns the paths that s imports.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.ast.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, "`\""))
	}
	return paths
}

// ours returns the folders of the module's packages that s imports.
func (s source) ours() []string {
	var folders []string
	for _, path := range s.imports() {
		if folder, ok := strings.CutPrefix(path, module); ok {
			folders = append(folders, folder)
		}
	}
	return folders
}

// allows reports whether s may import the package in folder. Over its package's row a test may
// import that package and testutil, and one of server or the root, where all parts meet, everything.
func (s source) allows(folder string) bool {
	if slices.Contains(mayImport[s.pkg()], folder) {
		return true
	}
	if !s.isTest() {
		return false
	}
	return folder == s.pkg() || folder == "internal/testutil" || s.pkg() == "server" || s.pkg() == "."
}

func TestImportsKeepTheDirection(t *testing.T) {
	for _, s := range sources(t) {
		if _, ok := mayImport[s.pkg()]; !ok && s.pkg() != "." {
			t.Errorf("%s: package %s has no row in mayImport", s.path, s.pkg())
			continue
		}
		for _, folder := range s.ours() {
			if !s.allows(folder) {
				t.Errorf("%s imports %s; %s may import %q of ours", s.path, folder, s.pkg(), mayImport[s.pkg()])
			}
		}
	}
}

func TestOnlyTheKernelGateIsUnsafe(t *testing.T) {
	for _, s := range sources(t) {
		if s.pkg() == kernelGate {
			continue
		}
		for _, use := range unsafeUses(s.ast) {
			t.Errorf("%s: %s belongs in %s", s.path, use, kernelGate)
		}
	}
}

// Both checks must see what they are for; the tree itself, being clean, cannot show that they do.
func TestUnsafeUsesAreSeen(t *testing.T) {
	for code, want := range map[string][]string{
		`import "unsafe"`: {"unsafe"},
		`import "C"`:      {"C"},
		`import "syscall"; func f() { syscall.RawSyscall6(0, 0, 0, 0, 0, 0, 0) }`:             {"syscall.RawSyscall6"},
		`import sys "golang.org/x/sys/unix"; func f() { sys.Syscall(sys.SYS_READ, 0, 0, 0) }`: {"sys.Syscall"},
		`import "os"; func f(d *os.File) { d.SyscallConn(); d.Read(nil) }`:                    nil,
		`import "golang.org/x/sys/unix"; func f() { unix.Read(0, nil) }`:                      nil,
	} {
		if got := unsafeUses(parse(t, "x.go", "package x; "+code)); !slices.Equal(got, want) {
			t.Errorf("unsafeUses(%s) = %q; want %q", code, got, want)
		}
	}
}

func TestForeignArrowsAreSeen(t *testing.T) {
	for _, row := range []struct {
		path, folder string
		want         bool
	}{
		{"hub/room.go", "protocol", false},
		{"hub/room_test.go", "protocol", false},
		{"hub/room_test.go", "hub", true},
		{"hub/room_test.go", "internal/testutil", true},
		{"hub/room.go", "internal/testutil", false},
		{"server/session.go", "bench", false},
		{"server/session_test.go", "bench", true},
		{"netpoll/loop.go", "internal/sys", true},
	} {
		if got := (source{path: row.path}).allows(row.folder); got != row.want {
			t.Errorf("%s may import %s = %v; want %v", row.path, row.folder, got, row.want)
		}
	}
}

// unsafeUses names what in f goes around the language or the runtime, sorted: the imports unsafe
// and C, and each raw system call as it is written.
func unsafeUses(f *ast.File) []string {
	found := make(map[string]bool)
	gates := make(map[string]bool) // what f calls the packages that have raw calls
	for _, spec := range f.Imports {
		switch path := strings.Trim(spec.Path.Value, "`\""); path {
		case "unsafe", "C":
			found[path] = true
		case "syscall", "golang.org/x/sys/unix":
			gates[localName(spec, path)] = true
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && gates[pkg.Name] && isRawCall(sel.Sel.Name) {
			found[pkg.Name+"."+sel.Sel.Name] = true
		}
		return true
	})
	return slices.Sorted(maps.Keys(found))
}

// localName returns the name under which a file that imports path as spec knows it.
func localName(spec *ast.ImportSpec, path string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

func isRawCall(name string) bool {
	return strings.HasPrefix(name, "RawSyscall") || strings.HasPrefix(name, "Syscall")
}

// sources parses every Go file of the module, whatever its build tags.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && !holdsPackages(path) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			all = append(all, source{path, parse(t, path, nil)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// holdsPackages reports whether the go command would look for packages in the folder at path.
func holdsPackages(path string) bool {
	name := filepath.Base(path)
	if path == "." {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod")) // where there is one, another module begins
	return err != nil && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") && name != "testdata" && name != "node_modules"
}

// parse reads one file: src if it is not nil, or else what is at path.
func parse(t *testing.T, path string, src any) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

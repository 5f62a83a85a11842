package tuning

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Change is one file that [Report.Apply] sets.
type Change struct {
	Path   string `json:"path"` // without the leading slash
	Before string `json:"before"`
	After  string `json:"after"`
	Became string `json:"became,omitempty"` // what the kernel has made of After, where that is something else
	Done   bool   `json:"done"`
	Error  string `json:"error,omitempty"`
}

// Name returns what c sets as people know it: a sysctl by its name, anything else by its path.
func (c *Change) Name() string {
	if name, ok := strings.CutPrefix(c.Path, "proc/sys/"); ok {
		return strings.ReplaceAll(name, "/", ".")
	}
	return "/" + c.Path
}

// String returns what c changes.
func (c *Change) String() string {
	return fmt.Sprintf("%s: %s -> %s", c.Name(), fields(c.Before), fields(c.After))
}

// undoFile is what an undo file holds: whose settings they are, and what they were.
type undoFile struct {
	About   string   `json:"about"`
	Boot    string   `json:"boot_id"`
	Network string   `json:"network_namespace"`
	Changes []Change `json:"changes"`
}

const undoAbout = "settings as they were before edge tune --apply; edge tune --undo with this file restores them until the next boot"

// ErrUndo is what an undo file is refused with that is not of this boot and network namespace, or none at all.
var ErrUndo = errors.New("tuning: undo file")

// ErrLeft is what Undo says of a setting that others have set since: it leaves that as it is.
var ErrLeft = errors.New("tuning: left alone")

// Planned returns what [Report.Apply] would set. A report for more memory than the host has is refused with an [ErrLoad]: what
// suits that would take too much of this one.
func (r *Report) Planned(h Host) ([]Change, error) {
	if r.elsewhere {
		return nil, fmt.Errorf("%w: memory of %d bytes, which is more than this host shows: settings for another one are not set here", ErrLoad, r.Load.Memory)
	}
	var changes []Change
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Settable() {
			continue
		}
		for _, path := range row.paths {
			before, err := fs.ReadFile(h, path)
			if err != nil {
				return nil, fmt.Errorf("tuning: %w", err)
			}
			changes = append(changes, Change{Path: path, Before: chosen(string(before)), After: row.value})
		}
	}
	return changes, nil
}

// Apply sets what r finds short and this process can set, and returns what it did, in order. Before that it makes the file named
// undo, which must not exist. It goes on after a setting that the kernel refuses: the error joins all of them, and the file in
// the end holds just those that were set. Without one there is no file.
func (r *Report) Apply(h Host, undo string) ([]Change, error) {
	changes, err := r.Planned(h)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	file := undoFile{About: undoAbout, Boot: bootID(h), Network: namespace(h), Changes: changes}
	if err := file.create(undo); err != nil {
		return nil, err
	}
	var errs []error
	var done []Change
	for i := range changes {
		c := &changes[i]
		if err := c.set(h, sameOrRounded); err != nil {
			c.Error = reason(err)
			errs = append(errs, err)
			if !c.altered(h) {
				continue
			}
		}
		c.Done = c.Error == ""
		done = append(done, *c)
	}
	file.Changes = done
	if err := file.replace(undo); err != nil {
		errs = append(errs, fmt.Errorf("%w %s: %w; it has more than was set", ErrUndo, undo, err))
	}
	return changes, errors.Join(errs...)
}

// set writes After, notes what the kernel has made of it, and makes sure that this will do.
func (c *Change) set(h Host, accept func(got, told string) bool) error {
	if err := h.Write(c.Path, c.After); err != nil {
		return fmt.Errorf("tuning: set /%s to %q: %w", c.Path, c.After, bare(err))
	}
	now, err := fs.ReadFile(h, c.Path)
	if err != nil {
		return fmt.Errorf("tuning: read /%s again: %w", c.Path, bare(err))
	}
	got, told := fields(string(now)), fields(c.After)
	if got != told {
		c.Became = got
	}
	if !accept(got, told) {
		return fmt.Errorf("tuning: set /%s to %q: the kernel made it %q", c.Path, c.After, got)
	}
	return nil
}

// reason returns the part of an error of set that people do not know yet.
func reason(err error) string {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno.Error()
	}
	return strings.TrimPrefix(err.Error(), "tuning: ")
}

// altered reports whether c's file no longer holds what it did, and notes what it holds then: a kernel that refuses a value may
// have taken the front of it.
func (c *Change) altered(h Host) bool {
	now, err := fs.ReadFile(h, c.Path)
	if err != nil {
		return true
	}
	got := fields(string(now))
	if got == fields(c.Before) {
		return false
	}
	c.Became = got
	return true
}

func same(got, told string) bool { return got == told }

// sameOrRounded reports whether the kernel took what it was told, or rounded that up to less than twice as much, as it does with
// sizes of tables.
func sameOrRounded(got, told string) bool {
	a, ok1 := parseNumbers(got)
	b, ok2 := parseNumbers(told)
	return same(got, told) || ok1 && ok2 && len(a) == 1 && len(b) == 1 && a[0] > b[0] && a[0]-b[0] < b[0]
}

// fields returns text with single spaces, and of a choice the word that is chosen; masks lose the zeros at their front.
func fields(text string) string {
	s := strings.Join(strings.Fields(chosen(text)), " ")
	if s != "" && strings.Trim(s, "0123456789abcdef,") == "" {
		return cmp.Or(strings.TrimLeft(s, "0,"), "0")
	}
	return s
}

// bare returns what has gone wrong without the path that the error names besides.
func bare(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// create writes the file where there is none, and has it on disk when it returns.
func (u *undoFile) create(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w; nothing has been set", ErrUndo, err)
	}
	if err := errors.Join(u.encode(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%w: %w; nothing has been set", ErrUndo, errors.Join(err, os.Remove(name)))
	}
	return nil
}

// replace puts u in the place of the file, or removes that if there is nothing to undo.
func (u *undoFile) replace(name string) error {
	if len(u.Changes) == 0 {
		return os.Remove(name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	if err := errors.Join(u.encode(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), name)
}

func (u *undoFile) encode(f *os.File) error {
	e := json.NewEncoder(f)
	e.SetIndent("", "  ")
	return e.Encode(u)
}

// Undo restores what the file named undo says that [Report.Apply] has set, the last first, and returns what it did. What no longer
// holds what Apply left there belongs to whoever has set it since: it stays, with an [ErrLeft]. Undo goes on after that and after
// a setting that the kernel refuses; the error joins all of them, and the file stays unless all went well.
func Undo(h Host, undo string) ([]Change, error) {
	file, err := readUndo(h, undo)
	if err != nil {
		return nil, err
	}
	var changes []Change
	var errs []error
	for i := len(file.Changes) - 1; i >= 0; i-- {
		c := Change{Path: file.Changes[i].Path, After: file.Changes[i].Before}
		err := c.putBack(h, &file.Changes[i])
		if c.Done = err == nil; !c.Done {
			c.Error = reason(err)
			errs = append(errs, err)
		}
		changes = append(changes, c)
	}
	if len(errs) == 0 {
		errs = append(errs, os.Remove(undo))
	}
	return changes, errors.Join(errs...)
}

// putBack makes c of a setting that still holds what was left there. One that holds what it did before has been put back
// already, or Apply did not get to it.
func (c *Change) putBack(h Host, was *Change) error {
	now, err := fs.ReadFile(h, c.Path)
	if err != nil {
		return fmt.Errorf("tuning: read /%s: %w", c.Path, bare(err))
	}
	c.Before = chosen(string(now))
	switch got, left := fields(c.Before), fields(cmp.Or(was.Became, was.After)); got {
	case fields(was.Before):
		return nil
	case left:
		return c.set(h, same)
	default:
		return fmt.Errorf("%w: /%s is %q, and was set to %q: others have changed it since", ErrLeft, c.Path, got, left)
	}
}

// readUndo reads a file of [Report.Apply]. What it names must be a setting, as whoever undoes is root.
func readUndo(h Host, name string) (*undoFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndo, err)
	}
	var u undoFile
	if err := json.Unmarshal(data, &u); err != nil || u.About != undoAbout {
		return nil, fmt.Errorf("%w %s: not one that edge tune --apply has written", ErrUndo, name)
	}
	for _, c := range u.Changes {
		if !isSetting(c.Path) {
			return nil, fmt.Errorf("%w %s: %q is not a setting", ErrUndo, name, c.Path)
		}
	}
	switch {
	case u.Boot != bootID(h):
		return nil, fmt.Errorf("%w %s: the host has been booted since, and has forgotten what was set", ErrUndo, name)
	case u.Network != namespace(h):
		return nil, fmt.Errorf("%w %s: written in another network namespace; run it there", ErrUndo, name)
	}
	return &u, nil
}

// isSetting reports whether path is one of the files that [Report.Apply] may set.
func isSetting(path string) bool {
	if !fs.ValidPath(path) {
		return false
	}
	queue := strings.HasPrefix(path, netDir) && (strings.HasSuffix(path, "/rps_cpus") || strings.HasSuffix(path, "/rps_flow_cnt"))
	return path == hugePages || queue || slices.ContainsFunc(rules, func(r rule) bool { return sysctlPath(r.name) == path })
}

// bootID returns what names this boot of the kernel, empty if it does not show.
func bootID(h Host) string {
	id, _ := fs.ReadFile(h, "proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// namespace returns what names the network namespace, empty if it does not show.
func namespace(h Host) string {
	name, _ := fs.ReadLink(h, "proc/thread-self/ns/net")
	return name
}

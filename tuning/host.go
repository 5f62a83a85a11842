package tuning

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Host is the files of a host, with names as in "proc/meminfo".
type Host interface {
	fs.FS

	// Writable returns nil if Write may be tried, or else why not: EROFS, EACCES, or that there is no such file.
	Writable(name string) error

	// Write gives the setting of that name a value, with one write(2).
	Write(name, value string) error
}

// This returns the host that the process runs on. What a network namespace owns is that of the calling thread.
func This() Host { return local{os.DirFS("/")} }

type local struct{ fs.FS }

func (local) Writable(name string) error {
	return unix.Faccessat(unix.AT_FDCWD, "/"+name, unix.W_OK, unix.AT_EACCESS)
}

func (local) Write(name, value string) error {
	f, err := os.OpenFile("/"+name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// ReadFile implements [fs.ReadFileFS]. A sysctl gives all it has to the first read(2), and must get the room for it.
func (l local) ReadFile(name string) ([]byte, error) { return fs.ReadFile(l.FS, name) }

// ReadDir implements [fs.ReadDirFS].
func (l local) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(l.FS, name) }

// Stat implements [fs.StatFS].
func (l local) Stat(name string) (fs.FileInfo, error) { return fs.Stat(l.FS, name) }

// ReadLink implements [fs.ReadLinkFS].
func (l local) ReadLink(name string) (string, error) { return fs.ReadLink(l.FS, name) }

// Lstat implements [fs.ReadLinkFS].
func (l local) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(l.FS, name) }

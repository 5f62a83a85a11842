package config

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fresh is a file with nothing but what a node outside development mode needs.
const fresh = `# Made by edge genconfig. edge configdoc says what else there is.
client:
  # Pages that may connect, as https://example.com; self is those of the host that is asked.
  allowed_origins: ["self"]
  token:
    # Backends sign the tokens of their users with it; so does edge gentoken.
    hmac_secret_key: %q

api:
  # Backends show it to the HTTP API.
  key: %q
`

// Generate writes a new file with fresh secrets, for its owner's eyes only. The error is Problems.
func Generate(name string) error {
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
		return Problems{{name, "", "what is made is YAML; write a name that ends in .yaml"}}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return Problems{{name, "", "exists, and is not written over; write another name"}}
	case err != nil:
		return Problems{{name, "", withoutName(err).Error()}}
	}
	_, err = fmt.Fprintf(f, fresh, random(), random())
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(name) // it is of no use
		return Problems{{name, "", withoutName(err).Error()}}
	}
	return nil
}

// random returns 256 bits that nobody can guess, as text.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

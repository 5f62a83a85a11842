package config

import "strings"

// Problem is one mistake of an operator, in a line that names the key, what is wrong and what to write.
type Problem struct {
	Key    string `json:"key"`              // its path, or the name of a variable or file
	Origin string `json:"origin,omitempty"` // the variable or flag that gave the value; empty for the file
	What   string `json:"what"`
}

// Error implements error.
func (p Problem) Error() string {
	if p.Origin == "" {
		return p.Key + ": " + p.What
	}
	return p.Key + " (" + p.Origin + "): " + p.What
}

// Problems is all that one load found, in the order of the sources and of the keys in each.
type Problems []Problem

// Error implements error: a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// orNil returns ps as an error, which is nil if there are none.
func (ps Problems) orNil() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// about reports whether any of the keys, or an entry in one, has a problem already.
func (ps Problems) about(keys ...string) bool {
	for _, p := range ps {
		for _, key := range keys {
			if p.Key == key || strings.HasPrefix(p.Key, key+"[") {
				return true
			}
		}
	}
	return false
}

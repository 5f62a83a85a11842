package config

import "github.com/seed4ac54ce5/edge/internal/near"

// suggest returns the words that end the complaint about a name that does not exist.
func suggest(name string, known []string) string {
	if meant := nearest(name, known); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return "; edge configdoc lists all"
}

// maxName is the longest name for which a near one is looked for: comparing takes time in proportion to it.
const maxName = 100

// nearest returns the known name that name was probably meant to be, empty if none is near. A name is also near if
// only its last part is: then it was written in the wrong section.
func nearest(name string, known []string) string {
	if len(name) > maxName {
		return ""
	}
	best, limit, whole := "", 1+len(last(name))/4, 0
	for _, k := range known {
		all := near.Distance(name, k)
		d := min(all, near.Distance(last(name), last(k))+1)
		if d < limit || d == limit && (best == "" || all < whole) {
			best, limit, whole = k, d, all
		}
	}
	return best
}

package config

import "strings"

// suggest returns the words that end the complaint about a name that does not exist.
func suggest(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "; did you mean " + near + "?"
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
		all := distance(name, k)
		d := min(all, distance(last(name), last(k))+1)
		if d < limit || d == limit && (best == "" || all < whole) {
			best, limit, whole = k, d, all
		}
	}
	return best
}

// distance returns how many letters must be added, dropped, replaced or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

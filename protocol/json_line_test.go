package protocol

import (
	"slices"
	"testing"
)

func TestLines(t *testing.T) {
	tests := []struct {
		payload string
		want    []string
		fine    bool // each line is an object
	}{
		{"{}", []string{"{}"}, true},
		{"{}\n", []string{"{}"}, true},
		{"{}\n{}", []string{"{}", "{}"}, true},
		{"{}\r\n {}\n", []string{"{}\r", " {}"}, true},
		{"", []string{""}, false},
		{"\n", []string{""}, false},
		{" ", []string{" "}, false},
		{"{}\n\n", []string{"{}", ""}, false},
		{"{}\n\n{}", []string{"{}", "", "{}"}, false},
		{"\n{}", []string{"", "{}"}, false},
		{"{}\n ", []string{"{}", " "}, false},
		{"{\"id\":\n1}", []string{`{"id":`, "1}"}, false},
		{"{}{}", []string{"{}{}"}, false},
	}
	for _, test := range tests {
		var got []string
		fine := true
		for line := range Lines([]byte(test.payload)) {
			got = append(got, string(line))
			_, err := decodeCommand(string(line))
			fine = fine && err == nil
		}
		if !slices.Equal(got, test.want) || fine != test.fine {
			t.Errorf("Lines(%q) = %q, fine %v; want %q, %v", test.payload, got, fine, test.want, test.fine)
		}
	}
}

func TestLinesStops(t *testing.T) {
	n := 0
	for range Lines([]byte("{}\n{}\n{}")) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("lines seen = %d; want 2", n)
	}
}

package protocol

import (
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	tests := []struct {
		name string
		want error
	}{
		{"a", nil},
		{"chat:index", nil},
		{"$private#42,43", nil},
		{"a name with spaces ~", nil},
		{"*&/>.", nil},
		{strings.Repeat("a", 255), nil},
		{"", ErrBadRequest},
		{strings.Repeat("a", 256), ErrBadRequest},
		{"a\x00", ErrBadRequest},
		{"a\nb", ErrBadRequest},
		{"a\x1f", ErrBadRequest},
		{"a\x7f", ErrBadRequest},
		{"é", ErrBadRequest},
		{"\xff", ErrBadRequest},
	}
	for _, test := range tests {
		if got := ValidName([]byte(test.name)); got != test.want {
			t.Errorf("ValidName(%q) = %v; want %v", test.name, got, test.want)
		}
	}
}

package near

import "testing"

func TestDistance(t *testing.T) {
	for _, r := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"ABC", "abc", 0}, {"abc", "acb", 1},
		{"history", "histroy", 1}, {"ping", "pong", 1}, {"ping", "pin", 1}, {"kitten", "sitting", 3},
	} {
		if got := Distance(r.a, r.b); got != r.want {
			t.Errorf("Distance(%s, %s) = %d; want %d", r.a, r.b, got, r.want)
		}
	}
}

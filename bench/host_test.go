package bench

import "testing"

func TestParseModel(t *testing.T) {
	for file, want := range map[string]string{
		"processor\t: 0\nmodel\t\t: 85\nmodel name\t: Any CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: Other\n": "Any CPU @ 2.00GHz",
		"processor\t: 0\n": "",
	} {
		if got := parseModel([]byte(file)); got != want {
			t.Errorf("parseModel(%q) = %q; want %q", file, got, want)
		}
	}
}

func TestThisHostCanBeRead(t *testing.T) {
	if h := readHost(); h.Kernel == "" || h.CPUs == 0 || h.Memory == 0 || h.Go == "" {
		t.Errorf("host %+v", h)
	}
}

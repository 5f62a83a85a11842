package tuning

import (
	"slices"
	"testing"
	"testing/fstest"
)

func TestCPUMask(t *testing.T) {
	for list, want := range map[string]string{
		"0": "1", "0-3": "f", "0-31": "ffffffff", "0-32": "1,ffffffff", "0-63": "ffffffff,ffffffff",
		"0,2-3": "d", "1": "2", "4-7,12": "10f0", "32-33": "3,00000000", "0,64": "1,00000000,00000001",
		"": "", "max": "", "3-1": "", "0-": "", "0-99999": "",
	} {
		if got := cpuMask(list); got != want {
			t.Errorf("cpuMask(%q) = %q; want %q", list, got, want)
		}
	}
}

// Packets are steered to the CPUs that are online, whichever those are.
func TestSteeringToCPUsOnline(t *testing.T) {
	h := load(t, "debian")
	h.MapFS["sys/devices/system/cpu/online"] = &fstest.MapFile{Data: []byte("0,2-3,33\n")}
	rows := check(t, h, plans["debian"]).Rows
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == "ens3 rps_cpus" })
	if i < 0 || rows[i].Wanted != "2,0000000d" || rows[i].value != rows[i].Wanted || rows[i].State != Short {
		t.Errorf("rows are %+v; want rps_cpus to be 2,0000000d", rows)
	}
}

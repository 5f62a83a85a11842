package tuning

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const netDir = "sys/class/net/"

// mostDevices is how many network devices get rows.
const mostDevices = 8

// device is a network device with hardware, real or emulated, behind it.
type device struct {
	name   string
	queues []string // folders of its RX queues
}

// devices returns those that are in use. What /sys shows belongs to the namespace that mounted it, so that in another one
// there are none to be seen.
func (f *facts) devices() []device {
	if f.ownNetwork {
		return nil
	}
	var all []device
	for _, name := range f.list(netDir[:len(netDir)-1]) {
		state, _ := f.text(netDir + name + "/operstate")
		if !f.exists(netDir+name+"/device") || state == "down" {
			continue
		}
		d := device{name: name}
		for _, q := range f.list(netDir + name + "/queues") {
			if strings.HasPrefix(q, "rx-") {
				d.queues = append(d.queues, netDir+name+"/queues/"+q)
			}
		}
		if len(d.queues) > 0 {
			all = append(all, d)
		}
	}
	return all[:min(len(all), mostDevices)]
}

// paths returns whether packets should be steered, since there are fewer RX queues than loops, and whether they are handed on
// between devices or CPUs.
func (f *facts) paths(loops int) (steer, handsOver bool) {
	for _, d := range f.devices() {
		steer = steer || len(d.queues) < min(loops, f.cpus)
	}
	virtual := func(name string) bool { return strings.HasPrefix(name, "veth") }
	return steer, steer || f.ownNetwork || slices.ContainsFunc(f.list(netDir[:len(netDir)-1]), virtual)
}

// deviceRows are about how packets come to CPUs.
func deviceRows(f *facts, n *need) []Row {
	const name, why = "RX queues", "one for each loop, or RPS, lets all CPUs take packets"
	devices := f.devices()
	if len(devices) == 0 {
		return []Row{{Name: name, Wanted: strconv.Itoa(n.Loops), Where: CannotTell, State: Unknown, Why: why}}
	}
	var rows []Row
	for _, d := range devices {
		if len(d.queues) < min(n.Loops, f.cpus) {
			rows = append(rows, d.steering(f, n)...)
			continue
		}
		if n.Connections > 250_000 && len(d.queues) > 1 {
			rows = append(rows, d.interrupts(f))
		}
	}
	return rows
}

// steering returns the rows of a device with too few queues.
func (d device) steering(f *facts, n *need) []Row {
	online, _ := f.text("sys/devices/system/cpu/online")
	few := fmt.Sprintf("%d RX queues for %d loops: ", len(d.queues), n.Loops)
	if len(d.queues) == 1 {
		few = fmt.Sprintf("1 RX queue for %d loops: ", n.Loops)
	}
	cpus := Row{Name: d.name + " rps_cpus", Wanted: cpuMask(online), Why: few + "the other CPUs take packets from them"}
	d.fill(f, &cpus, "rps_cpus", func(now string) bool { return strings.Trim(now, "0,") != "" })
	each := max(n.flows()/int64(len(d.queues)), 1)
	each = powerOf2(each)
	flows := Row{Name: d.name + " rps_flow_cnt", Wanted: strconv.FormatInt(each, 10), Why: few + "each packet goes to the CPU that reads it"}
	d.fill(f, &flows, "rps_flow_cnt", func(now string) bool {
		v, err := strconv.ParseInt(now, 10, 64)
		return err == nil && v >= each
	})
	return []Row{cpus, flows}
}

// fill completes a row about a file that each queue has, by the first that is not good, or by any. A queue that shows nothing,
// as without RPS in the kernel, makes it unknown.
func (d device) fill(f *facts, row *Row, file string, good func(now string) bool) {
	row.Where, row.State, row.value = f.where(d.queues[0]+"/"+file, false), Fine, row.Wanted
	for _, q := range d.queues {
		now, _ := f.text(q + "/" + file)
		if now == "" || row.Wanted == "" {
			row.Now, row.Where, row.State, row.paths = "", CannotTell, Unknown, nil
			return
		}
		if isGood := good(now); !isGood || row.Now == "" {
			row.Now = shorten(now)
			if !isGood {
				row.State = Short
				row.paths = append(row.paths, q+"/"+file)
			}
		}
	}
	if row.State == Fine {
		row.Wanted = row.Now
	}
}

// cpuMask returns the mask of a list of CPUs, in groups of 32, as the kernel writes it; empty for none.
func cpuMask(list string) string {
	var groups []uint32 // the first 32 CPUs first
	for _, r := range cpuRanges(list) {
		for cpu := r.first; cpu <= r.last; cpu++ {
			for len(groups) <= cpu/32 {
				groups = append(groups, 0)
			}
			groups[cpu/32] |= 1 << (cpu % 32)
		}
	}
	texts := make([]string, len(groups))
	for i, g := range groups {
		texts[len(groups)-1-i] = fmt.Sprintf("%08x", g)
	}
	return strings.TrimLeft(strings.Join(texts, ","), "0")
}

// interrupts returns the row of a device with enough queues: each should have a CPU of its own.
func (d device) interrupts(f *facts) Row {
	row := Row{Name: d.name + " IRQs", Where: CannotTell, State: Unknown,
		Why: "the interrupt of each RX queue on a CPU of its own, by the driver or smp_affinity_list, and irqbalance off"}
	want := min(len(d.queues), f.cpus)
	row.Wanted = fmt.Sprintf("%d CPUs", want)
	table, _ := f.text("proc/interrupts")
	own := make(map[string]bool) // CPUs that have an interrupt
	for _, irq := range interruptsOf(table, d.aliases(f)) {
		on, ok := f.text("proc/irq/" + irq + "/smp_affinity_list")
		if !ok {
			continue
		}
		if row.State == Unknown {
			row.State = Fine
		}
		if parseCPUs(on) == 1 {
			own[on] = true
		}
	}
	if row.State == Unknown {
		return row
	}
	row.Where, row.Now = OnHost, fmt.Sprintf("%d CPUs", len(own))
	if len(own) < want {
		row.State = Short
	} else {
		row.Wanted = row.Now
	}
	return row
}

// aliases returns by which names a device may have its interrupts: its own, and that of its virtio device.
func (d device) aliases(f *facts) []string {
	names := []string{d.name}
	const virtio = "sys/bus/virtio/devices"
	for _, v := range f.list(virtio) {
		if f.exists(virtio + "/" + v + "/net/" + d.name) {
			names = append(names, v+"-input")
		}
	}
	return names
}

// interruptsOf returns the numbers of the interrupts in /proc/interrupts that one of the names has: by itself, or with more
// behind a dash or a dot.
func interruptsOf(table string, names []string) []string {
	var numbers []string
	for line := range strings.Lines(table) {
		number, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(rest)
		if _, err := strconv.ParseUint(number, 10, 32); !ok || err != nil || len(fields) == 0 {
			continue
		}
		last := fields[len(fields)-1]
		for _, name := range names {
			if tail, ok := strings.CutPrefix(last, name); ok && (tail == "" || tail[0] == '-' || tail[0] == '.') {
				numbers = append(numbers, number)
				break
			}
		}
	}
	return numbers
}

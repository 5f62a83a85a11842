package bench

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestOptionsThatAreWrong(t *testing.T) {
	good := Options{Scenario: Fanout, Targets: []string{"127.0.0.1:1"}, Connections: 10, Rate: 1, Duration: time.Second}.withDefaults()
	if err := good.check(); err != nil {
		t.Fatalf("check of %+v: %v", good, err)
	}
	for says, spoil := range map[string]func(o *Options){
		"--connections 0":       func(o *Options) { o.Connections = 0 },
		"--rooms -1":            func(o *Options) { o.Rooms = -1 },
		"--payload 40":          func(o *Options) { o.Payload = 40 },
		"--rate -1":             func(o *Options) { o.Rate = -1 },
		"--rate 0":              func(o *Options) { o.Rate = 0 },
		"--pipeline 5000":       func(o *Options) { o.Pipeline = 5000 },
		"--publishers -3":       func(o *Options) { o.Publishers = -3 },
		"--ramp -1":             func(o *Options) { o.Ramp = -1 },
		"--loops 257":           func(o *Options) { o.Loops = 257 },
		"--sources -1":          func(o *Options) { o.Sources = -1 },
		"--server-pid -1":       func(o *Options) { o.ServerPID = -1 },
		"--message 5":           func(o *Options) { o.Message = 5 },
		"--duration 0s":         func(o *Options) { o.Duration = 0 },
		"--warmup -1s":          func(o *Options) { o.Warmup = -time.Second },
		"--drain -1s":           func(o *Options) { o.Drain = -time.Second },
		"--hold -1s":            func(o *Options) { o.Hold = -time.Second },
		"--rest -1s":            func(o *Options) { o.Rest = -time.Second },
		"--probe -1s":           func(o *Options) { o.Probe = -time.Second },
		"--protocol \"mqtt\"":   func(o *Options) { o.Protocol = "mqtt" },
		"leave out --personal":  func(o *Options) { o.Protocol, o.Personal = EchoProtocol, true },
		"leave out --rooms":     func(o *Options) { o.Protocol, o.Rooms = EchoProtocol, 3 },
		"--transport polling":   func(o *Options) { o.Transport = Polling },
		`--transport "carrier"`: func(o *Options) { o.Protocol, o.Transport = SocketIO, "carrier" },
		"--namespace and":       func(o *Options) { o.JoinEvent = "enter" },
		`--namespace "chat"`:    func(o *Options) { o.Protocol, o.Namespace = SocketIO, "chat" },
		"--join-event":          func(o *Options) { o.Protocol, o.JoinEvent = SocketIO, `["enter"` },
		"--publish-event":       func(o *Options) { o.Protocol, o.PublishEvent = SocketIO, `["say","$room"]` },
		"--echo-event":          func(o *Options) { o.Protocol, o.EchoEvent = SocketIO, `["echo"]` },
		"--private-fd-tables":   func(o *Options) { o.PrivateTables = "perhaps" },
		"--rate 0:":             func(o *Options) { o.Scenario, o.Rate = Storm, 0 },
		"--storms -1":           func(o *Options) { o.Scenario, o.Storms = Storm, -1 },
		"--share 1.5":           func(o *Options) { o.Scenario, o.Share = Storm, 1.5 },
		"--share -0.1":          func(o *Options) { o.Scenario, o.Share = Storm, -0.1 },
		`--drop "hard"`:         func(o *Options) { o.Scenario, o.Drop = Storm, "hard" },
		`--return "never"`:      func(o *Options) { o.Scenario, o.Return = Storm, "never" },
		"--give-up -1s":         func(o *Options) { o.Scenario, o.GiveUp = Storm, -time.Second },
		`--mode "asleep"`:       func(o *Options) { o.Scenario, o.Mode = Slow, "asleep" },
		"--trickle -1":          func(o *Options) { o.Scenario, o.Trickle = Slow, -1 },
		`--proxy-protocol "1"`:  func(o *Options) { o.ProxyProtocol = "1" },
		`--proxy-clients "10"`:  func(o *Options) { o.ProxyProtocol, o.ProxyClients = "v1", "10" },
		`--header "X"`:          func(o *Options) { o.Headers = []string{"X"} },
		`scenario "something"`:  func(o *Options) { o.Scenario = "something" },
		"--ca is for":           func(o *Options) { o.CA = "ca.pem" },
		"--insecure is for":     func(o *Options) { o.Insecure = true },
		"--proxy-clients is":    func(o *Options) { o.ProxyClients = "10.1.0.0/16" },
		"process that is there": func(o *Options) { o.ServerPID = 1 << 30 },
		"--header: leave":       func(o *Options) { o.Workers, o.Listen, o.Headers = 2, "127.0.0.1:0", []string{"X: y"} },
		"--workers -1":          func(o *Options) { o.Workers = -1 },
		"--listen host:port":    func(o *Options) { o.Workers = 2 },
		"write --workers":       func(o *Options) { o.Listen = "127.0.0.1:0" },
		"--join-key":            func(o *Options) { o.JoinKey = "key" },
		"--connections 10":      func(o *Options) { o.Workers, o.Listen = 11, "127.0.0.1:0" },
		"--rooms 5000000":       func(o *Options) { o.Workers, o.Listen, o.Rooms = 2, "127.0.0.1:0", 5_000_000 },
		"--listen nowhere":      func(o *Options) { o.Workers, o.Listen = 2, "nowhere" },
		"--target is missing":   func(o *Options) { o.Targets = nil },
		`--target "nonsense"`:   func(o *Options) { o.Targets = []string{"nonsense"} },
	} {
		o := good
		spoil(&o)
		report, err := Run(t.Context(), o)
		if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), says) || report != nil {
			t.Errorf("Run with a wrong option = %v; want a usage error that says %s", err, says)
		}
	}
}

func TestWhoHasPublishers(t *testing.T) {
	for _, row := range []struct {
		o    Options
		want bool
	}{
		{Options{Scenario: Fanout}, true},
		{Options{Scenario: Storm}, true},
		{Options{Scenario: Slow}, true},
		{Options{Scenario: Idle}, false},
		{Options{Scenario: Idle, PublishOnce: true}, true},
		{Options{Scenario: Idle, Message: 1024}, true},
		{Options{Scenario: Echo, PublishOnce: true}, false},
		{Options{Scenario: Churn}, false},
	} {
		if got := row.o.publishes(); got != row.want {
			t.Errorf("%+v: publishes() = %v; want %v", row.o, got, row.want)
		}
	}
}

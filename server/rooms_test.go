package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// TestConformanceCommands has what protocol.md says of the commands after connect. A client may be in three rooms.
func TestConformanceCommands(t *testing.T) {
	n := openNode(t, func(c *Config) { c.RoomLimit = 3 })
	n.runTalks(hello, subscribeTalks())
	n.runTalks(hello, publishTalks())
	n.runTalks(hello, otherTalks())
}

// subscribed and so on are commands and their good replies.
func subscribe(id int, room string) string {
	return fmt.Sprintf(`{"id":%d,"subscribe":{"channel":"%s"}}`, id, room)
}

func subscribed(id int) string { return fmt.Sprintf(`{"id":%d,"subscribe":{}}`, id) }

func unsubscribe(id int, room string) string {
	return fmt.Sprintf(`{"id":%d,"unsubscribe":{"channel":"%s"}}`, id, room)
}

func unsubscribed(id int) string { return fmt.Sprintf(`{"id":%d,"unsubscribe":{}}`, id) }

func publish(id int, room, data string) string {
	return fmt.Sprintf(`{"id":%d,"publish":{"channel":"%s","data":%s}}`, id, room, data)
}

func published(id int) string { return fmt.Sprintf(`{"id":%d,"publish":{}}`, id) }

// pushOf is what the members of a room get.
func pushOf(room, data string) string {
	return fmt.Sprintf(`{"push":{"channel":"%s","pub":{"data":%s,"info":{"user":"","client":"ID"}}}}`, room, data)
}

func subscribeTalks() []talk {
	one := func(rule, request, reply string) talk {
		return talk{rule, []string{`{"id":2,"subscribe":` + request + `}`}, []string{reply}, nil, "", none}
	}
	breaks := func(rule, request string) talk {
		return talk{rule, []string{`{"id":2,"subscribe":` + request + `}`}, nil, nil, bad, metrics.RejectCommand}
	}
	longest := strings.Repeat("n", protocol.MaxNameLen)
	talks := []talk{
		one("subscribe", `{"channel":"a"}`, subscribed(2)),
		one("wishes that are not granted", `{"channel":"a","positioned":true,"recoverable":true,"join_leave":true,"flag":1,"data":{}}`, subscribed(2)),
		one("recover", `{"channel":"a","recover":true,"epoch":"abcd","offset":18446744073709551615}`, `{"id":2,"subscribe":{"was_recovering":true}}`),
		one("delta", `{"channel":"a","delta":"fossil"}`, subscribed(2)),
		one("P02 longest name", `{"channel":"`+longest+`"}`, subscribed(2)),
		one("P02 name too long", `{"channel":"`+longest+`n"}`, failed(2, protocol.ErrBadRequest)),
		one("P02 name with a control character", `{"channel":"a\u0001"}`, failed(2, protocol.ErrBadRequest)),
		one("P02 name that is not ASCII", `{"channel":"é"}`, failed(2, protocol.ErrBadRequest)),
		one("P02 name that is half a surrogate pair", `{"channel":"\ud800"}`, failed(2, protocol.ErrBadRequest)),
		one("P03 private room", `{"channel":"$a"}`, failed(2, protocol.ErrPermissionDenied)),
		{"token that nobody can check", []string{`{"id":2,"subscribe":{"channel":"a","token":"x"}}`}, []string{failed(2, protocol.ErrPermissionDenied)}, nil, "", metrics.RejectToken},
		one("map subscription", `{"channel":"a","type":1}`, failed(2, protocol.ErrPermissionDenied)),
		one("shared poll", `{"channel":"a","type":4}`, failed(2, protocol.ErrNotAvailable)),
		one("tags filter", `{"channel":"a","tf":{"op":"and"}}`, failed(2, protocol.ErrBadRequest)),
		breaks("P02 empty name", `{"channel":""}`),
		breaks("no name", `{}`),
		breaks("unknown delta", `{"channel":"a","delta":"xor"}`),
		breaks("negative offset", `{"channel":"a","offset":-1}`),
		{"P02 twice", []string{subscribe(2, "a"), subscribe(3, "a")}, []string{subscribed(2), failed(3, protocol.ErrAlreadySubscribed)}, nil, "", none},
		{"P05 as many rooms as allowed, and one", []string{subscribe(2, "a"), subscribe(3, "b"), subscribe(4, "c"), subscribe(5, "d")},
			[]string{subscribed(2), subscribed(3), subscribed(4), failed(5, protocol.ErrLimitExceeded)}, nil, "", none},
		{"P05 already there comes before the limit", []string{subscribe(2, "a"), subscribe(3, "b"), subscribe(4, "c"), subscribe(5, "a")},
			[]string{subscribed(2), subscribed(3), subscribed(4), failed(5, protocol.ErrAlreadySubscribed)}, nil, "", none},
		{"P05 a room given up makes place", []string{subscribe(2, "a"), subscribe(3, "b"), subscribe(4, "c"), unsubscribe(5, "b"), subscribe(6, "d")},
			[]string{subscribed(2), subscribed(3), subscribed(4), unsubscribed(5), subscribed(6)}, nil, "", none},
		{"unsubscribe", []string{subscribe(2, "a"), unsubscribe(3, "a"), subscribe(4, "a")}, []string{subscribed(2), unsubscribed(3), subscribed(4)}, nil, "", none},
		{"unsubscribe from a room that one is not in", []string{unsubscribe(2, "a"), unsubscribe(3, "$é")}, []string{unsubscribed(2), unsubscribed(3)}, nil, "", none},
		{"unsubscribe from no room", []string{unsubscribe(2, "")}, nil, nil, bad, metrics.RejectCommand},
	}
	for _, name := range []string{"*", ">", "#", "a.*", "ns:room", "room#user", "a b", "&x", "/", "~"} {
		talks = append(talks, one("P01 name "+name, `{"channel":"`+name+`"}`, subscribed(2)))
	}
	return talks
}

func publishTalks() []talk {
	odd := `{"a": 1.50, "b":"<\u00e9\/>é","c":[ ],"d":1e+2,"a":null}`
	return []talk{
		{"publish where nobody is", []string{publish(2, "a", "1")}, []string{published(2)}, nil, "", none},
		{"publish to oneself", []string{subscribe(2, "a"), publish(3, "a", "1")}, []string{subscribed(2), published(3)}, []string{pushOf("a", "1")}, "", none},
		{"data passes as it is", []string{subscribe(2, "a"), publish(3, "a", odd)}, []string{subscribed(2), published(3)}, []string{pushOf("a", odd)}, "", none},
		{"null is data", []string{subscribe(2, "a"), publish(3, "a", "null")}, []string{subscribed(2), published(3)}, []string{pushOf("a", "null")}, "", none},
		{"publications in order", []string{subscribe(2, "a"), publish(3, "a", "1") + "\n" + publish(4, "a", "2"), publish(5, "a", "3")},
			[]string{subscribed(2), published(3), published(4), published(5)}, []string{pushOf("a", "1"), pushOf("a", "2"), pushOf("a", "3")}, "", none},
		{"not what came before the subscription", []string{publish(2, "a", "1"), subscribe(3, "a"), publish(4, "a", "2")},
			[]string{published(2), subscribed(3), published(4)}, []string{pushOf("a", "2")}, "", none},
		{"P01 names are no patterns", []string{subscribe(2, "*"), subscribe(3, "a.*"), publish(4, "a.b", "1"), publish(5, "*", "2")},
			[]string{subscribed(2), subscribed(3), published(4), published(5)}, []string{pushOf("*", "2")}, "", none},
		{"no data", []string{`{"id":2,"publish":{"channel":"a"}}`}, []string{failed(2, protocol.ErrBadRequest)}, nil, "", none},
		{"bad name", []string{publish(2, "é", "1")}, []string{failed(2, protocol.ErrBadRequest)}, nil, "", none},
		{"map publication", []string{`{"id":2,"publish":{"channel":"a","data":1,"type":1}}`}, []string{failed(2, protocol.ErrPermissionDenied)}, nil, "", none},
		{"no name", []string{publish(2, "", "1")}, nil, nil, bad, metrics.RejectCommand},
		{"data that is no JSON", []string{publish(2, "a", "{")}, nil, nil, bad, metrics.RejectCommand},
		{"what is good before what is bad", []string{subscribe(2, "a") + "\n" + `{"id":3,"publish":{"channel":"b"}}` + "\n" + `{"id":4}`},
			[]string{subscribed(2), failed(3, protocol.ErrBadRequest)}, nil, bad, metrics.RejectCommand},
	}
}

func otherTalks() []talk {
	unavailable := func(rule, text string) talk {
		return talk{rule, []string{text}, []string{failed(2, protocol.ErrNotAvailable)}, nil, "", none}
	}
	refresh := func(request string) string { return `{"id":3,"sub_refresh":` + request + `}` }
	return []talk{
		unavailable("presence", `{"id":2,"presence":{"channel":"a"}}`),
		unavailable("presence_stats", `{"id":2,"presence_stats":{"channel":"a"}}`),
		unavailable("history", `{"id":2,"history":{"channel":"a","limit":-1,"since":{"offset":1,"epoch":"x"},"reverse":true}}`),
		unavailable("rpc", `{"id":2,"rpc":{"method":"m","data":{}}}`),
		{"send", []string{`{"send":{"data":1}}`}, nil, nil, "close 3508", none},
		{"send with an id", []string{`{"id":2,"send":{}}`}, nil, nil, "close 3508", none},
		{"refresh without a token", []string{`{"id":2,"refresh":{}}`}, nil, nil, bad, metrics.RejectCommand},
		{"refresh", []string{`{"id":2,"refresh":{"token":"x"}}`}, nil, nil, "close 3500", metrics.RejectToken},
		{"sub_refresh without a room", []string{refresh(`{"token":"x"}`)}, nil, nil, bad, metrics.RejectCommand},
		{"sub_refresh of a room that one is not in", []string{refresh(`{"channel":"a","token":"x"}`)}, []string{failed(3, protocol.ErrPermissionDenied)}, nil, "", none},
		{"sub_refresh without a token", []string{subscribe(2, "a"), refresh(`{"channel":"a"}`)}, []string{subscribed(2), failed(3, protocol.ErrBadRequest)}, nil, "", none},
		{"sub_refresh", []string{subscribe(2, "a"), refresh(`{"channel":"a","token":"x"}`)}, []string{subscribed(2)}, nil, "close 3500", metrics.RejectToken},
		{"pong that nobody has asked for", []string{`{}`}, nil, nil, bad, metrics.RejectCommand},
	}
}

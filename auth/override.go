package auth

// A Choice is what a token says of one of a room's options.
type Choice uint8

const (
	AsRoom Choice = iota // nothing: the room's options decide
	On
	Off
)

// Or returns what c says, or what the room says if c leaves it to that.
func (c Choice) Or(room bool) bool { return c == On || c == AsRoom && room }

// Override is what a token changes of a room's options, for one subscription.
type Override struct {
	Presence           Choice
	JoinLeave          Choice
	ForcePushJoinLeave Choice
	ForcePositioning   Choice
	ForceRecovery      Choice
}

var overrideNames = []string{"presence", "join_leave", "force_push_join_leave", "force_positioning", "force_recovery"}

// fields returns the fields of o in the order of overrideNames.
func (o *Override) fields() [5]*Choice {
	return [5]*Choice{&o.Presence, &o.JoinLeave, &o.ForcePushJoinLeave, &o.ForcePositioning, &o.ForceRecovery}
}

// parseOverride reads an object such as {"presence": {"value": true}}.
func parseOverride(text []byte) (o Override, ok bool) {
	var v [5][]byte
	if collect(text, overrideNames, v[:], errPayload) != nil {
		return o, false
	}
	for i, field := range o.fields() {
		if *field, ok = parseChoice(v[i]); !ok {
			return o, false
		}
	}
	return o, true
}

var valueName = []string{"value"}

// parseChoice reads an object such as {"value": true}; nil is AsRoom.
func parseChoice(text []byte) (c Choice, ok bool) {
	if text == nil {
		return AsRoom, true
	}
	var v [1][]byte
	if collect(text, valueName, v[:], errPayload) != nil {
		return AsRoom, false
	}
	switch string(v[0]) {
	case "true":
		return On, true
	case "false":
		return Off, true
	}
	return AsRoom, false
}

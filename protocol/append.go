package protocol

import "strconv"

// The functions here append the parts of a message in either encoding. They take a field by both its names: the number that
// protobuf knows it by, and the key of JSON as it stands on the wire, with quotes, colon and the bracket that the value opens.
// A field that holds its zero value is left out, unless the function's name says always.
//
// In JSON every field ends with a comma, and the last one becomes the bracket that closes the object. In protobuf a message
// gets one byte for its size when it is opened; one that grows past 127 bytes is moved when it is closed, to make room.

// marks says where in dst the parts that are open start, outermost first, 0 for none. Only protobuf needs to know where; JSON
// needs to know only if there is a push.
type marks struct{ message, push, object int }

// openReply opens a command or a reply with id and the one object in it.
func (e Encoding) openReply(dst []byte, id uint32, number byte, key string) (_ []byte, at marks) {
	if e == JSON {
		dst = e.uint(append(dst, '{'), 1, `"id":`, uint64(id))
		return append(dst, key...), at
	}
	dst, at.message = openSized(dst)
	dst = e.uint(dst, 1, "", uint64(id))
	dst, at.object = e.open(dst, number, "")
	return dst, at
}

// openPush opens a push to channel with the object that says of what kind. A push to the whole session has no channel.
func (e Encoding) openPush(dst, channel []byte, number byte, key string) (_ []byte, at marks) {
	if e == JSON {
		dst = e.text(append(dst, `{"push":{`...), 2, `"channel":`, channel)
		return append(dst, key...), marks{push: 1}
	}
	dst, at.message = openSized(dst)
	dst, at.push = e.open(dst, 4, "")
	dst = e.text(dst, 2, "", channel)
	dst, at.object = e.open(dst, number, "")
	return dst, at
}

// end closes what at says is open.
func (e Encoding) end(dst []byte, at marks) []byte {
	if e == Protobuf {
		return endSized(dst, at)
	}
	if dst = closeObject(dst); at.push > 0 {
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func endSized(dst []byte, at marks) []byte {
	dst = closeSized(dst, at.object)
	if at.push > 0 {
		dst = closeSized(dst, at.push)
	}
	return closeSized(dst, at.message)
}

// open opens an object.
func (e Encoding) open(dst []byte, number byte, key string) (_ []byte, at int) {
	if e == Protobuf {
		dst = append(dst, number<<3|wireBytes, 0)
	} else {
		dst = append(dst, key...)
	}
	return dst, len(dst)
}

// close closes the object that was opened at.
func (e Encoding) close(dst []byte, at int) []byte {
	if e == Protobuf {
		return closeSized(dst, at)
	}
	return append(closeObject(dst), ',')
}

// openMany opens an array or a map. In protobuf there is no such thing, only a field that comes again.
func (e Encoding) openMany(dst []byte, key string) []byte {
	if e == Protobuf {
		return dst
	}
	return append(dst, key...)
}

// closeMany closes it with the bracket that matches.
func (e Encoding) closeMany(dst []byte, bracket byte) []byte {
	if e == Protobuf {
		return dst
	}
	return append(closeWith(dst, bracket), ',')
}

// openEntry opens an entry of a map whose values are objects.
func (e Encoding) openEntry(dst []byte, number byte, name []byte) (_ []byte, at marks) {
	if e == JSON {
		return append(appendText(dst, name), ':', '{'), at
	}
	dst, at.message = e.open(dst, number, "")
	dst = e.text(dst, 1, "", name)
	dst, at.object = e.open(dst, 2, "")
	return dst, at
}

func (e Encoding) closeEntry(dst []byte, at marks) []byte {
	dst = e.close(dst, at.object)
	if e == Protobuf {
		dst = e.close(dst, at.message)
	}
	return dst
}

// entry appends an entry of a map whose values are strings.
func (e Encoding) entry(dst []byte, number byte, name, value []byte) []byte {
	if e == JSON {
		dst = append(appendText(dst, name), ':')
		return append(appendText(dst, value), ',')
	}
	dst, at := e.open(dst, number, "")
	dst = e.text(dst, 1, "", name)
	dst = e.text(dst, 2, "", value)
	return e.close(dst, at)
}

func (e Encoding) text(dst []byte, number byte, key string, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	return e.putText(dst, number, key, text)
}

// alwaysText appends text in JSON even if it is empty; in protobuf that and absent are the same.
func (e Encoding) alwaysText(dst []byte, number byte, key string, text []byte) []byte {
	if len(text) == 0 && e == Protobuf {
		return dst
	}
	return e.putText(dst, number, key, text)
}

func (e Encoding) putText(dst []byte, number byte, key string, text []byte) []byte {
	if e == JSON {
		return append(appendText(append(dst, key...), text), ',')
	}
	return appendSizedText(append(dst, number<<3|wireBytes), text)
}

// words is text for what is a string with us.
func (e Encoding) words(dst []byte, number byte, key, text string) []byte {
	switch {
	case len(text) == 0:
		return dst
	case e == JSON:
		return append(appendText(append(dst, key...), text), ',')
	}
	return appendSizedText(append(dst, number<<3|wireBytes), text)
}

// raw appends a value of the application: in JSON any JSON value, in protobuf any bytes.
func (e Encoding) raw(dst []byte, number byte, key string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return e.putRaw(dst, number, key, value)
}

func (e Encoding) putRaw(dst []byte, number byte, key string, value []byte) []byte {
	if e == JSON {
		return append(appendRaw(append(dst, key...), value), ',')
	}
	dst = appendVarint(append(dst, number<<3|wireBytes), uint64(len(value)))
	return append(dst, value...)
}

func (e Encoding) uint(dst []byte, number byte, key string, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return e.putUint(dst, number, key, v)
}

// alwaysUint appends v in JSON even if it is 0; in protobuf that and absent are the same.
func (e Encoding) alwaysUint(dst []byte, number byte, key string, v uint64) []byte {
	if v == 0 && e == Protobuf {
		return dst
	}
	return e.putUint(dst, number, key, v)
}

func (e Encoding) putUint(dst []byte, number byte, key string, v uint64) []byte {
	if e == JSON {
		return append(strconv.AppendUint(append(dst, key...), v, 10), ',')
	}
	return appendVarint(append(dst, number<<3|wireVarint), v)
}

// int appends v, which may be negative: in protobuf it then takes ten bytes.
func (e Encoding) int(dst []byte, number byte, key string, v int64) []byte {
	switch {
	case v == 0:
		return dst
	case e == JSON:
		return append(strconv.AppendInt(append(dst, key...), v, 10), ',')
	}
	return appendVarint(append(dst, number<<3|wireVarint), uint64(v))
}

// bool appends v if it is true.
func (e Encoding) bool(dst []byte, number byte, key string, v bool) []byte {
	switch {
	case !v:
		return dst
	case e == JSON:
		return append(append(dst, key...), "true,"...)
	}
	return append(dst, number<<3|wireVarint, 1)
}

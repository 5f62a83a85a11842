package hub

import (
	"bytes"
	"testing"
)

func samplePast() (*Publication, *PublishOptions, *Past) {
	p := publication("data")
	p.Info = append(p.Info, "info"...)
	p.Tags = p.Tags.Append([]byte("tag"), []byte("value"))
	p.Key = append(p.Key, "conflation"...)
	p.Time = 1234
	o := &PublishOptions{IdempotencyKey: []byte("key"), Version: 7, VersionEpoch: []byte("epoch")}
	past := newPast(p, o)
	past.place(99)
	return p, o, past
}

func TestPastIsThePublication(t *testing.T) {
	p, o, made := samplePast()
	parsed, err := parsePast(bytes.Clone(made.entry))
	if err != nil {
		t.Fatal(err)
	}
	for _, past := range []*Past{made, parsed} {
		if past.Opaque() || past.Offset() != 99 || past.Time() != 1234 || past.version() != 7 {
			t.Errorf("offset, time, version = %d, %d, %d", past.Offset(), past.Time(), past.version())
		}
		for name, pair := range map[string][2][]byte{
			"data":            {past.Data(), p.Data},
			"info":            {past.Info(), p.Info},
			"tags":            {past.Tags(), p.Tags},
			"conflation key":  {past.Key(), p.Key},
			"idempotency key": {past.text(textIdempotencyKey), o.IdempotencyKey},
			"version epoch":   {past.text(textVersionEpoch), o.VersionEpoch},
		} {
			if !bytes.Equal(pair[0], pair[1]) {
				t.Errorf("%s = %q; want %q", name, pair[0], pair[1])
			}
		}
		if want := int64(entryHeader+len("data"+"info"+"conflation"+"key"+"epoch")+len(p.Tags)) + pastOverhead; past.size() != want {
			t.Errorf("size = %d; want %d", past.size(), want)
		}
	}
	if cap(made.entry) != len(made.entry) {
		t.Errorf("entry of %d bytes in an array of %d", len(made.entry), cap(made.entry))
	}
	p.Data[0], p.Tags[0] = 'X', 0
	if string(made.Data()) != "data" || !made.Tags().whole() {
		t.Error("what is remembered changes with the publication")
	}
}

func FuzzParsePast(f *testing.F) {
	_, _, past := samplePast()
	f.Add(past.entry)
	opaque := publication("not JSON")
	opaque.Opaque = true
	f.Add(newPast(opaque, &PublishOptions{}).entry)
	f.Add(newPast(publication(""), &PublishOptions{}).entry)
	f.Add(past.entry[:entryHeader])
	f.Fuzz(func(t *testing.T, entry []byte) {
		p, err := parsePast(entry)
		if err != nil {
			return
		}
		pub := publication(string(p.Data()))
		defer pub.Release()
		pub.Info, pub.Tags, pub.Key, pub.Time = append(pub.Info, p.Info()...), append(pub.Tags, p.Tags()...), append(pub.Key, p.Key()...), p.Time()
		pub.Opaque = p.Opaque()
		again := newPast(pub, &PublishOptions{
			IdempotencyKey: p.text(textIdempotencyKey), Version: p.version(), VersionEpoch: p.text(textVersionEpoch),
		})
		again.place(p.Offset())
		if !bytes.Equal(again.entry, entry) {
			t.Errorf("%x parses to what is written as %x", entry, again.entry)
		}
	})
}

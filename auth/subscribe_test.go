package auth

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestSubscribeReadsAllClaims(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	got, err := v.Subscribe([]byte(mintHS(t, object{
		"sub": "ada", "channel": "$news", "client": "c1", "exp": after(time.Hour), "expire_at": 0, "info": "i", "b64data": "AQI=",
		"override": object{"force_positioning": object{"value": true}, "force_push_join_leave": object{"value": false}},
	})), testNow)
	want := SubscribeClaims{
		Identity: Identity{User: "ada"},
		Client:   "c1",
		Sub: Sub{
			Channel: "$news", Info: []byte(`"i"`), Data: []byte{1, 2},
			Override: Override{ForcePositioning: On, ForcePushJoinLeave: Off},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Subscribe = %+v, %v; want %+v", got, err, want)
	}
}

func TestSubscribeRefuses(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	for _, row := range []struct {
		payload object
		want    error
	}{
		{object{"sub": "ada"}, errChannel},
		{object{"channel": ""}, errChannel},
		{object{"channel": []string{"a"}}, ErrInvalid},
		{object{"channel": "a", "client": 1}, ErrInvalid},
		{object{"channel": "a", "b64info": "?"}, ErrInvalid},
		{object{"channel": "a", "b64info": "AQI="}, ErrInvalid},
		{object{"channel": "a", "b64data": "?"}, ErrInvalid},
		{object{"channel": "a", "override": true}, ErrInvalid},
		{object{"channel": "a", "sub": true}, ErrInvalid},
		{object{"channel": "a", "exp": after(-time.Second)}, ErrExpired},
		{object{"channel": "a", "expire_at": after(0)}, ErrExpired},
		{object{"channel": "a", "nbf": after(time.Second)}, ErrExpired},
		{object{"sub": "ada", "exp": after(-time.Second)}, ErrInvalid},
	} {
		if got, err := v.Subscribe([]byte(mintHS(t, row.payload)), testNow); !errors.Is(err, row.want) {
			t.Errorf("Subscribe(%v) = %+v, %v; want %v", row.payload, got, err, row.want)
		}
	}
}

func TestFor(t *testing.T) {
	k := SubscribeClaims{Identity: Identity{User: "ada"}, Sub: Sub{Channel: "news"}}
	bound := k
	bound.Client = "c1"
	for _, row := range []struct {
		claims                *SubscribeClaims
		channel, user, client string
		want                  bool
	}{
		{&k, "news", "ada", "c1", true},
		{&k, "news", "ada", "c2", true},
		{&k, "news", "", "c1", false},
		{&k, "news", "eve", "c1", false},
		{&k, "news2", "ada", "c1", false},
		{&bound, "news", "ada", "c1", true},
		{&bound, "news", "ada", "c2", false},
		{&bound, "news", "ada", "", false},
		{&SubscribeClaims{Sub: Sub{Channel: "news"}}, "news", "", "c1", true},
		{&SubscribeClaims{Sub: Sub{Channel: "news"}}, "news", "ada", "c1", false},
	} {
		if got := row.claims.For(row.channel, row.user, row.client); got != row.want {
			t.Errorf("%+v.For(%q, %q, %q) = %t", row.claims, row.channel, row.user, row.client, got)
		}
	}
}

func TestChoiceOr(t *testing.T) {
	for _, row := range []struct {
		choice     Choice
		room, want bool
	}{{AsRoom, false, false}, {AsRoom, true, true}, {On, false, true}, {On, true, true}, {Off, false, false}, {Off, true, false}} {
		if got := row.choice.Or(row.room); got != row.want {
			t.Errorf("Choice(%d).Or(%t) = %t", row.choice, row.room, got)
		}
	}
}

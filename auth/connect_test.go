package auth

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestConnectReadsAllClaims(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	got, err := v.Connect([]byte(mintHS(t, object{
		"sub": "ada", "jti": "t1", "iat": after(-time.Minute), "exp": after(time.Hour), "nbf": after(-time.Minute),
		"info": object{"name": "Ada"}, "meta": []int{1, 2},
		"channels": []string{"unused"},
		"subs": object{
			"a": object{"info": 1, "data": object{"x": 1}, "override": object{
				"presence": object{"value": true}, "join_leave": object{"value": false}, "force_recovery": nil,
			}},
			"b": object{"b64info": "WzEsCjJd", "b64data": "AwQ=", "info": "x", "data": "y"},
			"c": object{},
		},
		"caps":    []any{object{"channels": []string{"x"}, "allow": []string{"pub"}}},
		"unknown": object{"sub": "eve"},
	})), testNow)
	want := ConnectClaims{
		Identity: Identity{User: "ada", ID: "t1", Issued: testNow.Add(-time.Minute), Expiry: testNow.Add(time.Hour)},
		Info:     []byte(`{"name":"Ada"}`),
		Meta:     []byte(`[1,2]`),
		Subs: []Sub{
			{Channel: "a", Info: []byte("1"), Data: []byte(`{"x":1}`), Override: Override{Presence: On, JoinLeave: Off}},
			{Channel: "b", Info: []byte("[1,2]"), Data: []byte{3, 4}},
			{Channel: "c"},
		},
		Capabilities: Capabilities{
			text:   `[{"allow":["pub"],"channels":["x"]}]`,
			grants: []grant{{rights: MayPublish, patterns: []string{"x"}}},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Connect = %+v, %v; want %+v", got, err, want)
	}
}

func TestConnectClaimForms(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	for _, row := range []struct {
		payload string
		want    ConnectClaims
	}{
		{`{}`, ConnectClaims{}},
		{` { "sub" : "ada" , "exp" : null , "info" : null , "caps" : null } `, ConnectClaims{Identity: Identity{User: "ada"}}},
		{`{"\u0073ub":"\u0061d\"a\\"}`, ConnectClaims{Identity: Identity{User: `ad"a\`}}},
		{`{"SUB":"ada"}`, ConnectClaims{}},
		{fmt.Sprintf(`{"iat":%d}`, testNow.Unix()+60), ConnectClaims{Identity: Identity{Issued: testNow.Add(time.Minute)}}},
		{fmt.Sprintf(`{"iat":%d}`, testNow.Unix()+61), ConnectClaims{}}, // it would outlive revocations
		{"{\"info\":{\n\"a\": \"\\n\"\r\n}}", ConnectClaims{Info: []byte(`{"a":"\n"}`)}},
		{`{"b64info":"","info":{}}`, ConnectClaims{Info: []byte{}}},
		{`{"channels":["a","b","a"]}`, ConnectClaims{Subs: []Sub{{Channel: "a"}, {Channel: "b"}}}},
		{`{"channels":[]}`, ConnectClaims{}},
		{`{"subs":{},"channels":["a"]}`, ConnectClaims{}},
	} {
		token := mintText(t, "HS256", []byte(testSecret), `{"alg":"HS256"}`, row.payload)
		got, err := v.Connect([]byte(token), testNow)
		if err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("Connect(%s) = %+v, %v; want %+v", row.payload, got, err, row.want)
		}
	}
}

func TestConnectRefusesMalformedClaims(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	for _, payload := range []string{
		`{"jti":1}`, `{"iat":"now"}`, `{"exp":true}`, `{"expire_at":{}}`, `{"exp":"1","expire_at":0}`, `{"b64info":"*"}`, `{"b64info":"AQ"}`, `{"b64info":"AQI="}`, `{"b64info":"MX0sIng="}`, `{"subs":{"a":{"b64info":"AQI="}}}`, `{"b64info":1}`,
		`{"channels":"a"}`, `{"channels":[1]}`, `{"channels":[""]}`, `{"channels":[null]}`, `{"channels":{"a":{}}}`,
		`{"subs":["a"]}`, `{"subs":{"a":1}}`, `{"subs":{"a":null}}`, `{"subs":{"":{}}}`, `{"subs":{"a":{},"a":{}}}`,
		`{"subs":{"a":{},"\u0061":{}}}`, `{"subs":{"a":{"b64data":"*"}}}`, `{"subs":{"a":{"b64info":2}}}`,
		`{"subs":{"a":{"override":1}}}`, `{"subs":{"a":{"override":{"presence":{}}}}}`, `{"subs":{"a":{"override":{"presence":true}}}}`,
		`{"subs":{"a":{"override":{"presence":{"value":1}}}}}`, `{"subs":{"a":{"info":1,"info":2}}}`,
		`{"caps":{}}`, `{"caps":[1]}`,
	} {
		token := mintText(t, "HS256", []byte(testSecret), `{"alg":"HS256"}`, payload)
		if got, err := v.Connect([]byte(token), testNow); !errors.Is(err, ErrInvalid) {
			t.Errorf("Connect(%s) = %+v, %v; want ErrInvalid", payload, got, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	for _, row := range []struct {
		payload object
		want    time.Time
	}{
		{object{}, time.Time{}},
		{object{"exp": after(time.Hour)}, testNow.Add(time.Hour)},
		{object{"exp": after(time.Hour), "expire_at": after(2 * time.Hour)}, testNow.Add(2 * time.Hour)},
		{object{"exp": after(time.Hour), "expire_at": 0}, time.Time{}},
		{object{"expire_at": after(time.Minute)}, testNow.Add(time.Minute)},
		{object{"exp": after(364 * 24 * time.Hour)}, testNow.Add(364 * 24 * time.Hour)},
		{object{"exp": after(366 * 24 * time.Hour)}, testNow.Add(maxTTL)},
		{object{"exp": 1e300}, testNow.Add(maxTTL)},
		{object{"exp": after(time.Hour), "expire_at": 1e18}, testNow.Add(maxTTL)},
	} {
		got, err := v.Connect([]byte(mintHS(t, row.payload)), testNow)
		if err != nil || !got.Expiry.Equal(row.want) {
			t.Errorf("Connect(%v) = expiry %v, %v; want %v", row.payload, got.Expiry, err, row.want)
		}
	}
}

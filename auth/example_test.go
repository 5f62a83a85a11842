package auth_test

import (
	"fmt"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

func Example() {
	const secret = "at least thirty-two random bytes"
	v, err := auth.New(auth.Config{HMACSecret: secret})
	if err != nil {
		panic(err)
	}

	now := time.Now()
	s := auth.Signer{Secret: secret}
	token, err := s.Connect(auth.ConnectClaims{Identity: auth.Identity{User: "ada", Expiry: now.Add(time.Hour)}})
	if err != nil {
		panic(err)
	}

	claims, err := v.Connect([]byte(token), now)
	fmt.Println(claims.User, err)
	_, err = v.Connect([]byte(token), now.Add(2*time.Hour))
	fmt.Println(err)
	// Output:
	// ada <nil>
	// auth: token expired: its time is over
}

func ExampleParseOrigins() {
	origins, err := auth.ParseOrigins([]string{"https://example.com", "https://*.example.com"})
	if err != nil {
		panic(err)
	}
	for _, page := range []string{"https://app.example.com", "https://example.com.evil.example"} {
		fmt.Println(origins.Allows([]byte(page), nil))
	}
	// Output:
	// true
	// false
}

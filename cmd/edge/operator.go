package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// operator talks to a running node through its internal address.
type operator struct {
	address string
	keyFile string
	key     string
	base    string
}

const (
	operatorPatience = 10 * time.Second // for an answer
	answerLimit      = 16 << 20         // bytes of one
	keyVariable      = "EDGE_API_KEY"
)

// addFlags adds what all commands for a running node take.
func (o *operator) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.address, "internal", "http://127.0.0.1:9000", "internal `address` of the node")
	flags.StringVar(&o.keyFile, "key-file", "", "`file` with the API key; without it "+keyVariable)
}

// prepare looks at the flags. Its errors are of usage.
func (o *operator) prepare() error {
	o.base = o.address
	if !strings.Contains(o.base, "://") {
		o.base = "http://" + o.base
	}
	u, err := url.Parse(o.base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return fmt.Errorf("--internal %q: write it as http://127.0.0.1:9000", o.address)
	}
	o.base = strings.TrimSuffix(o.base, "/")
	o.key = os.Getenv(keyVariable)
	if o.keyFile != "" {
		text, err := os.ReadFile(o.keyFile)
		if err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
		o.key = strings.TrimSpace(string(text))
	}
	return nil
}

// ask has the node do something and puts its answer into v. Errors are failures, each a line that says what to do.
func (o *operator) ask(ctx context.Context, method, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, operatorPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, o.base+path, nil)
	if err != nil {
		return err
	}
	if o.key != "" {
		r.Header.Set("X-API-Key", o.key)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return failure{o.unreachable(err)}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return failure{o.unreachable(err)}
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return failure{o.refused(answer.StatusCode, body)}
	}
	if err := json.Unmarshal(body, v); err != nil {
		return failure{fmt.Errorf("%s does not answer as a node of edge does; is it the internal address?", o.base)}
	}
	return nil
}

// unreachable is the error for a node that gives no answer.
func (o *operator) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address once more
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens on %s; --internal says where the node's internal address is", o.base)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s within %v", o.base, operatorPatience)
	}
	return fmt.Errorf("no answer from %s: %w", o.base, err)
}

// refused is the error for an answer that is a refusal.
func (o *operator) refused(status int, body []byte) error {
	var why struct{ Error string }
	switch {
	case status == http.StatusUnauthorized && o.key == "":
		return fmt.Errorf("the node asks for its API key: give --key-file, or %s", keyVariable)
	case status == http.StatusUnauthorized:
		return errors.New("the node has another API key")
	case status == http.StatusNotFound:
		return fmt.Errorf("%s does not answer as a node of edge does; is it the internal address?", o.base)
	case json.Unmarshal(body, &why) == nil && why.Error != "":
		return errors.New(why.Error)
	}
	return fmt.Errorf("the node answers %d %s", status, http.StatusText(status))
}

package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tokenFlags are those of all commands about tokens.
type tokenFlags struct {
	from sourceFlags
	json bool
}

func (f *tokenFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false
	f.from.addFile(flags)
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
}

// load returns which tokens the configuration accepts, and the section that says so.
func (f *tokenFlags) load(subscription bool) (keys auth.Config, section string, err error) {
	c, err := config.Load(f.from.sources())
	if err != nil {
		return keys, "", err
	}
	access := c.Server().Access
	if subscription && access.Subscriptions != nil {
		return *access.Subscriptions, "client.subscription_token", nil
	}
	return access.Tokens, "client.token", nil
}

// claimFlags are those of commands that make a token.
type claimFlags struct {
	tokenFlags
	user string
	info string
	ttl  time.Duration
}

func (f *claimFlags) add(flags *pflag.FlagSet) {
	f.tokenFlags.add(flags)
	flags.StringVar(&f.user, "user", "", "`id` of the user; anonymous if empty")
	flags.DurationVar(&f.ttl, "ttl", time.Hour, "how long the token is good; 0 is for ever")
	flags.StringVar(&f.info, "info", "", "`JSON` that others in a room see")
}

// check returns what is wrong with the values of flags.
func (f *claimFlags) check() error {
	switch {
	case f.ttl < 0:
		return fmt.Errorf("--ttl: %v has passed; write a time such as 1h, or 0 for ever", f.ttl)
	case f.info != "" && !json.Valid([]byte(f.info)):
		return errors.New(`--info: not JSON; write as '{"name":"Alice"}'`)
	}
	return nil
}

// identity is what a new token says of itself at now. Its id is what a revocation names.
func (f *claimFlags) identity(now time.Time) auth.Identity {
	id := auth.Identity{User: f.user, ID: rand.Text(), Issued: now}
	if f.ttl > 0 {
		id.Expiry = now.Add(f.ttl)
	}
	return id
}

// signer returns what signs tokens that the configuration accepts.
func (f *claimFlags) signer(subscription bool) (*auth.Signer, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	keys, section, err := f.load(subscription)
	if err != nil {
		return nil, err
	}
	if keys.HMACSecret == "" {
		return nil, fmt.Errorf("%s.hmac_secret_key: missing; name a file that has it by --config, or make one by edge genconfig", section)
	}
	return &auth.Signer{Secret: keys.HMACSecret, Issuer: keys.Issuer, Audience: keys.Audience}, nil
}

// made is a token as --json prints it.
type made struct {
	Token   string    `json:"token"`
	User    string    `json:"user"`
	ID      string    `json:"id"`
	Expires time.Time `json:"expires,omitzero"`
}

func (f *claimFlags) print(w io.Writer, token string, id *auth.Identity) error {
	if !f.json {
		_, err := fmt.Fprintln(w, token)
		return err
	}
	return json.NewEncoder(w).Encode(made{token, id.User, id.ID, id.Expiry.UTC().Truncate(time.Second)})
}

func genTokenCommand() *cobra.Command {
	var f claimFlags
	var rooms []string
	cmd := &cobra.Command{
		Use:   "gentoken",
		Short: "Make a connection token",
		Long: "Gentoken signs a connection token with the HMAC secret of the configuration. Its id can be revoked through\n" +
			"the HTTP API; --json prints it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.signer(false)
			if err != nil {
				return err
			}
			claims := auth.ConnectClaims{Identity: f.identity(time.Now()), Info: []byte(f.info)}
			for _, room := range rooms {
				claims.Subs = append(claims.Subs, auth.Sub{Channel: room})
			}
			token, err := s.Connect(claims)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), token, &claims.Identity)
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringArrayVar(&rooms, "channel", nil, "`room` that the client is put into; may be repeated")
	return cmd
}

func genSubTokenCommand() *cobra.Command {
	var f claimFlags
	var claims auth.SubscribeClaims
	cmd := &cobra.Command{
		Use:   "gensubtoken --channel ROOM",
		Short: "Make a subscription token",
		Long:  "Gensubtoken signs a token that lets one user into one room, with the HMAC secret of the configuration.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.signer(true)
			if err != nil {
				return err
			}
			if claims.Channel == "" {
				return errors.New("--channel: missing; write the room that the token is for")
			}
			claims.Identity, claims.Info = f.identity(time.Now()), []byte(f.info)
			token, err := s.Subscribe(claims)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), token, &claims.Identity)
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&claims.Channel, "channel", "", "`room` that the token is for")
	cmd.Flags().StringVar(&claims.Client, "client", "", "`id` of the only connection that may use it")
	return cmd
}

func checkTokenCommand() *cobra.Command {
	return checkCommand("checktoken", "connection", false, func(v *auth.Verifier, token []byte) error {
		_, err := v.Connect(token, time.Now())
		return err
	})
}

func checkSubTokenCommand() *cobra.Command {
	return checkCommand("checksubtoken", "subscription", true, func(v *auth.Verifier, token []byte) error {
		_, err := v.Subscribe(token, time.Now())
		return err
	})
}

// checkCommand explains a token and says whether a node believes it.
func checkCommand(name, kind string, subscription bool, verify func(*auth.Verifier, []byte) error) *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   name + " [TOKEN]",
		Short: "Say what is in a " + kind + " token, and whether it is good",
		Long: strings.ToUpper(name[:1]) + name[1:] + " reads a token from its argument, or from standard input, where no list of processes shows\n" +
			"it. The exit status is 1 if a node with this configuration would refuse it.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := readToken(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			v, err := f.verifier(subscription)
			if err != nil {
				return err
			}
			return f.judge(cmd.OutOrStdout(), token, verify(v, token))
		},
	}
	f.add(cmd.Flags())
	return cmd
}

// readToken returns the argument, or what there is to read.
func readToken(in io.Reader, args []string) ([]byte, error) {
	var token string
	if len(args) > 0 && args[0] != "-" {
		token = args[0]
	} else {
		all, err := io.ReadAll(io.LimitReader(in, 2*auth.MaxToken))
		if err != nil {
			return nil, err
		}
		token = string(all)
	}
	if token = strings.TrimSpace(token); token == "" {
		return nil, errors.New("no token; write it as an argument, or to standard input")
	}
	return []byte(token), nil
}

func (f *tokenFlags) verifier(subscription bool) (*auth.Verifier, error) {
	keys, section, err := f.load(subscription)
	if err != nil {
		return nil, err
	}
	if !keys.HasKeys() {
		return nil, fmt.Errorf("%s: no key in it could check a token; name a file that has one by --config", section)
	}
	return auth.New(keys)
}

// verdict is what --json prints of a token.
type verdict struct {
	Good  bool              `json:"good"`
	Why   string            `json:"why,omitempty"` // not
	Token *auth.Explanation `json:"token,omitempty"`
}

// judge prints what is in a token, and what a verifier has said of it.
func (f *tokenFlags) judge(w io.Writer, token []byte, refusal error) error {
	v := verdict{Good: refusal == nil}
	if refusal != nil {
		v.Why = refusal.Error()
	}
	if e, err := auth.Explain(token); err == nil {
		v.Token = &e
	}
	if err := f.printVerdict(w, &v); err != nil {
		return err
	}
	if refusal != nil {
		return failure{refusal}
	}
	return nil
}

func (f *tokenFlags) printVerdict(w io.Writer, v *verdict) error {
	if f.json {
		return json.NewEncoder(w).Encode(v)
	}
	text := "refused\n"
	if v.Good {
		text = "good\n"
	}
	if v.Token != nil {
		text = plain(v.Token.String()) + text
	}
	_, err := io.WriteString(w, text)
	return err
}

// plain returns text without what would move a terminal's cursor.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

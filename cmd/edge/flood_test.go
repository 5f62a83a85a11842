package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/bench"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// runFlood runs edge flood with args.
func runFlood(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	c := floodCommand()
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&errs)
	err = c.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func TestFloodUsage(t *testing.T) {
	for args, says := range map[string]string{
		"fanout --rooms 0":                   "--rooms 0",
		"echo --payload 0":                   "--payload 0",
		"echo --payload 3":                   "--payload 3",
		"echo --pipeline 0":                  "--pipeline 0",
		"idle --publishers 0":                "--publishers 0",
		"churn --drain 0":                    "--drain 0",
		"churn --connections 0":              "--connections 0",
		"churn --rate 5":                     "--rate",
		"idle --target nonsense":             `"nonsense"`,
		"idle --private-fd-tables sometimes": "sometimes",
		"fanout --rate 0":                    "--rate 0",
		"fanout --publish-via pigeon":        "pigeon",
		"fanout --publish-via api":           "http://127.0.0.1:9000",
		"fanout --protocol mqtt":             `"mqtt"`,
		"echo --duration -1s":                "--duration -1s",
		"idle --hold -1s":                    "--hold -1s",
		"storm --storms 0":                   "--storms 0",
		"storm --share 0":                    "--share 0",
		"storm --share 2":                    "--share 2",
		"storm --drop softly":                "softly",
		"storm --return sometime":            "sometime",
		"slow --mode lazy":                   "lazy",
		"slow --trickle 0":                   "--trickle 0",
		"slow --rate 0":                      "--rate 0",
		"echo somewhere":                     "somewhere",
		"idle --report /no/such/a.html":      "--report /no/such/a.html",
		"idle --svg /dev/null/plots":         "--svg /dev/null/plots",
		"mix --mix /nowhere.yaml":            "/nowhere.yaml",
		"mix --day -1h":                      "--day -1h",
		"mix --seed 0":                       "--seed 0",
		"idle --insecure":                    "wss://",
		"idle --target u:p@127.0.0.1:1":      "leave out the user",
		"mix --rooms 5":                      "--rooms",
		"soak --faults -1s":                  "--faults -1s",
		"soak --fault-share 2":               "--fault-share 2",
		"soak --internal 127.0.0.1:9000":     "http://127.0.0.1:9000",
	} {
		out, _, err := runFlood(t, strings.Fields(args)...)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("edge flood %s: %v; want one line that says %s, and exit code %d", args, err, says, exitUsage)
		}
		if out != "" {
			t.Errorf("edge flood %s prints %q", args, out)
		}
	}
}

// A run that fails prints its report all the same: with --json one object and nothing else.
func TestFloodThatFails(t *testing.T) {
	args := []string{"idle", "--connections", "3", "--probe", "0", "--target", testutil.Nobody + "," + testutil.Nobody}
	table, _, err := runFlood(t, args...)
	if exitCode(err) != exitNo || !strings.HasPrefix(table, "verdict ") {
		t.Errorf("flood without a server: exit code %d, %v, table\n%s", exitCode(err), err, table)
	}
	object, _, err := runFlood(t, append(args, "--json")...)
	var r bench.Report
	if bad := json.Unmarshal([]byte(object), &r); bad != nil || exitCode(err) != exitNo || r.Failed != 3 || len(r.Targets) != 2 {
		t.Errorf("flood --json without a server: exit code %d, %v, %v, object\n%s", exitCode(err), err, bad, object)
	}
}

// What --print shows is a file for --mix; one that is wrong is refused before anything is done.
func TestFloodMixFile(t *testing.T) {
	text, _, err := runFlood(t, "mix", "--print")
	if err != nil || !strings.Contains(text, "\nclasses:") {
		t.Fatalf("flood mix --print: %v\n%s", err, text)
	}
	again, _, err := runFlood(t, "mix", "--print", "--mix", configFile(t, text))
	if err != nil || again != text {
		t.Errorf("flood mix --print --mix of what it prints: %v\n%s", err, again)
	}
	_, _, err = runFlood(t, "mix", "--mix", configFile(t, strings.Replace(text, "popularity:", "popularty:", 1)))
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "did you mean popularity?") {
		t.Errorf("flood mix with a wrong key: %v; want a word of the right one", err)
	}
}

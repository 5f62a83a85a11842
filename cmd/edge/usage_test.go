package main

import (
	"strings"
	"testing"
)

// Each mistake on a command line is answered with what to write in its place.
func TestUsageSaysWhatToWrite(t *testing.T) {
	for _, r := range []struct{ args, want string }{
		{"serv", `unknown command "serv" for "edge"; did you mean serve?`},
		{"chekconfig x.yaml", `unknown command "chekconfig" for "edge"; did you mean checkconfig?`},
		{"flood eco", `unknown command "eco" for "edge flood"; did you mean echo?`},
		{"everything", `unknown command "everything" for "edge"; edge --help lists all`},
		{strings.Repeat("a", 200), `; edge --help lists all`},
		{"help serv", `unknown command "serv" for "edge"; did you mean serve?`},
		{"help flood eco", `unknown command "eco" for "edge flood"; did you mean echo?`},
		{"completion bassh", `unknown command "bassh" for "edge completion"; did you mean bash?`},
		{"completion bash more", `unknown command "more" for "edge completion bash"; write edge completion bash`},
		{"--addrss=:1", `unknown flag: --addrss; did you mean --address?`},
		{"serve --confg=x", `unknown flag: --confg; did you mean --config?`},
		{"tune --conections=1", `unknown flag: --conections; did you mean --connections?`},
		{"version --everything", `unknown flag: --everything; edge version --help lists all`},
		{"-x", `unknown shorthand flag: 'x' in -x; edge --help lists all`},
		{"checkconfig", `accepts 1 arg(s), received 0; write edge checkconfig FILE [flags]`},
		{"checktoken a b", `accepts at most 1 arg(s), received 2; write edge checktoken [TOKEN] [flags]`},
		{"version more", `unknown command "more" for "edge version"; write edge version [flags]`},
		{"rebalance --to=many", `--to: "many" is not a whole number`},
		{"flood soak --seed=x", `--seed: "x" is not a whole number`},
		{"flood storm --share=half", `--share: "half" is not a number`},
		{"flood echo --insecure=maybe", `--insecure: "maybe" is neither true nor false`},
		{"top --interval=3", `--interval: "3" is not a duration; write a time such as 500ms, 30s or 2m`},
	} {
		c := rootCommand()
		c.SetArgs(strings.Fields(r.args))
		err := c.Execute()
		if err == nil || !strings.HasSuffix(err.Error(), r.want) || exitCode(err) != exitUsage {
			t.Errorf("edge %.40s: %v; want an error of usage that ends in %q", r.args, err, r.want)
		}
	}
}

// No command's help shows a default that is none.
func TestHelpHasNoEmptyDefaults(t *testing.T) {
	for _, c := range rootCommand().Commands() {
		if strings.Contains(c.UsageString(), "(default )") {
			t.Errorf("edge %s --help has an empty default:\n%s", c.Name(), c.UsageString())
		}
	}
}

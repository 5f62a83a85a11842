package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// modulePath is edge's module.
const modulePath = "github.com/seed4ac54ce5/edge"

// binaries are the programs that servers and the flooder run from; empty until they are built.
type binaries struct {
	edge, base, baseline, peers string
	node                        string // the folder of the servers for Node
}

// prepare builds in dir what the servers and the flooder need, and returns the servers that can run, and why others cannot.
func (p *plan) prepare(ctx context.Context, dir string, chosen []*kind) (able []*kind, skipped []string, err error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	builds := map[string]func() error{
		needsEdge:     func() error { return build(ctx, &p.edge, dir, root, modulePath+"/cmd/edge") },
		needsBaseline: func() error { return build(ctx, &p.baseline, dir, root, modulePath+"/bench/baseline") },
		needsPeers:    func() error { return build(ctx, &p.peers, dir, filepath.Join(root, "bench/peers"), ".") },
		needsNode:     func() error { return p.installNode(ctx, filepath.Join(root, "bench/peers/node")) },
	}
	done := make(map[string]error)
	ensure := func(need string) error {
		if _, ok := done[need]; !ok {
			done[need] = builds[need]()
		}
		return done[need]
	}
	if err := ensure(needsEdge); err != nil {
		return nil, nil, err // there is no flooder
	}
	for _, k := range chosen {
		if err := ensure(k.needs); err != nil {
			skipped = append(skipped, k.name+": "+err.Error())
			continue
		}
		able = append(able, k)
	}
	return able, skipped, ctx.Err()
}

// moduleRoot returns the folder with edge's go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w: run it inside edge's tree", modulePath, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build compiles a package, as seen from the folder at, unless path names a binary already.
func build(ctx context.Context, path *string, dir, at, pkg string) error {
	if *path != "" {
		return nil
	}
	to := filepath.Join(dir, filepath.Base(filepath.Join(at, pkg)))
	if out, err := exec.CommandContext(ctx, "go", "-C", at, "build", "-o", to, pkg).CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	*path = to
	return nil
}

// installNode installs the packages of the servers for Node where that has not been done.
func (p *plan) installNode(ctx context.Context, folder string) error {
	p.node = folder
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not found", tool)
		}
	}
	if exec.CommandContext(ctx, "npm", "ls", "--prefix", folder).Run() == nil {
		return nil
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}

package config

import (
	"maps"
	"slices"

	"github.com/seed4ac54ce5/edge/server"
)

// Change is a key whose value differs between two configurations.
type Change struct {
	Key      string
	From, To string // as YAML, without secrets; both empty if a namespace has come or gone
	What     string // says it in a line: client.ping_interval: 25s, now 10s
	Live     bool   // a reload is enough
}

// Reloaded returns c with what next says of live keys, and all that differs. The error is Problems: where the live
// keys of next contradict what holds until a restart.
func (c *Config) Reloaded(next *Config) (*Config, []Change, error) {
	merged := *c
	merged.origins = maps.Clone(c.origins)
	var changes []Change
	for _, k := range keys {
		if k.Live {
			merged.origins[k.Path] = next.origin(k.Path)
		}
		if k.same(&c.settings, &next.settings) {
			continue
		}
		changes = append(changes, changesOf(k, &c.settings, &next.settings)...)
		if k.Live {
			k.copy(&merged.settings, &next.settings)
		}
	}
	return &merged, changes, check(&merged.settings, nil).orNil()
}

// changesOf returns how a key differs.
func changesOf(k key[settings], was, now *settings) []Change {
	if k.Path == namespaces {
		return namespaceChanges(was.node.Rooms.Namespaces, now.node.Rooms.Namespaces)
	}
	return []Change{changed(k.Path, k.shown(was), k.shown(now), k.Live)}
}

// changed is the change of a key's value. Where both look the same it is secret, or in a file.
func changed(path, from, to string, live bool) Change {
	what := path + ": " + from + ", now " + to
	if from == to {
		what = path + ": " + from + ", now another"
	}
	return Change{Key: path, From: from, To: to, What: what, Live: live}
}

// namespaceChanges returns how two lists of namespaces differ, whatever their order.
func namespaceChanges(was, now []server.Namespace) (changes []Change) {
	for i := range was {
		if indexOf(now, was[i].Name) < 0 {
			changes = append(changes, comeOrGone(was[i].Name, "removed"))
		}
	}
	for i := range now {
		j := indexOf(was, now[i].Name)
		if j < 0 {
			changes = append(changes, comeOrGone(now[i].Name, "added"))
			continue
		}
		for _, k := range roomKeys {
			if from, to := k.text(&was[j].RoomOptions), k.text(&now[i].RoomOptions); from != to {
				changes = append(changes, changed(join(entryPath(now[i].Name), k.Path), from, to, live))
			}
		}
	}
	return changes
}

func comeOrGone(name, what string) Change {
	return Change{Key: entryPath(name), What: entryPath(name) + ": " + what, Live: live}
}

// indexOf returns the place of the namespace of this name, -1 if there is none.
func indexOf(all []server.Namespace, name string) int {
	return slices.IndexFunc(all, func(n server.Namespace) bool { return n.Name == name })
}

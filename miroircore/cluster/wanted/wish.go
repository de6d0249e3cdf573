package wanted

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// Action is what a wish is about.
type Action string

// The actions.
const (
	Add         Action = "add"
	Drain       Action = "drain"
	Undrain     Action = "undrain"
	Remove      Action = "remove"
	Replace     Action = "replace"
	AddGroup    Action = "add group"
	RemoveGroup Action = "remove group"
	SetCopies   Action = "set copies"
)

// Wish is a change that an operator asks for.
type Wish struct {
	Action Action
	// ID is the node's, or the group's.
	ID string
	// Group and URL say where a node that is added belongs and lies; URL is also
	// the new address of one that is replaced.
	Group, URL string
	// As is the id of the node that takes the place of a replaced one; empty
	// keeps the id.
	As string
	// Nodes are the nodes of a group that is added.
	Nodes []Named
	// Copies is the number of copies inside each group.
	Copies int
	// Force does it even if something is lost by it.
	Force bool
}

// Named is a node of a new group.
type Named struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// Outcome is what became of a wish that was granted.
type Outcome struct {
	// Changed is false where everything was as wished before.
	Changed bool
	// Said is what happens now, in words.
	Said string
	// Lost says what is given up, where it was forced.
	Lost []string
	// Forsaken are the nodes whose only copies are given up.
	Forsaken []string
}

// RefusalError is why a wish is not granted.
type RefusalError struct {
	Reason string
	// Needed says what would make it possible.
	Needed string
	// Lost says what forcing it would cost; without, it cannot be forced.
	Lost []string
}

// Error gives reason, remedy and price in one text.
func (r *RefusalError) Error() string {
	text := r.Reason + "."
	if r.Needed != "" {
		text += " " + r.Needed + "."
	}
	if len(r.Lost) > 0 {
		text += " Forced, this would be lost: " + strings.Join(r.Lost, "; ") + "."
	}
	return text
}

// Grant makes a wish come true, or says with a *RefusalError why it cannot. What it
// changes is durable when it returns.
func (b *Book) Grant(config *cluster.Topology, w Wish, facts Facts) (Outcome, error) {
	var out Outcome
	err := b.change(config, func(c *Changes) error {
		before, was := c.topology(config), c.clone()
		said, err := c.wish(config, w)
		if err != nil {
			return err
		}
		out = Outcome{Said: said, Changed: !reflect.DeepEqual(was, c.clone())}
		if !out.Changed && !w.Force {
			return nil
		}
		after := c.topology(config)
		if err := named(after); err != nil {
			return &RefusalError{Reason: err.Error()}
		}
		refusal, forsaken := weigh(w, leaving(w, c.all(config), before, after), before, after, facts)
		if refusal == nil {
			return nil
		}
		if !w.Force || len(refusal.Lost) == 0 {
			return refusal
		}
		// Forced again, it ends what was begun.
		out.Changed = out.Changed || len(forsaken) > 0
		out.Lost, out.Forsaken = refusal.Lost, forsaken
		return nil
	})
	if err != nil {
		return Outcome{}, err
	}
	return out, nil
}

// named refuses ids and addresses that cannot be, or are there twice. How many
// copies there can be is weighed apart.
func named(t *cluster.Topology) error {
	if len(t.Groups) == 0 {
		return nil
	}
	return (&cluster.Topology{Groups: t.Groups, Replication: 1}).Validate()
}

// wish applies a wish to the changes and says in words what happens now.
func (c *Changes) wish(config *cluster.Topology, w Wish) (string, error) {
	switch w.Action {
	case Add:
		return c.add(config, w.ID, w.Group, w.URL)
	case Drain, Remove:
		return c.leave(config, w)
	case Undrain:
		return c.stay(config, w.ID)
	case Replace:
		return c.replace(config, w)
	case AddGroup:
		return c.addGroup(config, w)
	case RemoveGroup:
		return c.removeGroup(config, w.ID)
	case SetCopies:
		if w.Copies < 1 {
			return "", &RefusalError{Reason: fmt.Sprintf("%d copies cannot be kept", w.Copies), Needed: "At least one is needed"}
		}
		c.Copies = &Copies{Count: w.Copies, Instead: config.Replication}
		return fmt.Sprintf("each group is to have %d copies of every shard", w.Copies), nil
	}
	return "", &RefusalError{Reason: fmt.Sprintf("there is no action %q", w.Action)}
}

func (c *Changes) add(config *cluster.Topology, id, group, at string) (string, error) {
	if u, err := url.Parse(at); err != nil || u.Host == "" {
		return "", &RefusalError{Reason: fmt.Sprintf("the address %q of node %s cannot be read", at, id), Needed: "It is scheme, host and port, as http://10.0.0.4:7700"}
	}
	at = strings.TrimSuffix(at, "/")
	all := c.all(config)
	if group == "" && len(all.Groups) == 1 {
		group = all.Groups[0].ID
	}
	if group == "" {
		return "", &RefusalError{Reason: "node " + id + " has no group", Needed: "Name one: " + groupNames(all)}
	}
	if !slices.ContainsFunc(all.Groups, func(g cluster.Group) bool { return g.ID == group }) {
		return "", &RefusalError{Reason: "there is no group " + group, Needed: "There are " + groupNames(all) + "; a new group is added with all its nodes (`caddy miroir group add`)"}
	}
	if there, ok := all.Node(id); ok {
		switch {
		case there.Group != group:
			return "", &RefusalError{Reason: fmt.Sprintf("node %s is in group %s", id, there.Group), Needed: "Choose another id, or remove it there first"}
		case there.URL.String() != at:
			return "", &RefusalError{Reason: fmt.Sprintf("node %s is there, at %s", id, there.URL.Redacted()), Needed: "Choose another id, or change its address (`caddy miroir node replace`)"}
		}
		delete(c.Leaving, id)
		return fmt.Sprintf("node %s takes part in group %s", id, group), nil
	}
	c.Nodes[id] = Node{Group: group, URL: at}
	return fmt.Sprintf("node %s takes part in group %s: it gets its share of the shards now", id, group), nil
}

func groupNames(t *cluster.Topology) string {
	var names []string
	for _, g := range t.Groups {
		names = append(names, g.ID)
	}
	return strings.Join(names, ", ")
}

func unknown(config *cluster.Topology, c *Changes, id string) error {
	var ids []string
	for _, n := range c.all(config).Nodes() {
		ids = append(ids, n.ID)
	}
	return &UnknownError{fmt.Sprintf("There is no node `%s`. There are: %s.", id, strings.Join(ids, ", "))}
}

// UnknownError is that there is no such node or group.
type UnknownError struct{ text string }

func (u *UnknownError) Error() string { return u.text }

func (c *Changes) leave(config *cluster.Topology, w Wish) (string, error) {
	if _, ok := c.all(config).Node(w.ID); !ok {
		return "", unknown(config, c, w.ID)
	}
	if w.Action == Drain {
		if c.Leaving[w.ID] == Removed {
			return "", &RefusalError{Reason: "node " + w.ID + " is being removed", Needed: "Take that back first (`caddy miroir node undrain`)"}
		}
		c.Leaving[w.ID] = Drained
		return fmt.Sprintf("node %s is drained: its shards move to the other nodes", w.ID), nil
	}
	return c.remove(config, w.ID), nil
}

func (c *Changes) remove(config *cluster.Topology, id string) string {
	if _, named := config.Node(id); !named {
		delete(c.Nodes, id)
		delete(c.Leaving, id)
		return fmt.Sprintf("node %s is removed: it is forgotten once it holds no shard", id)
	}
	c.Leaving[id] = Removed
	return fmt.Sprintf("node %s is removed once it holds no shard; take it out of the Caddyfile too, or it is shown as removed for ever", id)
}

func (c *Changes) stay(config *cluster.Topology, id string) (string, error) {
	if _, ok := c.all(config).Node(id); !ok {
		return "", unknown(config, c, id)
	}
	if c.Leaving[id] == "" {
		return fmt.Sprintf("node %s takes part already", id), nil
	}
	delete(c.Leaving, id)
	return fmt.Sprintf("node %s takes part again: it gets its share of the shards", id), nil
}

func (c *Changes) replace(config *cluster.Topology, w Wish) (string, error) {
	all := c.all(config)
	old, ok := all.Node(w.ID)
	if !ok {
		return "", unknown(config, c, w.ID)
	}
	if w.As != "" && w.As != w.ID {
		if _, taken := all.Node(w.As); taken {
			return "", &RefusalError{Reason: "node " + w.As + " is there already", Needed: "Choose another id"}
		}
		if _, err := c.add(config, w.As, old.Group, w.URL); err != nil {
			return "", err
		}
		c.remove(config, w.ID)
		return fmt.Sprintf("node %s takes the place of %s in group %s: it gets its shards, then %s is forgotten", w.As, w.ID, old.Group, w.ID), nil
	}
	if u, err := url.Parse(w.URL); err != nil || u.Host == "" {
		return "", &RefusalError{Reason: fmt.Sprintf("the address %q cannot be read", w.URL), Needed: "It is scheme, host and port, as http://10.0.0.4:7700"}
	}
	moved := Node{Group: old.Group, URL: strings.TrimSuffix(w.URL, "/")}
	if named, ok := config.Node(w.ID); ok {
		moved.Instead = named.URL.String()
	}
	if moved.Instead == moved.URL {
		delete(c.Nodes, w.ID)
	} else {
		c.Nodes[w.ID] = moved
	}
	said := fmt.Sprintf("node %s is at %s now; where that server's disk is not the one it had, it is rebuilt from the other copies", w.ID, moved.URL)
	if moved.Instead != "" {
		said += "; change the address in the Caddyfile too"
	}
	return said, nil
}

func (c *Changes) addGroup(config *cluster.Topology, w Wish) (string, error) {
	all := c.all(config)
	if slices.ContainsFunc(all.Groups, func(g cluster.Group) bool { return g.ID == w.ID }) {
		for _, n := range w.Nodes {
			if _, err := c.add(config, n.ID, w.ID, n.URL); err != nil {
				return "", err
			}
		}
		return "group " + w.ID + " is there", nil
	}
	if len(w.Nodes) < all.Replication {
		return "", &RefusalError{Reason: fmt.Sprintf("group %s would have %d nodes for %d copies of each shard", w.ID, len(w.Nodes), all.Replication),
			Needed: fmt.Sprintf("Name at least %d nodes, or lower the copies first (`caddy miroir copies`)", all.Replication)}
	}
	for _, n := range w.Nodes {
		if _, taken := all.Node(n.ID); taken {
			return "", &RefusalError{Reason: "node " + n.ID + " is there already", Needed: "Choose another id"}
		}
		if u, err := url.Parse(n.URL); err != nil || u.Host == "" {
			return "", &RefusalError{Reason: fmt.Sprintf("the address %q of node %s cannot be read", n.URL, n.ID), Needed: "It is scheme, host and port, as http://10.0.0.4:7700"}
		}
		c.Nodes[n.ID] = Node{Group: w.ID, URL: strings.TrimSuffix(n.URL, "/")}
	}
	return fmt.Sprintf("group %s is being filled from the others: it is read alone once it is active", w.ID), nil
}

func (c *Changes) removeGroup(config *cluster.Topology, id string) (string, error) {
	all := c.all(config)
	i := slices.IndexFunc(all.Groups, func(g cluster.Group) bool { return g.ID == id })
	if i < 0 {
		return "", &UnknownError{fmt.Sprintf("There is no group `%s`. There are: %s.", id, groupNames(all))}
	}
	inFile := false
	for _, n := range all.Groups[i].Nodes {
		_, named := config.Node(n.ID)
		inFile = inFile || named
		c.remove(config, n.ID)
	}
	said := fmt.Sprintf("group %s is removed: its nodes are emptied and forgotten", id)
	if inFile {
		said += "; take it out of the Caddyfile too"
	}
	return said, nil
}

// leaving lists the nodes that one topology has and a later one has not, and
// those that are to leave by this wish and may have been to leave before.
func leaving(w Wish, all, before, after *cluster.Topology) []string {
	var ids []string
	if _, still := after.Node(w.ID); (w.Action == Remove || w.Action == Drain) && !still {
		ids = append(ids, w.ID)
	}
	was := before.Nodes()
	for _, g := range all.Groups {
		if w.Action == RemoveGroup && g.ID == w.ID {
			was = append(was, g.Nodes...)
		}
	}
	for _, n := range was {
		if _, still := after.Node(n.ID); !still {
			ids = append(ids, n.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

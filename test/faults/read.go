package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// incarnation says whether a physical name may be one of an index.
func incarnation(physical, uid string) bool {
	return physical == uid || strings.HasPrefix(physical, uid+"-")
}

// indexes lists the names of the indexes on a node.
func (n *node) indexes(ctx context.Context) ([]string, error) {
	var page struct{ Results []struct{ UID string } }
	if err := n.direct.ask(ctx, "GET", "/indexes?limit=1000", nil).into(&page); err != nil {
		return nil, err
	}
	var list []string
	for _, ix := range page.Results {
		list = append(list, ix.UID)
	}
	return list, nil
}

// physical is the name that an index has on the node, if it was made under
// that name.
func (n *node) physical(ctx context.Context, made string) (string, error) {
	list, err := n.indexes(ctx)
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(name string) bool { return !incarnation(name, made) })
	if len(list) != 1 {
		return "", fmt.Errorf("it is there as %q", list)
	}
	return list[0], nil
}

// read reads all documents of an index from the node itself.
func (n *node) read(ctx context.Context, physical string) (*copyOf, error) {
	c := &copyOf{docs: make(map[string]document), shards: make(map[int][]string)}
	const size = 1000
	for offset := 0; ; offset += size {
		var page struct{ Results []document }
		path := fmt.Sprintf("/indexes/%s/documents?limit=%d&offset=%d", physical, size, offset)
		if err := n.direct.ask(ctx, "GET", path, nil).into(&page); err != nil {
			return nil, err
		}
		for _, d := range page.Results {
			id, _ := d["id"].(string)
			if c.docs[id] != nil {
				return nil, fmt.Errorf("document %q is there twice", id)
			}
			c.docs[id] = d
			c.shards[shardOf(d)] = append(c.shards[shardOf(d)], id)
		}
		if len(page.Results) < size {
			return c, nil
		}
	}
}

// checkThrough reads the index as a client does.
func (w *workload) checkThrough(ctx context.Context, uid string, want map[string]document) {
	got := make(map[string]document)
	const size = 500
	for offset := 0; ; offset += size {
		var page struct {
			Results []document
			Total   int
		}
		path := fmt.Sprintf("/indexes/%s/documents?limit=%d&offset=%d", uid, size, offset)
		if err := w.ask.ask(ctx, "GET", path, nil).into(&page); err != nil {
			w.record.violate("documents of %s through the gateway: %s", uid, err)
			return
		}
		if page.Total != len(want) {
			w.record.violate("%s has %d documents through the gateway, not %d", uid, page.Total, len(want))
			return
		}
		for _, d := range page.Results {
			id, _ := d["id"].(string)
			if got[id] != nil {
				w.record.violate("%s: the gateway lists %s twice", uid, id)
			}
			got[id] = d
		}
		if len(page.Results) < size {
			break
		}
	}
	if digest(got, maps.Keys(got)) != digest(want, maps.Keys(want)) {
		w.record.violate("%s: documents through the gateway are not the model's", uid)
	}
}

// checkIndexes looks that no node has an index that nobody knows.
func (w *workload) checkIndexes(ctx context.Context) {
	for _, n := range w.fleet.nodes {
		list, err := n.indexes(ctx)
		if err != nil {
			w.record.violate("indexes on %s: %s", n.id, err)
			continue
		}
		for _, name := range list {
			if incarnation(name, cycle) && !w.cycler.exists {
				w.verdict.resurrected++
				w.record.violate("index %s was deleted and lies on %s as %s", cycle, n.id, name)
			}
		}
	}
	a := w.ask.ask(ctx, "GET", "/indexes/"+cycle, nil)
	if a.err != nil || (a.status == 200) != w.cycler.exists {
		w.record.violate("index %s should exist: %t; answer %s", cycle, w.cycler.exists, a)
	}
}

// checkSettings compares the settings with the last ones acknowledged, and the
// nodes' with each other.
func (w *workload) checkSettings(ctx context.Context) {
	var got map[string]any
	if err := w.ask.ask(ctx, "GET", "/indexes/"+index+"/settings", nil).into(&got); err != nil {
		w.record.violate("settings: %s", err)
		return
	}
	for name, value := range w.tuner.wanted {
		if text(got[name]) != text(value) {
			w.record.violate("setting %s is %s, not %s", name, text(got[name]), text(value))
		}
	}
	first := ""
	for _, n := range w.fleet.nodes {
		var own map[string]any
		if err := n.direct.ask(ctx, "GET", "/indexes/"+index+"/settings", nil).into(&own); err != nil {
			w.record.violate("settings on %s: %s", n.id, err)
			continue
		}
		if first == "" {
			first = text(own)
		} else if first != text(own) {
			w.record.violate("settings on %s differ: %s and %s", n.id, text(own), first)
		}
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// checkTasks looks that each acknowledged write is one task, that it ended as
// it had to, and that no task is listed twice.
func (w *workload) checkTasks(ctx context.Context) {
	status := make(map[int64]string)
	path := "/tasks?limit=1000"
	for next := path; next != ""; {
		var page taskPage
		a := w.ask.ask(ctx, "GET", next, nil)
		if err := a.into(&page); err != nil {
			w.record.violate("tasks: %s", err)
			return
		}
		for _, t := range page.Results {
			if _, twice := status[t.UID]; twice {
				w.record.violate("task %d is listed twice", t.UID)
			}
			status[t.UID] = t.Status
			w.record.status(t.UID, t.Status, a.began)
			if !final(t.Status) {
				w.verdict.unended++
				w.record.violate("task %d is %s in the end", t.UID, t.Status)
			}
		}
		next = ""
		if page.Next != nil {
			next = fmt.Sprintf("%s&from=%d", path, *page.Next)
		}
	}
	w.verdict.tasks = len(status)
	seen := make(map[int64]string)
	for _, a := range w.record.acked {
		if other, twice := seen[a.uid]; twice {
			w.record.violate("task %d is that of two writes, %s and %s", a.uid, other, a.what)
		}
		seen[a.uid] = a.what
		wanted := "succeeded"
		if a.fails {
			wanted = "failed"
		}
		if status[a.uid] != wanted {
			w.record.violate("task %d of an acknowledged write (%s) is %q, not %s", a.uid, a.what, status[a.uid], wanted)
		}
	}
}

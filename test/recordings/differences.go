package recordings

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Known lists steps that may differ, by scenario and step, each with its reason.
type Known map[string]map[int]string

// ReadKnown reads a list of known differences: one a line, "scenario step
// reason"; empty lines and lines that start with # are left out. A file that is
// not there is an empty list.
func ReadKnown(path string) (Known, error) {
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	known := Known{}
	for number, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) < 3 || strings.TrimSpace(fields[2]) == "" {
			return nil, fmt.Errorf("%s, line %d: wants a scenario, a step and a reason", path, number+1)
		}
		step, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number+1, err)
		}
		if _, err := fs.Stat(data, "data/"+fields[0]+".jsonl"); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number+1, err)
		}
		if known[fields[0]] == nil {
			known[fields[0]] = map[int]string{}
		}
		known[fields[0]][step] = fields[2]
	}
	return known, nil
}

// sometimes begins the reason of a step that differs only where a choice goes
// one way, as that of the group that a search asks.
const sometimes = "at times: "

// Check fails t for each difference that is not known and for each known one
// that is no longer there: a list that only grows would soon excuse anything.
// Steps that differ at times only need not differ.
func (r Report) Check(t T, known Known) {
	t.Helper()
	expected := known[r.Scenario]
	seen := map[int]bool{}
	for _, d := range r.Differences {
		seen[d.Step] = true
		if _, found := expected[d.Step]; !found {
			t.Errorf("%s", d)
		}
	}
	for step, reason := range expected {
		if !seen[step] && !strings.HasPrefix(reason, sometimes) {
			t.Errorf("%s %d no longer differs: take it off the list (%s)", r.Scenario, step, reason)
		}
	}
}

package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/adopt"
)

// importView shows an import to people, or as JSON.
type importView struct {
	out, progress io.Writer
	json          bool
}

func (v importView) plan(from string, p *adopt.Plan) error {
	if v.json {
		return writeJSON(v.out, map[string]any{"plan": p})
	}
	var documents uint64
	for _, ix := range p.Indexes {
		documents += ix.Documents
	}
	fmt.Fprintf(v.out, "from %s, Meilisearch %s: %s, %s\nto this fleet, Meilisearch %s\n", from, p.Source,
		many(uint64(len(p.Indexes)), "index", "indexes"), many(documents, "document", "documents"), p.Target)
	if len(p.Features) > 0 {
		fmt.Fprintf(v.out, "experimental features to turn on: %s\n", strings.Join(p.Features, ", "))
	}
	if len(p.Keys) > 0 {
		fmt.Fprintf(v.out, "API keys to make or to rename: %d\n", len(p.Keys))
	}
	t := tabwriter.NewWriter(v.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nINDEX\tPRIMARY KEY\tDOCUMENTS\tHERE\tSETTINGS THAT DIFFER")
	for _, ix := range p.Indexes {
		here := "-"
		if !ix.New {
			here = grouped(ix.Here)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", ix.UID, orDash(ix.PrimaryKey), grouped(ix.Documents), here, orDash(strings.Join(ix.Settings, ", ")))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(v.out)
	return errors.Join(list(v.out, "note: ", p.Notes), list(v.out, "! ", p.Problems))
}

func (v importView) report(r *adopt.Report) error {
	if v.json {
		return writeJSON(v.out, map[string]any{"report": r})
	}
	if len(r.Features) > 0 {
		fmt.Fprintf(v.out, "experimental features turned on: %s\n", strings.Join(r.Features, ", "))
	}
	if r.Keys > 0 {
		fmt.Fprintf(v.out, "API keys made or renamed: %d\n", r.Keys)
	}
	t := tabwriter.NewWriter(v.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "INDEX\tDOCUMENTS\tSENT\tDELETED\tREFUSED\tTIME\tDIGEST\tRESULT")
	for _, ix := range r.Indexes {
		result := "equal"
		if !ix.Equal {
			result = orDash(ix.Said)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%.12s\t%s\n", ix.UID, grouped(ix.Target.Count), grouped(ix.Sent), grouped(ix.Deleted),
			ix.Refused, ix.Took.Round(100*time.Millisecond), ix.Target.Digest(), result)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, ix := range r.Indexes {
		for _, refused := range ix.Refusals {
			fmt.Fprintf(v.out, "! index %s: document %s: %s\n", ix.UID, refused.ID, refused.Reason)
		}
		if more := ix.Refused - len(ix.Refusals); more > 0 {
			fmt.Fprintf(v.out, "! index %s: and %d more\n", ix.UID, more)
		}
	}
	return list(v.out, "note: ", r.Notes)
}

func list(out io.Writer, mark string, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, mark+line); err != nil {
			return err
		}
	}
	return nil
}

// grouped writes a number with its thousands apart.
func grouped(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func many(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + more
}

// progress shows how far an import is: on a terminal in one line that changes,
// elsewhere in a line now and then.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration
	now      func() time.Time

	mu    sync.Mutex // both sides are told of
	last  time.Time
	stage string
	drawn bool
}

const (
	everyTerminal = 200 * time.Millisecond
	everyLine     = 10 * time.Second
)

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, every: everyLine, now: time.Now}
	if file, ok := out.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.terminal, p.every = true, everyTerminal
		}
	}
	return p
}

// event shows one event, if it is something new or the last one was long ago.
// Where lines stay, new is an index whose documents are begun with.
func (p *progress) event(e adopt.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stage, now := e.Index+" "+string(e.Stage), p.now()
	news := stage != p.stage && (p.terminal || e.Stage == adopt.Documents && e.Done == 0)
	if !news && now.Sub(p.last) < p.every {
		return
	}
	p.stage, p.last = stage, now
	line := eventLine(e)
	if !p.terminal {
		fmt.Fprintln(p.out, line)
		return
	}
	fmt.Fprintf(p.out, "\r\x1b[K%.100s", line) // one that wraps could not be taken away
	p.drawn = true
}

// clear takes the line away that a terminal shows.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

func eventLine(e adopt.Event) string {
	if e.Stage == adopt.Waiting {
		return fmt.Sprintf("waiting for %s: %v", e.Side, e.Err)
	}
	if e.Stage == adopt.Settings {
		return e.Index + ": settings"
	}
	line := fmt.Sprintf("%s: %s, %s of %s", e.Index, e.Stage, grouped(e.Done), grouped(e.Total))
	if e.Stage == adopt.Documents {
		line += ", " + grouped(e.Sent) + " sent"
	}
	if e.Rate > 0 {
		line += fmt.Sprintf(", %s a second", grouped(uint64(e.Rate)))
	}
	if e.Left > time.Second {
		line += ", " + e.Left.Round(time.Second).String() + " left"
	}
	return line
}

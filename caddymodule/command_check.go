package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore/antientropy"
)

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [--now [--content]] [--json]",
		Short: "Shows how copies were last compared, or has them compared now",
		Long: `Shows when the copies of shards were last compared with each other, and what was
found and put right. With --now they are compared now, by ids and versions, and
with --content everything in them; the command does not wait for the end.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().Bool("now", false, "Compare now")
	cmd.Flags().Bool("content", false, "With --now: compare the contents, too")
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		flags := caddycmd.Flags{FlagSet: cmd.Flags()}
		if flags.Bool("content") && !flags.Bool("now") {
			return fmt.Errorf("--content needs --now")
		}
		cmd.SilenceUsage = true
		method, body := http.MethodGet, any(nil)
		if flags.Bool("now") {
			method, body = http.MethodPost, map[string]bool{"content": flags.Bool("content")}
		}
		answer, err := askAdmin(flags, method, "check", body)
		if err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), flags, answer, printCheck)
	}
	return cmd
}

func printCheck(out io.Writer, report *antientropy.Report) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "copies\t%s\n", checkText(report))
	if report.Asked {
		fmt.Fprintln(t, "asked\ta comparison begins as soon as none is under way")
	}
	if n := report.Now; n != nil {
		fmt.Fprintf(t, "now\t%s pass since %s: index %s, %d of %d shards, %.0f documents a second\n", n.Pass, since(&n.Began), orDash(n.Index), n.Done, n.Shards, n.Rate)
	}
	fmt.Fprintf(t, "next\tfast %s, content %s\n", since(report.Fast.Next), since(report.Content.Next))
	fmt.Fprintln(t, "\nINDEX\tPASS\tENDED\tSHARDS\tSKIPPED\tDOCUMENTS\tA SECOND\tDIFFERENT\tCOPIED\tDELETED\tREBUILT\tLEFT")
	for _, ix := range report.Indexes {
		for _, pass := range []struct {
			name string
			r    *antientropy.Result
		}{{antientropy.Fast, ix.Fast}, {antientropy.Content, ix.Content}} {
			if r := pass.r; r != nil {
				fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%.0f\t%d\t%d\t%d\t%d\t%d\n", ix.Index, pass.name, since(&r.Ended), r.Shards, r.Skipped,
					r.Documents, r.Rate(), r.Different, r.Copied, r.Deleted, r.Rebuilt, r.Left)
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return printProblems(out, report.Problems)
}

// checkText says in a line how comparing copies stands.
func checkText(report *antientropy.Report) string {
	text := map[string]string{
		antientropy.Idle: "compared on schedule", antientropy.Comparing: "being compared",
		antientropy.Elsewhere: "another gateway compares", antientropy.Off: "compared only when asked for",
	}[report.State]
	for _, pass := range []struct {
		name string
		at   *time.Time
	}{{"fast", report.Fast.Last}, {"content", report.Content.Last}} {
		if pass.at != nil {
			text += fmt.Sprintf(", %s pass complete %s", pass.name, since(pass.at))
		}
	}
	different := 0
	for _, ix := range report.Indexes {
		if r := ix.Latest(); r != nil {
			different += r.Different
		}
	}
	return text + fmt.Sprintf(", %d documents differed", different)
}

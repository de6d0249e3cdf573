package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore/rebalance"
)

func rebalanceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rebalance", Short: "Shows, pauses and resumes the moving of shards"}
	cmd.AddCommand(
		rebalanced("status", "Shows what is being moved, how fast, and what cannot be", "", http.MethodGet, ""),
		rebalanced("pause", "Stops moving shards", `Stops moving shards, now and after a restart, until "resume". What is under way is
given up; what was copied of it is made use of later. Copies that are out of order
are not made anew meanwhile, either.`, http.MethodPost, "/pause"),
		rebalanced("resume", "Goes on moving shards", "", http.MethodPost, "/resume"))
	return cmd
}

// rebalanced makes a command that shows how things stand once the server has
// done what it says.
func rebalanced(use, short, long, method, suffix string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs}
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		flags := caddycmd.Flags{FlagSet: cmd.Flags()}
		answer, err := askAdmin(flags, method, "rebalance"+suffix, nil)
		if err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), flags, answer, printRebalance)
	}
	return cmd
}

func printRebalance(out io.Writer, report *rebalance.Report) error {
	if _, err := fmt.Fprintln(out, stateText(report)); err != nil {
		return err
	}
	if err := printMoves(out, report.Moves); err != nil {
		return err
	}
	return printProblems(out, report.Problems)
}

// stateText says what the rebalancer does.
func stateText(report *rebalance.Report) string {
	text := map[string]string{
		rebalance.Idle:      "every shard is where it is wanted",
		rebalance.Moving:    "shards are being moved",
		rebalance.Waiting:   "something is left to do and cannot be done now",
		rebalance.Paused:    "moving shards is paused: `caddy miroir rebalance resume` goes on",
		rebalance.Elsewhere: "another gateway moves shards",
	}[report.State]
	if text == "" {
		text = report.State
	}
	if report.Leftover > 0 {
		text += fmt.Sprintf("; %d shards may have documents on nodes that are not theirs, to be deleted", report.Leftover)
	}
	return text
}

// printMoves shows which nodes are being filled with shards.
func printMoves(out io.Writer, moves []rebalance.Move) error {
	if len(moves) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nFILLING\tINDEX\tFROM\tSHARDS\tDOCUMENTS\tA SECOND\tLEFT")
	for _, m := range moves {
		left := "-"
		if m.SecondsLeft != nil {
			left = time.Duration(*m.SecondsLeft * float64(time.Second)).Round(time.Second).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d of %d\t%d\t%.0f\t%s\n", m.Node, m.Index, orDash(m.From), m.Done, m.Shards, m.Documents, m.Rate, left)
	}
	return t.Flush()
}

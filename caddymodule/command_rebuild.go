package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore/api"
)

func rebuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rebuild [--yes] [--force] [--json]", Short: "Makes a lost state of the gateway anew from its nodes", Args: cobra.NoArgs,
		Long: `Makes the gateway's state anew from what its nodes hold, where it was lost (the
gateway starts on an empty one, and refuses its nodes as another fleet's) or is
older than what was done since (as after an older backup was restored). A backup
of yesterday and then this is better than this alone: keys, webhooks and finished
tasks are in the backup only.

Without --yes nothing is changed, and what would come of it is said. Copies of
which some missed writes are found out by comparing them, and made anew from the
others. No other gateway of the fleet may run meanwhile or afterwards. With
--force it goes on without the nodes that do not answer.`,
	}
	cmd.Flags().Bool("yes", false, "Change the state")
	cmd.Flags().Bool("force", false, "Go on without the nodes that do not answer")
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		flags := caddycmd.Flags{FlagSet: cmd.Flags()}
		answer, err := askAdmin(flags, http.MethodPost, "rebuild", api.RebuildWish{Consent: flags.Bool("yes"), Force: flags.Bool("force")})
		if err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), flags, answer, printRebuilt)
	}
	return cmd
}

func printRebuilt(out io.Writer, r *api.Rebuilt) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "INDEX\tDOCUMENTS\tSHARDS\tNODES\tTO BE MADE ANEW ON")
	for _, ix := range r.Indexes {
		fmt.Fprintln(t, strings.Join([]string{ix.UID, strconv.Itoa(ix.Documents), strconv.Itoa(ix.Shards),
			orDash(strings.Join(ix.Nodes, ", ")), orDash(strings.Join(ix.Stale, ", "))}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "- %s\n", note)
	}
	for _, lost := range r.Lost {
		fmt.Fprintf(&b, "! lost: %s\n", lost)
	}
	fmt.Fprintf(&b, "\n%s.\n", r.Message)
	if !r.Changed {
		b.WriteString("With --yes it is done.\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

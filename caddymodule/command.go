package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/rebalance"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "miroir",
		Short: "Shows the fleet behind a running server",
		Long: `Shows the Meilisearch fleet behind a running server. It asks Caddy's admin
endpoint, which must be reachable: on its usual address, or on the one that
--address names or the configuration file given with --config.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.PersistentFlags().String("address", "", "The address of the admin endpoint")
			cmd.PersistentFlags().StringP("config", "c", "", "The configuration file that tells the address")
			cmd.PersistentFlags().StringP("adapter", "a", "", "The adapter of that file")
			cmd.AddCommand(statusCommand(), nodeCommand(), groupCommand(), copiesCommand(), indexCommand(), rebalanceCommand(), checkCommand(), taskCommand(), backupCommand(), restoreCommand(), rebuildCommand(), importCommand())
		},
	})
}

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [--json]",
		Short: "Shows groups, nodes and what is wrong with them",
		Long: `Shows the state of the fleet, one line a node, and what is wrong with it.
With --json it prints what /_miroir/topology answers. It ends with status 1
when the server cannot be asked or some shard cannot be read.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true // from here on no error is one of usage
		return runStatus(cmd.OutOrStdout(), caddycmd.Flags{FlagSet: cmd.Flags()})
	}
	return cmd
}

func runStatus(out io.Writer, flags caddycmd.Flags) error {
	body, err := askAdmin(flags, http.MethodGet, "topology", nil)
	if err != nil {
		return err
	}
	var report api.Report
	if err := json.Unmarshal(body, &report); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if flags.Bool("json") {
		_, err = out.Write(body)
	} else {
		err = printStatus(out, &report)
	}
	if err == nil && report.Status == statusUnavailable {
		err = errors.New("some shard has no copy that can be read")
	}
	return err
}

// statusUnavailable is the status of a fleet in which some shard has no copy
// that can be read.
const statusUnavailable = "unavailable"

// maxReport bounds what is read from the admin endpoint.
const maxReport = 64 << 20

// show prints an answer as it came with --json, and else as print does.
func show[R any](out io.Writer, flags caddycmd.Flags, answer []byte, print func(io.Writer, *R) error) error {
	if flags.Bool("json") {
		_, err := fmt.Fprintln(out, string(answer))
		return err
	}
	report := new(R)
	if err := json.Unmarshal(answer, report); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return print(out, report)
}

// askAdmin asks a running server for a path under /_miroir/.
func askAdmin(flags caddycmd.Flags, method, path string, body any) ([]byte, error) {
	answer, err := openAdmin(flags, method, path, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	return io.ReadAll(io.LimitReader(answer, maxReport))
}

func openAdmin(flags caddycmd.Flags, method, path string, body any) (io.ReadCloser, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin endpoint: %w", err)
	}
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(raw)
	}
	answer, err := caddycmd.AdminAPIRequest(address, method, adminPath+path, nil, sent)
	if err != nil {
		if said := refusal(err); said != "" {
			return nil, errors.New(said)
		}
		return nil, fmt.Errorf("asking %s: %w", address, err)
	}
	return answer.Body, nil
}

// refusal gives the words of a server that refuses, out of the error that
// carries its whole answer; "" where it did not answer.
func refusal(err error) string {
	_, raw, found := strings.Cut(err.Error(), "{")
	var said struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if !found || json.Unmarshal([]byte("{"+raw), &said) != nil {
		return ""
	}
	return said.Message + said.Error
}

// printStatus shows a report to people.
func printStatus(out io.Writer, report *api.Report) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "fleet\t%s\n", report.Status)
	fmt.Fprintf(t, "version\t%s\n", orDash(report.Version))
	fmt.Fprintf(t, "copies\t%d in each of %d groups\n", report.Copies, groups(report))
	for _, g := range report.Groups {
		if g.State != "" && g.State != rebalance.Active {
			fmt.Fprintf(t, "group %s\t%s\n", g.ID, g.State)
		}
	}
	if report.Rebalance.State == rebalance.Paused {
		fmt.Fprintf(t, "moves\t%s\n", rebalance.Paused)
	}
	if report.Check.State != "" { // else the server is older
		fmt.Fprintf(t, "check\t%s\n", checkText(&report.Check))
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "GROUP\tNODE\tSTATUS\tSINCE\tVERSION\tSHARDS\tOUTBOX\tADDRESS\tLAST ERROR")
	for _, g := range report.Groups {
		for _, n := range g.Nodes {
			fmt.Fprintln(t, strings.Join([]string{
				g.ID, n.ID, n.Status, since(n.Since), orDash(n.Version),
				strconv.Itoa(n.Shards), strconv.Itoa(n.Outbox), n.Address, orDash(n.LastError),
			}, "\t"))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printMoves(out, report.Rebalance.Moves); err != nil {
		return err
	}
	return printProblems(out, report.Problems)
}

func printProblems(out io.Writer, problems []string) error {
	for i, problem := range problems {
		if i == 0 {
			fmt.Fprintln(out)
		}
		if _, err := fmt.Fprintf(out, "! %s\n", problem); err != nil {
			return err
		}
	}
	return nil
}

// groups counts the groups but for what is leaving.
func groups(report *api.Report) (n int) {
	for _, g := range report.Groups {
		if !strings.HasPrefix(g.ID, "(") {
			n++
		}
	}
	return n
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func since(at *time.Time) string {
	if at == nil || at.IsZero() {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore/adopt"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import --from <address> [--key <key>]", Short: "Brings an existing Meilisearch into the fleet", Args: cobra.NoArgs,
		Long: `Copies what a Meilisearch server has into the fleet, while both serve: indexes
with their settings and documents, API keys, and the experimental features that
are on. Then it compares both sides, document by document.

It can be stopped and run again at any time: what is there already is not sent
again. Run it again for what has changed at the source meanwhile. Documents that
the source does not have any more are removed with --delete only.

Keys are as good as passwords, and arguments can be seen by others on this
machine: write --key '{env.NAME}' or '{file./path}' instead of the key itself.
The same goes for --to-key and --embedder-key.

It ends with status 1 unless everything is as at the source.`,
	}
	f := cmd.Flags()
	f.String("from", "", "The address of the server to import, such as http://10.0.0.1:7700")
	f.String("key", "", "Its master key, or a key that may read everything")
	f.StringSlice("index", nil, "Import this index only; may be given often, and be a pattern such as 'books_*'")
	f.Bool("dry-run", false, "Show what would be done, and do nothing")
	f.Bool("delete", false, "Remove documents that the source does not have")
	f.Bool("overwrite", false, "Import into indexes that others have written to, too")
	f.Bool("skip-keys", false, "Leave the API keys out")
	f.StringArray("embedder-key", nil, "The apiKey of an embedder as <index>/<embedder>=<key>; servers do not show them")
	f.Bool("without-embedder-keys", false, "Go on where the apiKey of an embedder is not given")
	f.Int("rate", 0, "At most so many documents a second")
	f.String("to", "", "The public address of the gateway, where it does not run on this machine")
	f.String("to-key", "", "The master key of that gateway")
	f.Bool("json", false, "Print the plan and what came of it as JSON")
	_ = cmd.MarkFlagRequired("from") // it is there
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := importOptions(cmd, caddycmd.Flags{FlagSet: f})
		if err != nil {
			return err
		}
		cmd.SilenceUsage = true
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		dry, _ := f.GetBool("dry-run")
		asJSON, _ := f.GetBool("json")
		return runImport(ctx, o, importView{out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), json: asJSON}, dry)
	}
	return cmd
}

// importOptions reads the flags. Secrets are put in for their placeholders.
func importOptions(cmd *cobra.Command, flags caddycmd.Flags) (adopt.Options, error) {
	o := adopt.Options{
		Overwrite: flags.Bool("overwrite"), Delete: flags.Bool("delete"), Rate: flags.Int("rate"),
		SkipKeys: flags.Bool("skip-keys"), WithoutKeys: flags.Bool("without-embedder-keys"), EmbedderKeys: map[string]string{},
	}
	if o.Rate < 0 {
		return o, fmt.Errorf("--rate %d: there is no such rate", o.Rate)
	}
	var err error
	if o.Indexes, err = cmd.Flags().GetStringSlice("index"); err != nil {
		return o, err
	}
	if err := adopt.CheckPatterns(o.Indexes); err != nil {
		return o, err
	}
	given, err := cmd.Flags().GetStringArray("embedder-key")
	if err != nil {
		return o, err
	}
	for _, one := range given {
		at, key, ok := strings.Cut(one, "=")
		if !ok || !strings.Contains(at, "/") {
			return o, errors.New("--embedder-key is given as <index>/<embedder>=<key>")
		}
		if o.EmbedderKeys[at], err = secretOf("embedder-key", key); err != nil {
			return o, err
		}
	}
	if o.Source, err = clientOf(flags, "source", "from", "key"); err != nil {
		return o, err
	}
	o.From = shownAddress(flags.String("from"))
	if flags.String("to") != "" {
		o.Target, err = clientOf(flags, "gateway", "to", "to-key")
	} else {
		o.Target, err = localGateway(flags)
	}
	return o, err
}

// secretOf puts in what a placeholder stands for. What it is is never shown.
func secretOf(flag, value string) (string, error) {
	if value == "" {
		return "", nil
	}
	out, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	return strings.TrimSpace(out), nil
}

// clientOf makes the client of a server that two flags name.
func clientOf(flags caddycmd.Flags, id, address, key string) (*node.Client, error) {
	at, err := url.Parse(flags.String(address))
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.RawQuery != "" || at.User != nil {
		return nil, fmt.Errorf("--%s: it is no address such as http://10.0.0.1:7700", address)
	}
	secret, err := secretOf(key, flags.String(key))
	if err != nil {
		return nil, err
	}
	return node.New(id, at, func() []string { return []string{secret} }, node.Transport()), nil
}

func shownAddress(address string) string {
	at, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.TrimRight(at.Scheme+"://"+at.Host+at.Path, "/")
}

// localGateway is the gateway behind Caddy's admin endpoint, asked with all rights.
func localGateway(flags caddycmd.Flags) (*node.Client, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin endpoint: %w", err)
	}
	base, transport, err := adminTransport(address)
	if err != nil {
		return nil, err
	}
	return node.New("gateway", base, nil, transport), nil
}

// runImport plans, shows the plan, and carries it out.
func runImport(ctx context.Context, o adopt.Options, view importView, dry bool) error {
	shown := newProgress(view.progress)
	o.Progress = shown.event
	plan, err := adopt.Draw(ctx, o)
	shown.clear()
	if ctx.Err() != nil {
		return errors.New("stopped; nothing was done")
	}
	if err != nil {
		return err
	}
	if err := view.plan(o.From, plan); err != nil {
		return err
	}
	switch {
	case len(plan.Problems) > 0:
		return fmt.Errorf("nothing was done: %d problems have to be solved first", len(plan.Problems))
	case dry:
		return nil
	}
	report, err := plan.Run(ctx)
	shown.clear()
	if printed := view.report(report); err == nil {
		err = printed
	}
	if err != nil {
		return stopped(ctx, err)
	}
	if n := report.Unequal(); n > 0 {
		return fmt.Errorf("%d of %d indexes are not what the source has", n, len(report.Indexes))
	}
	return nil
}

// stopped says what an import leaves behind that was broken off.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("stopped; what was imported stays: run the same command again to go on")
	}
	return fmt.Errorf("%w; what was imported stays: run the same command again to go on", err)
}

// writeJSON prints a value as one line.
func writeJSON(out io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(text))
	return err
}

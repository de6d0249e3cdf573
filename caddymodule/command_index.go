package caddymodule

import (
	"net/http"
	"net/url"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func indexCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "index", Short: "Puts indexes right"}
	cmd.AddCommand(change("repair <uid>", "Brings the settings of an index to nodes that show others", `Brings the settings of an index, now and not at the next attempt, to the nodes that
show others than they were given, so that writes to it go on. With --force they go
on even where a node does not take them; the index is not read there until it does.`, cobra.ExactArgs(1),
		func(_ caddycmd.Flags, args []string) (request, error) {
			return request{method: http.MethodPost, path: "indexes/" + url.PathEscape(args[0]) + "/repair"}, nil
		}))
	return cmd
}

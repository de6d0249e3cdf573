package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore/api"
)

// request is what a command asks of the running server, made of its arguments.
type request struct {
	method, path string
	body         map[string]any
}

// change makes a command that changes the fleet and says what happens now.
func change(use, short, long string, args cobra.PositionalArgs, ask func(flags caddycmd.Flags, args []string) (request, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: args}
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.Flags().Bool("force", false, "Do it even if something is lost by it; what would be is said without it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		flags := caddycmd.Flags{FlagSet: cmd.Flags()}
		r, err := ask(flags, args)
		if err != nil {
			return err
		}
		if flags.Bool("force") {
			if r.body == nil {
				r.body = map[string]any{}
			}
			r.body["force"] = true
		}
		var body any
		if r.body != nil {
			body = r.body
		}
		answer, err := askAdmin(flags, r.method, r.path, body)
		if err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), flags, answer, printGranted)
	}
	return cmd
}

func printGranted(out io.Writer, granted *api.Granted) error {
	if !granted.Changed {
		_, err := fmt.Fprintf(out, "nothing to do: %s\n", granted.Message)
		return err
	}
	for _, lost := range granted.Lost {
		fmt.Fprintf(out, "! given up: %s\n", lost)
	}
	_, err := fmt.Fprintln(out, granted.Message)
	return err
}

// onNode makes a command about the node that its one argument names.
func onNode(use, short, long, method, suffix string) *cobra.Command {
	return change(use+" <id>", short, long, cobra.ExactArgs(1), func(_ caddycmd.Flags, args []string) (request, error) {
		return request{method: method, path: "nodes/" + url.PathEscape(args[0]) + suffix}, nil
	})
}

func nodeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "Shows and changes the nodes of the fleet"}
	add := change("add <id> <address>", "Adds a node to a group", `Adds a server to the fleet. It must be empty, of a version that can be used, and
accept the node key. Its share of the shards is copied to it while searches and
writes go on; "caddy miroir status" shows how far that is.`, cobra.ExactArgs(2),
		func(flags caddycmd.Flags, args []string) (request, error) {
			return request{http.MethodPost, "nodes", map[string]any{"id": args[0], "url": args[1], "group": flags.String("group")}}, nil
		})
	add.Flags().String("group", "", "The group it belongs to; needed where there are several")
	replace := change("replace <id> <address>", "Puts another server in the place of a node", `Gives a node another address; or, with --as, puts a new node in the place of an
old one, which is emptied and forgotten. A server with an empty or older disk
behind the address of a node is noticed and rebuilt from the other copies.`, cobra.ExactArgs(2),
		func(flags caddycmd.Flags, args []string) (request, error) {
			return request{http.MethodPut, "nodes/" + url.PathEscape(args[0]), map[string]any{"url": args[1], "as": flags.String("as")}}, nil
		})
	replace.Flags().String("as", "", "The id of the new node")
	cmd.AddCommand(nodeListCommand(), add,
		onNode("drain", "Moves everything off a node", `Moves the shards of a node to the others of its group. The node stays known, and
"caddy miroir node undrain" lets it take part again.`, http.MethodPost, "/drain"),
		onNode("undrain", "Lets a drained or removed node take part again", "", http.MethodPost, "/undrain"),
		onNode("remove", "Moves everything off a node and forgets it", `Moves the shards of a node to the others of its group, or makes them anew from
other copies where the node is dead, and forgets it then.`, http.MethodDelete, ""),
		replace,
		onNode("accept", "Has what a node holds count as right", `Has what a node holds count as right, where its disk was set back or it missed
too much, and no other copy is left. What it lacks is lost.`, http.MethodPost, "/accept"),
		onNode("adopt", "Takes a node into the fleet that belongs to another", `Takes a node into this fleet that belongs to another one, or that has indexes
this gateway does not know; they stay as they are. Do it only when no other
gateway writes to the node any more: two would each order writes by themselves.`, http.MethodPost, "/adopt"))
	return cmd
}

func nodeListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists the nodes", Args: cobra.NoArgs}
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		flags := caddycmd.Flags{FlagSet: cmd.Flags()}
		body, err := askAdmin(flags, http.MethodGet, "nodes", nil)
		if err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), flags, body, printNodes)
	}
	return cmd
}

// nodeList is what is answered when the nodes are asked for.
type nodeList struct {
	Results []api.NodeReport `json:"results"`
}

func printNodes(out io.Writer, list *nodeList) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tGROUP\tWANTED\tSTATUS\tSHARDS\tOUTBOX\tVERSION\tADDRESS\tNAMED IN")
	for _, n := range list.Results {
		by := "Caddyfile"
		if n.Added {
			by = "node add"
		}
		fmt.Fprintln(t, strings.Join([]string{
			n.ID, n.Group, n.Wanted, n.Status, strconv.Itoa(n.Shards), strconv.Itoa(n.Outbox), orDash(n.Version), n.Address, by,
		}, "\t"))
	}
	return t.Flush()
}

func groupCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "group", Short: "Adds and removes replica groups"}
	cmd.AddCommand(
		change("add <id> <node>=<address>...", "Adds a group with its nodes", `Adds a replica group. It is filled from the others, and read alone once it has
everything. It needs at least as many nodes as there are copies.`, cobra.MinimumNArgs(2),
			func(_ caddycmd.Flags, args []string) (request, error) {
				var nodes []map[string]string
				for _, arg := range args[1:] {
					id, address, ok := strings.Cut(arg, "=")
					if !ok {
						return request{}, fmt.Errorf("%q: a node is given as <id>=<address>", arg)
					}
					nodes = append(nodes, map[string]string{"id": id, "url": address})
				}
				return request{http.MethodPost, "groups", map[string]any{"id": args[0], "nodes": nodes}}, nil
			}),
		change("remove <id>", "Removes a group", "Removes a replica group: its nodes are emptied and forgotten.", cobra.ExactArgs(1),
			func(_ caddycmd.Flags, args []string) (request, error) {
				return request{method: http.MethodDelete, path: "groups/" + url.PathEscape(args[0])}, nil
			}))
	return cmd
}

func copiesCommand() *cobra.Command {
	return change("copies <number>", "Sets how many copies of a shard each group has", `Sets the number of copies inside each group, as the option replication does.
When the option is changed later, it is what counts.`, cobra.ExactArgs(1),
		func(_ caddycmd.Flags, args []string) (request, error) {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return request{}, fmt.Errorf("%q is no number of copies", args[0])
			}
			return request{http.MethodPut, "replication", map[string]any{"copies": n}}, nil
		})
}

func taskCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "task", Short: "Shows tasks"}
	show := &cobra.Command{Use: "show <uid>", Short: "Shows a task and how far each node is with it", Args: cobra.ExactArgs(1)}
	show.Flags().Bool("json", false, "Print JSON")
	show.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		flags := caddycmd.Flags{FlagSet: cmd.Flags()}
		body, err := askAdmin(flags, http.MethodGet, "tasks/"+url.PathEscape(args[0]), nil)
		if err != nil {
			return err
		}
		if flags.Bool("json") {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), string(body))
			return err
		}
		return printTask(cmd.OutOrStdout(), body)
	}
	cmd.AddCommand(show)
	return cmd
}

func printTask(out io.Writer, body []byte) error {
	var task struct {
		UID      uint32  `json:"uid"`
		Name     string  `json:"name"`
		Index    *string `json:"indexUid"`
		Type     string  `json:"type"`
		Status   string  `json:"status"`
		Enqueued string  `json:"enqueuedAt"`
		Finished *string `json:"finishedAt"`
		Error    *struct {
			Message string `json:"message"`
			Code    string `json:"code"`
		} `json:"error"`
		Nodes []struct {
			Node     string  `json:"node"`
			Steps    int     `json:"steps"`
			Enqueued int     `json:"enqueued"`
			Done     int     `json:"done"`
			Error    *string `json:"error"`
			Gone     bool    `json:"gone"`
		} `json:"nodes"`
	}
	if err := json.Unmarshal(body, &task); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "task\t%d (%s)\nindex\t%s\ntype\t%s\nstatus\t%s\nenqueued\t%s\nfinished\t%s\n",
		task.UID, task.Name, text(task.Index), task.Type, task.Status, task.Enqueued, text(task.Finished))
	if task.Error != nil {
		fmt.Fprintf(t, "error\t%s (%s)\n", task.Error.Message, task.Error.Code)
	}
	if len(task.Nodes) == 0 {
		fmt.Fprintln(t, "nodes\tnone has anything of it left to do")
	} else {
		fmt.Fprintln(t, "\nNODE\tSTEPS\tENQUEUED\tDONE\tERROR")
	}
	for _, n := range task.Nodes {
		said := text(n.Error)
		if n.Gone {
			said = "given up: the node is rebuilt instead"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\n", n.Node, n.Steps, n.Enqueued, n.Done, said)
	}
	return t.Flush()
}

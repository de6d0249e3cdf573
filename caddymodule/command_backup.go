package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/miroircore/state/backup"
)

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup <file>", Short: "Saves the gateway's state while it runs", Args: cobra.ExactArgs(1),
		Long: `Saves the gateway's state (indexes, settings, keys, tasks, placements) into a
file, while it runs. The documents are on the nodes, and writes that a node has
not taken yet are in the journal: neither is in the file. It holds what keys
derive from and the secrets of webhooks: keep it as you keep secrets.`,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		body, err := openAdmin(caddycmd.Flags{FlagSet: cmd.Flags()}, http.MethodGet, "backup", nil)
		if err != nil {
			return err
		}
		defer body.Close()
		h, size, err := saveBackup(body, args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes, state of fleet %s at %s\n", args[0], size, h.Fleet, h.At.Format("2006-01-02 15:04:05 MST"))
		return err
	}
	return cmd
}

// saveBackup writes beside the final name and renames what was checked, so that
// a file that is there is whole.
func saveBackup(body io.Reader, name string) (backup.Header, int64, error) {
	part := name + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return backup.Header{}, 0, err
	}
	size, err := io.Copy(file, body)
	var h backup.Header
	if err == nil {
		h, _, _, err = backup.Check(file)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return h, 0, errors.Join(err, os.Remove(part))
	}
	return h, size, os.Rename(part, name)
}

func restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore <file> [--state <file>]", Short: "Makes a gateway's state of a backup", Args: cobra.ExactArgs(1),
		Long: `Makes a gateway's state of a backup, with the gateway stopped and nothing at the
place of its state. Numbers of tasks and of operations go on far behind those of
the backup. What was created or changed in indexes, settings and keys since is
not known to this state.`,
	}
	cmd.Flags().String("state", "", "The state file to make, as the option state names it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		path := caddycmd.Flags{FlagSet: cmd.Flags()}.String("state")
		if path == "" {
			path = filepath.Join(caddy.AppDataDir(), "miroir", "state.db")
		}
		h, err := backup.Restore(args[0], path, miroircore.Beside(path, "journal"))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is the state of fleet %s at %s now; start the gateway\n", path, h.Fleet, h.At.Format("2006-01-02 15:04:05 MST"))
		return err
	}
	return cmd
}

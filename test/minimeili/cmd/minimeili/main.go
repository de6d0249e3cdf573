// Command minimeili runs the Meilisearch double as a program of its own. It
// understands the flags and variables of the real server that it has a use for,
// so that a script can start either.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "minimeili:", err)
		os.Exit(1)
	}
}

// setting is a flag with the variable that stands in for it.
func setting(flags *flag.FlagSet, name, variable, fallback, usage string) *string {
	if value, set := os.LookupEnv(variable); set {
		fallback = value
	}
	return flags.String(name, fallback, usage+" ["+variable+"]")
}

func run(args []string) error {
	flags := flag.NewFlagSet("minimeili", flag.ContinueOnError)
	addr := setting(flags, "http-addr", "MEILI_HTTP_ADDR", "localhost:7700", "address to listen on")
	dir := setting(flags, "db-path", "MEILI_DB_PATH", "./data.ms", "folder that keeps the state")
	dumps := setting(flags, "dump-dir", "MEILI_DUMP_DIR", "dumps/", "folder dumps are written to")
	masterKey := setting(flags, "master-key", "MEILI_MASTER_KEY", "", "master key")
	serviceTime := flags.Duration("service-time", 0, "how long each search takes at least")
	indexTime := flags.Duration("index-time", 0, "how long the indexing of each document takes at least")
	// What the real server has and this one has no use for.
	setting(flags, "env", "MEILI_ENV", "development", "not used")
	setting(flags, "log-level", "MEILI_LOG_LEVEL", "INFO", "not used")
	setting(flags, "snapshot-dir", "MEILI_SNAPSHOT_DIR", "snapshots/", "not used")
	flags.Bool("no-analytics", true, "not used")
	if err := flags.Parse(args); err != nil {
		return err
	}
	start := time.Now()
	m, err := minimeili.Start(
		minimeili.WithAddr(*addr), minimeili.WithDir(*dir), minimeili.WithDumpDir(*dumps),
		minimeili.WithMasterKey(*masterKey), minimeili.WithServiceTime(*serviceTime), minimeili.WithIndexTime(*indexTime),
	)
	if err != nil {
		return err
	}
	fmt.Printf("minimeili listens on %s after %s\n", m.URL(), time.Since(start).Round(time.Millisecond))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	m.Close()
	return nil
}

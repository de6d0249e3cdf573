package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
)

// provisioned gives the app of a JSON configuration as Caddy would load it.
func provisioned(t *testing.T, config string) (*App, error) {
	t.Helper()
	ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"miroir": json.RawMessage(config)}})
	if err != nil {
		return nil, err
	}
	return appOf(ctx)
}

const twoNodes = `"groups":[{"id":"eu","nodes":[{"id":"a","url":"http://10.0.0.1"},{"id":"b","url":"http://10.0.0.2"}]}]`

func TestMissingSecretsAreRefusedByOptionAndPlaceholder(t *testing.T) {
	t.Setenv("MIROIR_TEST_KEY", "a-key-of-the-tests")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ masterKey, nodeKeys, want string }{
		"environment":         {`{env.MIROIR_TEST_UNSET}`, `["k"]`, "master_key: evaluated placeholder {env.MIROIR_TEST_UNSET} is empty"},
		"file that is empty":  {`{file.` + empty + `}`, `["k"]`, "master_key: evaluated placeholder {file." + empty + "} is empty"},
		"file that is absent": {`{file./nonexistent/key}`, `["k"]`, "master_key: evaluated placeholder {file./nonexistent/key} is empty"},
		"second node key":     {`k`, `["{env.MIROIR_TEST_KEY}","{env.MIROIR_TEST_UNSET}"]`, "node_key: evaluated placeholder {env.MIROIR_TEST_UNSET} is empty"},
		"unknown placeholder": {`{vault.key}`, `["k"]`, "master_key: unrecognized placeholder {vault.key}"},
		"no master key":       {``, `["k"]`, "master_key is empty"},
		"no node key":         {`k`, `[]`, "node_key is empty"},
		"empty node key":      {`k`, `[""]`, "node_key is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provisioned(t, `{"master_key":"`+c.masterKey+`","node_keys":`+c.nodeKeys+`,`+twoNodes+`}`)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestSecretsAreResolvedFromEnvironmentAndFiles(t *testing.T) {
	t.Setenv("MIROIR_TEST_KEY", "a-key-of-the-tests")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("key-in-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	app, err := provisioned(t, `{"master_key":"{env.MIROIR_TEST_KEY}","node_keys":["{file.`+file+`}","literal"],`+twoNodes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	if app.config.MasterKey != "a-key-of-the-tests" || !reflect.DeepEqual(app.config.NodeKeys, []string{"key-in-a-file", "literal"}) {
		t.Errorf("keys are %q and %q", app.config.MasterKey, app.config.NodeKeys)
	}
	shown, err := json.Marshal(app)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), "key-in-a-file") || strings.Contains(string(shown), "a-key-of-the-tests") {
		t.Errorf("the configuration shows a resolved secret: %s", shown)
	}
}

func TestReplicationFollowsTheSmallestGroup(t *testing.T) {
	for _, c := range []struct {
		groups string
		want   int
	}{
		{`[{"id":"g","nodes":[{"id":"a","url":"http://a"}]}]`, 1},
		{`[{"id":"g","nodes":[{"id":"a","url":"http://a"},{"id":"b","url":"http://b"}]},{"id":"h","nodes":[{"id":"c","url":"http://c"}]}]`, 1},
		{`[{"id":"g","nodes":[{"id":"a","url":"http://a"},{"id":"b","url":"http://b"},{"id":"c","url":"http://c"},{"id":"d","url":"http://d"}]}]`, 3},
	} {
		app, err := provisioned(t, `{"master_key":"k","node_keys":["k"],"groups":`+c.groups+`}`)
		if err != nil {
			t.Fatal(err)
		}
		if got := app.config.Topology.Replication; got != c.want {
			t.Errorf("%s: %d copies, want %d", c.groups, got, c.want)
		}
	}
}

// What the Caddyfile refuses JSON must not let through.
func TestImpossibleJSONIsRefused(t *testing.T) {
	base := `"master_key":"k","node_keys":["k"]`
	for name, config := range map[string]string{
		"no group":             base,
		"group without node":   base + `,"groups":[{"id":"g","nodes":[]}]`,
		"repeated node":        base + `,"groups":[{"id":"g","nodes":[{"id":"a","url":"http://a"},{"id":"a","url":"http://b"}]}]`,
		"repeated group":       base + `,"groups":[{"id":"g","nodes":[{"id":"a","url":"http://a"}]},{"id":"g","nodes":[{"id":"b","url":"http://b"}]}]`,
		"address":              base + `,"groups":[{"id":"g","nodes":[{"id":"a","url":"a:7700"}]}]`,
		"replication":          base + `,"replication":3,` + twoNodes,
		"negative replication": base + `,"replication":-1,` + twoNodes,
		"shards":               base + `,"shards":32769,` + twoNodes,
		"write quorum":         base + `,"write_quorum":"some",` + twoNodes,
		"unavailable":          base + `,"unavailable":"some",` + twoNodes,
		"bad documents":        base + `,"bad_documents":"some",` + twoNodes,
		"hedge budget":         base + `,"hedge":{"budget":2},` + twoNodes,
		"negative duration":    base + `,"max_lag":-1,` + twoNodes,
		"negative body":        base + `,"max_body":-1,` + twoNodes,
		"negative fails":       base + `,"health":{"fails":-1},` + twoNodes,
		"unknown field":        base + `,"replicas":3,` + twoNodes,
		"unknown store":        base + `,"store":{"store":"paper"},` + twoNodes,
		"unknown selection":    base + `,"selection":{"policy":"fastest"},` + twoNodes,
		"unknown merger":       base + `,"merger":{"merger":"bm25"},` + twoNodes,
		"negative k":           base + `,"merger":{"merger":"rrf","k":-1},` + twoNodes,
		"depth beyond reason":  base + `,"merger":{"merger":"dfs","depth":1001},` + twoNodes,
		"unknown transport":    base + `,"transport":{"protocol":"pigeon"},` + twoNodes,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := provisioned(t, `{`+config+`}`); err == nil {
				t.Error("is not refused")
			}
		})
	}
}

// An option that is read but never handed on would be silently without effect.
func TestEachOptionReachesTheEngine(t *testing.T) {
	t.Setenv("OLD_NODE_KEY", "old")
	t.Setenv("STATE_DIR", t.TempDir())
	config, _ := readFixture(t, filepath.Join("testdata", "adapt", "good_every_option.caddytest"))
	config = strings.ReplaceAll(config, "{file./run/secrets/node_key}", "new")
	load := func(config string) *App {
		t.Helper()
		var adapted struct {
			Apps struct{ Miroir json.RawMessage }
		}
		if err := json.Unmarshal([]byte(adaptClean(t, config)), &adapted); err != nil {
			t.Fatal(err)
		}
		app, err := provisioned(t, string(adapted.Apps.Miroir))
		if err != nil {
			t.Fatal(err)
		}
		return app
	}
	on := load(config)
	off := load(strings.NewReplacer("hedge on 2.5%", "hedge off", "anti_entropy 30m 168h", "anti_entropy off").Replace(config))
	fields := reflect.TypeFor[miroircore.Config]()
	for i := range fields.NumField() {
		zeroOn := reflect.ValueOf(*on.config).Field(i).IsZero()
		zeroOff := reflect.ValueOf(*off.config).Field(i).IsZero()
		if zeroOn && zeroOff {
			t.Errorf("no option sets %s of the engine's configuration", fields.Field(i).Name)
		}
	}
}

func TestStateAndSpoolLieInTheDataFolder(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	app, err := provisioned(t, `{"master_key":"k","node_keys":["k"],`+twoNodes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(data)
	if err != nil {
		t.Fatal(err)
	}
	want := place{state: filepath.Join(real, "caddy", "miroir", "state.db"), spool: filepath.Join(real, "caddy", "miroir", "spool")}
	if app.place != want {
		t.Errorf("place is %+v, want %+v", app.place, want)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) != 0 {
		t.Errorf("provisioning has made %v (%v)", entries, err)
	}
}

func TestSpellingsOfOnePathAreOnePlace(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MIROIR_TEST_DIR", dir)
	places := map[place]bool{}
	for _, state := range []string{"real/new/state.db", "link/new/state.db", "real/../real/./new/state.db"} {
		app, err := provisioned(t, `{"master_key":"k","node_keys":["k"],"state":"{env.MIROIR_TEST_DIR}/`+state+`",`+twoNodes+`}`)
		if err != nil {
			t.Fatal(err)
		}
		places[app.place] = true
	}
	if len(places) != 1 {
		t.Errorf("one path is %d places: %v", len(places), places)
	}
}

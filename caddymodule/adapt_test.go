package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var update = flag.Bool("update", false, "write what good fixtures adapt to into them")

// Each fixture is a Caddyfile, a line of ten dashes, and what it adapts to, or
// a part of the error that refuses it.
const dashes = "----------\n"

func TestGoodCaddyfilesAdaptToTheirJSON(t *testing.T) {
	for _, file := range fixtures(t, "good_") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			config, want := readFixture(t, file)
			got := adaptClean(t, config)
			if *update {
				writeFixture(t, file, config, got)
				return
			}
			if got != strings.TrimSpace(want) {
				t.Errorf("adapts to\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestBadCaddyfilesAreRefusedWithFileAndLine(t *testing.T) {
	position := regexp.MustCompile(`, at Caddyfile:\d+`)
	for _, file := range fixtures(t, "bad_") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			config, want := readFixture(t, file)
			_, _, err := adapt(config)
			if err == nil {
				t.Fatal("is not refused")
			}
			if !strings.Contains(err.Error(), strings.TrimSpace(want)) || !position.MatchString(err.Error()) {
				t.Errorf("is refused with\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// Each option needs a fixture that shows it working and one that refuses it.
func TestEachOptionHasFixtures(t *testing.T) {
	everyOption, _ := readFixture(t, filepath.Join("testdata", "adapt", "good_every_option.caddytest"))
	for _, o := range options {
		if !regexp.MustCompile(`(?m)^\t\t` + o.name + ` `).MatchString(everyOption) {
			t.Errorf("option %s is not in the fixture of every option", o.name)
		}
	}
}

// The documentation that Caddy's site shows is the comment of each field.
func TestReferenceNamesEachOption(t *testing.T) {
	reference, err := os.ReadFile(filepath.Join("..", "docs", "caddyfile.md"))
	if err != nil {
		t.Fatal(err)
	}
	example := readExample(t)
	for _, o := range options {
		if !strings.Contains(string(reference), "`"+o.name) {
			t.Errorf("docs/caddyfile.md does not name %s", o.name)
		}
		if !regexp.MustCompile(`(?m)^\t\t(# )?` + o.name + ` `).MatchString(example) {
			t.Errorf("Caddyfile.example does not show %s", o.name)
		}
	}
}

func TestExampleIsFormattedAndAdapts(t *testing.T) {
	example := readExample(t)
	if formatted := caddyfile.Format([]byte(example)); string(formatted) != example {
		t.Errorf("Caddyfile.example is not formatted; it should be\n%s", formatted)
	}
	adaptClean(t, example)
}

func TestConfigurationOfContainersIsFormattedAndAdapts(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "deploy", "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	if formatted := caddyfile.Format(content); !bytes.Equal(formatted, content) {
		t.Errorf("deploy/Caddyfile is not formatted; it should be\n%s", formatted)
	}
	adaptClean(t, string(content))
}

// What stands behind # in the example is a default and therefore must be
// right, too.
func TestExampleAdaptsWithItsDefaultsWrittenOut(t *testing.T) {
	option := regexp.MustCompile(`(?m)^\t\t# ([a-z_]+ [^ \n]+( [^ \n]+)?)$`)
	names := map[string]bool{}
	for _, o := range options {
		names[o.name] = true
	}
	example := option.ReplaceAllStringFunc(readExample(t), func(line string) string {
		content := strings.TrimPrefix(line, "\t\t# ")
		if name, _, _ := strings.Cut(content, " "); names[name] {
			return "\t\t" + content
		}
		return line
	})
	var config struct{ Apps struct{ Miroir App } }
	if err := json.Unmarshal([]byte(adaptClean(t, example)), &config); err != nil {
		t.Fatal(err)
	}
	app := &config.Apps.Miroir
	if app.Shards != 64 || app.Health.Fails != 3 || app.MaxBody != 100_000_000 || len(app.TransportRaw) == 0 {
		t.Errorf("defaults were not written out: %+v", app)
	}
}

func fixtures(t *testing.T, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "adapt", prefix+"*.caddytest"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures %s: %v", prefix, err)
	}
	return files
}

func readFixture(t *testing.T, file string) (config, want string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config, want, found := strings.Cut(string(content), dashes)
	if !found {
		t.Fatal("the fixture has no line of dashes")
	}
	return config, want
}

func writeFixture(t *testing.T, file, config, got string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(config+dashes+got+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readExample(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func adapt(config string) ([]byte, []caddyconfig.Warning, error) {
	return caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
}

// adaptClean adapts what must be right, without a warning.
func adaptClean(t *testing.T, config string) string {
	t.Helper()
	adapted, warnings, err := adapt(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("warning: %s", w)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, adapted, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String()
}

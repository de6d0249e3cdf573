// Command build makes bin/miroir: Caddy with Miroir and whatever else
// xcaddy.json names, built by the xcaddy that xcaddy.json pins. It needs no
// tool but Go.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	pins := flag.String("config", "xcaddy.json", "the file that pins the build")
	output := flag.String("output", filepath.Join("bin", "miroir"), "the binary to make")
	race := flag.Bool("race", false, "build with the race detector")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, *pins, *output, *race); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// plan is what xcaddy.json says: the JSON form of xcaddy's own Builder, so far
// as it is used here, and the version of xcaddy itself.
type plan struct {
	XcaddyVersion string   `json:"xcaddy_version"`
	CaddyVersion  string   `json:"caddy_version"`
	Plugins       []plugin `json:"plugins"`
	Replacements  []struct {
		Old string `json:"old"`
		New string `json:"new"`
	} `json:"replacements"`
	BuildFlags string `json:"build_flags"`
}

type plugin struct {
	ModulePath string `json:"module_path"`
	Version    string `json:"version,omitempty"`
}

func (p plugin) String() string {
	if p.Version == "" {
		return p.ModulePath
	}
	return p.ModulePath + "@" + p.Version
}

func readPlan(path string) (*plan, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	p := new(plan)
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one value", path)
	}
	if p.XcaddyVersion == "" || p.CaddyVersion == "" || len(p.Plugins) == 0 {
		return nil, fmt.Errorf("%s: xcaddy_version, caddy_version and plugins are needed", path)
	}
	return p, nil
}

// arguments are those of xcaddy.
func (p *plan) arguments(output string) []string {
	args := []string{"build", p.CaddyVersion, "--output", output}
	for _, one := range p.Plugins {
		args = append(args, "--with", one.String())
	}
	for _, r := range p.Replacements {
		args = append(args, "--replace", r.Old+"="+r.New)
	}
	return args
}

// build fetches what is needed and then builds without a module proxy, because
// a proxy may refuse to be asked for a path that is not published.
func build(ctx context.Context, pins, output string, race bool) error {
	p, err := readPlan(pins)
	if err != nil {
		return err
	}
	tools, err := filepath.Abs(filepath.Join("bin", "tools"))
	if err != nil {
		return err
	}
	if err := run(ctx, "", nil, "go", "mod", "download"); err != nil {
		return err
	}
	if err := run(ctx, "", []string{"GOBIN=" + tools}, "go", "install", "github.com/caddyserver/xcaddy/cmd/xcaddy@"+p.XcaddyVersion); err != nil {
		return err
	}
	if err := p.fetch(ctx); err != nil {
		return err
	}
	env := []string{"GOPROXY=off", "GOSUMDB=off", "XCADDY_GO_BUILD_FLAGS=" + p.BuildFlags, "CGO_ENABLED=0"}
	if race {
		env = append(env, "XCADDY_RACE_DETECTOR=1", "CGO_ENABLED=1")
	}
	return run(ctx, "", env, filepath.Join(tools, "xcaddy"), p.arguments(output)...)
}

// replacedVersion is the one Go gives to a module that is replaced by a folder.
const replacedVersion = "v0.0.0-00010101000000-000000000000"

// fetch brings every module that xcaddy will look at into the module cache. It
// takes the same steps as xcaddy, in a module of its own, with one difference:
// a replaced plugin has a version there, so that no proxy is asked which ones
// there are.
func (p *plan) fetch(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "miroir-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	caddy := "github.com/caddyserver/caddy/v2@" + p.CaddyVersion
	edits := []string{"mod", "edit"}
	versions := map[string]string{}
	for _, r := range p.Replacements {
		target := r.New
		if strings.HasPrefix(target, ".") {
			if target, err = filepath.Abs(target); err != nil {
				return err
			}
		}
		edits = append(edits, "-require="+r.Old+"@"+replacedVersion, "-replace="+r.Old+"="+target)
		versions[r.Old] = replacedVersion
	}
	imports := `_ "github.com/caddyserver/caddy/v2/modules/standard"`
	plugins := []string{"get", caddy}
	for _, one := range p.Plugins {
		imports += fmt.Sprintf("\n\t_ %q", one.ModulePath)
		if version, replaced := versions[one.ModulePath]; replaced {
			one.Version = version
		}
		plugins = append(plugins, one.String())
	}
	source := "package main\n\nimport (\n\t" + imports + "\n)\n\nfunc main() {}\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"mod", "init", "caddy"}, {"get", caddy}, edits, plugins, {"get"}} {
		if err := run(ctx, dir, nil, "go", args...); err != nil {
			return err
		}
	}
	return nil
}

// run runs a command and shows what it says only where it fails.
func run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, said)
	}
	return nil
}

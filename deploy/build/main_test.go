package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

func TestPinsAreThoseOfTheModule(t *testing.T) {
	p, err := readPlan(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(goMod), "github.com/caddyserver/caddy/v2 "+p.CaddyVersion+"\n") {
		t.Errorf("go.mod does not require Caddy %s: what is tested is not what is built", p.CaddyVersion)
	}
	if !strings.HasPrefix(string(goMod), "module "+p.Plugins[0].ModulePath+"\n") {
		t.Errorf("the first plugin is %s and not this module", p.Plugins[0].ModulePath)
	}
	if strings.Contains(string(goMod), "\nreplace ") {
		t.Error("go.mod has a replace, which builds elsewhere ignore")
	}
}

func TestArgumentsComeFromThePins(t *testing.T) {
	p, err := readPlan(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	p.Plugins = append(p.Plugins, plugin{ModulePath: "example.com/other", Version: "v1.2.3"})
	want := []string{
		"build", p.CaddyVersion, "--output", "out",
		"--with", "github.com/miroir-gateway/miroir", "--with", "example.com/other@v1.2.3",
		"--replace", "github.com/miroir-gateway/miroir=.",
	}
	if got := p.arguments("out"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUnknownPinsAreRefused(t *testing.T) {
	for name, content := range map[string]string{
		"unknown key": `{"xcaddy_version":"v0.4.5","caddy_version":"v2.11.9","plugins":[{"module_path":"m"}],"dependencies":[]}`,
		"two values":  `{"xcaddy_version":"v0.4.5","caddy_version":"v2.11.9","plugins":[{"module_path":"m"}]} {}`,
		"no version":  `{"plugins":[{"module_path":"m"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "xcaddy.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readPlan(file); err == nil {
				t.Error("is not refused")
			}
		})
	}
}

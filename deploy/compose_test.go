// Package deploy holds what runs Miroir in containers; its test holds the parts
// to each other, since no test runs them.
package deploy

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Environment map[string]string
	Ports       []string
	Volumes     []string
	DependsOn   []string `yaml:"depends_on"`
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestContainersFitTheirConfiguration(t *testing.T) {
	var compose struct {
		Services map[string]service
		Volumes  map[string]any
	}
	if err := yaml.Unmarshal([]byte(read(t, "docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	caddyfile := read(t, "Caddyfile")
	miroir := compose.Services["miroir"]

	nodes := regexp.MustCompile(`node \w+ (\S+)`).FindAllStringSubmatch(caddyfile, -1)
	if len(nodes) != 4 {
		t.Errorf("%d nodes, not four", len(nodes))
	}
	for _, match := range nodes {
		at, err := url.Parse(match[1])
		if err != nil {
			t.Fatal(err)
		}
		node, there := compose.Services[at.Hostname()]
		if !there || !strings.HasPrefix(node.Image, "getmeili/meilisearch:v1.") || at.Port() != "7700" {
			t.Errorf("%s is no Meilisearch of the compose file: %+v", match[1], node)
		}
		if !slices.Contains(miroir.DependsOn, at.Hostname()) {
			t.Errorf("Miroir does not wait for %s", at.Hostname())
		}
		if node.Environment["MEILI_MASTER_KEY"] == "" {
			t.Errorf("%s has no key", at.Hostname())
		}
	}
	for _, match := range regexp.MustCompile(`\{env\.(\w+)\}`).FindAllStringSubmatch(caddyfile, -1) {
		if miroir.Environment[match[1]] == "" {
			t.Errorf("the Caddyfile wants %s, which the container does not have", match[1])
		}
	}
	if !strings.Contains(caddyfile, "\n:7700 {") || !slices.Equal(miroir.Ports, []string{"7700:7700"}) {
		t.Errorf("published are %v, which the Caddyfile does not listen on", miroir.Ports)
	}
	for name, s := range compose.Services {
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if _, named := compose.Volumes[from]; !named && !strings.HasPrefix(from, "./") {
				t.Errorf("%s mounts %s, which is no volume", name, from)
			}
		}
	}
	if miroir.Build.Context != ".." || miroir.Build.Dockerfile != "deploy/Dockerfile" {
		t.Errorf("Miroir is built of %+v", miroir.Build)
	}
	image := read(t, "Dockerfile")
	mounted := strings.Contains(image, `"--config", "/etc/miroir/Caddyfile"`) && slices.Contains(miroir.Volumes, "./Caddyfile:/etc/miroir/Caddyfile:ro")
	if !mounted {
		t.Error("the image does not read the configuration that is mounted")
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if !strings.Contains(image, "FROM golang:"+version+" ") {
		t.Errorf("the image is not built with Go %s", version)
	}
}

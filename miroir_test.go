package miroir_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/miroir-gateway/miroir/"

// The engine can be used, tested and read without a web server around it.
func TestCoreKnowsNothingOfCaddy(t *testing.T) {
	for _, dep := range dependencies(t, "./miroircore/...") {
		if strings.HasPrefix(dep, "github.com/caddyserver/") || strings.HasPrefix(dep, "go.uber.org/zap") {
			t.Errorf("miroircore imports %s", dep)
		}
	}
}

// The double costs its users no module: it takes the standard library and the
// vocabulary that the gateway and it share.
func TestDoubleNeedsOnlyTheStandardLibrary(t *testing.T) {
	allowed := []string{module + "test/minimeili", module + "miroircore/meili"}
	for _, dep := range dependencies(t, "./test/minimeili/...") {
		first, _, _ := strings.Cut(dep, "/")
		own := strings.HasPrefix(dep, allowed[0]) || strings.HasPrefix(dep, allowed[1])
		if strings.Contains(first, ".") && !own {
			t.Errorf("test/minimeili imports %s", dep)
		}
	}
}

// maxLines is where a file is surely about more than one thing.
const maxLines = 600

func TestFilesStayReadable(t *testing.T) {
	for _, file := range sources(t) {
		content := read(t, file)
		if lines := bytes.Count(content, []byte("\n")); lines > maxLines {
			t.Errorf("%s has %d lines, more than %d", file, lines, maxLines)
		}
	}
}

// A test that can skip itself is one that nobody misses. Where a real server is
// needed and none is named, a test takes the double or fails.
func TestNoTestSkipsItself(t *testing.T) {
	skip := regexp.MustCompile(`\b[tbf]\.(Skip|Skipf|SkipNow)\(`)
	for _, file := range sources(t) {
		if found := skip.Find(read(t, file)); found != nil && file != "miroir_test.go" {
			t.Errorf("%s has %s", file, found)
		}
	}
}

// Waiting for a fixed time makes a test slow where it is right and wrong where
// the machine is slow.
func TestNoTestSleeps(t *testing.T) {
	for _, file := range sources(t) {
		if strings.HasSuffix(file, "_test.go") && file != "miroir_test.go" && bytes.Contains(read(t, file), []byte("time.Sleep(")) &&
			!bytes.Contains(read(t, file), []byte("synctest.")) {
			t.Errorf("%s sleeps", file)
		}
	}
}

// A code that a client gets links into docs/errors.md.
func TestErrorsAreDocumented(t *testing.T) {
	documented := string(read(t, filepath.Join("docs", "errors.md")))
	code := regexp.MustCompile(`"(miroir_[a-z_]+)"`)
	used := map[string]bool{}
	for _, file := range sources(t) {
		if !strings.HasPrefix(file, "miroircore/") || strings.HasSuffix(file, "_test.go") || !bytes.Contains(read(t, file), []byte("meili.")) {
			continue
		}
		for _, found := range regexp.MustCompile(`(?:NewError|refuse)\([^)]*?`+code.String()).FindAllSubmatch(read(t, file), -1) {
			used[string(found[1])] = true
		}
	}
	if len(used) == 0 {
		t.Fatal("no error code was found")
	}
	for name := range used {
		if !strings.Contains(documented, "\n### "+name+"\n") {
			t.Errorf("docs/errors.md does not have %s", name)
		}
	}
}

func dependencies(t *testing.T, packages string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", packages).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Fields(string(out))
}

// sources are the Go files of the project, which are those that git knows.
func sources(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "*.go").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) == 0 {
		t.Fatal("git knows no Go file")
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

package minimeili_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

// serveVariable makes the test program a server on the folder it names, so that
// a test has a process it can kill.
const serveVariable = "MINIMEILI_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVariable); dir != "" {
		serve(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func serve(dir string) {
	m, err := minimeili.Start(minimeili.WithDir(dir))
	if err != nil {
		panic(err)
	}
	m.HoldTasks() // what was answered 202 is all there is
	fmt.Println(m.URL())
	select {}
}

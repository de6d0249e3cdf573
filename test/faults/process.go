package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server that can be killed, stopped and started again on its data.
type process struct {
	name, binary, dir, url string
	args, env              []string

	mutex   sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
	log     *os.File
}

// start starts the process. Its output is added to a file in its folder.
func (p *process) start() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	command := exec.Command(p.binary, p.args...)
	command.Dir, command.Env = p.dir, append(os.Environ(), p.env...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.name, err), log.Close())
	}
	ended := make(chan struct{})
	p.mutex.Lock()
	p.command, p.ended, p.log = command, ended, log
	p.mutex.Unlock()
	go func() {
		_ = command.Wait() // its exit code after a signal says nothing
		_ = log.Close()
		close(ended)
	}()
	return nil
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	p.mutex.Lock()
	command, ended := p.command, p.ended
	p.mutex.Unlock()
	if command == nil {
		return
	}
	_ = command.Process.Kill() // it may be gone already
	<-ended
}

// signal stops the process or lets it go on.
func (p *process) signal(s syscall.Signal) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if err := p.command.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// died says whether the process ended, whoever ended it.
func (p *process) died() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// await waits until the process answers a path with 200.
func (p *process) await(ctx context.Context, path string, limit time.Duration) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(limit); ; {
		response, err := client.Get(p.url + path)
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		if p.died() {
			return fmt.Errorf("%s ended by itself: see %s", p.name, p.logFile())
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not answer %s within %s: %w", p.name, path, limit, err)
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// build makes a program from the source.
func build(ctx context.Context, dir, name, source string) (string, error) {
	path := filepath.Join(dir, name)
	command := exec.CommandContext(ctx, "go", "build", "-tags", "nobadger,nomysql,nopgx", "-o", path, "github.com/miroir-gateway/miroir/"+source)
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return path, nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

package caddymodule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// maxTasks bounds task_limit: each task takes memory.
const maxTasks = 100_000_000

// maxCount bounds copies and probes: more of them is a slip of the finger.
const maxCount = 1000

// maxReads bounds what may run or wait at a time.
const maxReads = 1_000_000

// maxExact bounds what one search may look at to be exact.
const maxExact = 100_000_000

// maxRate bounds documents a second: no server gives or takes as many.
const maxRate = 1_000_000_000

// guest reads the module that an option names, with its arguments and block.
func guest(d *caddyfile.Dispenser, namespace, inlineKey string) ([]byte, error) {
	var name string
	if err := value(d, &name); err != nil {
		return nil, err
	}
	if _, err := caddy.GetModule(namespace + name); err != nil {
		return nil, d.Errf("there is no module %s%s in this build", namespace, name)
	}
	module, err := caddyfile.UnmarshalModule(d, namespace+name)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(module, inlineKey, name, nil), nil
}

// value reads the next argument, which must be there and not be empty.
func value(d *caddyfile.Dispenser, to *string) error {
	name := d.Val()
	if !d.NextArg() {
		return d.ArgErr()
	}
	if d.Val() == "" {
		return d.Errf("%s is empty", name)
	}
	*to = d.Val()
	return nil
}

// last refuses further arguments, and a block that the option does not have.
func last(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return noBlock(d)
}

func noBlock(d *caddyfile.Dispenser) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("unexpected block: '%s' does not belong here", d.Val())
	}
	return nil
}

func text(d *caddyfile.Dispenser, to *string) error {
	if err := value(d, to); err != nil {
		return err
	}
	return last(d)
}

func oneOf(d *caddyfile.Dispenser, to *string, allowed ...string) error {
	name := d.Val()
	if err := value(d, to); err != nil {
		return err
	}
	for _, a := range allowed {
		if *to == a {
			return last(d)
		}
	}
	return d.Errf("%s is '%s': it must be one of %s", name, *to, strings.Join(allowed, ", "))
}

func number(d *caddyfile.Dispenser, to *int, most int) error {
	if err := count(d, d.Val(), to, most); err != nil {
		return err
	}
	return last(d)
}

// count is number for an option that takes more than one argument.
func count(d *caddyfile.Dispenser, name string, to *int, most int) error {
	var figure string
	if err := value(d, &figure); err != nil {
		return err
	}
	n, err := strconv.Atoi(figure)
	if err != nil || n < 1 || n > most {
		return d.Errf("%s is '%s': it must be a whole number between 1 and %d", name, figure, most)
	}
	*to = n
	return nil
}

// maxDuration keeps durations where they still make sense and cannot overflow.
const maxDuration = 24 * time.Hour

func duration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	if err := length(d, d.Val(), to); err != nil {
		return err
	}
	return last(d)
}

// length is duration for an option that takes more than one argument.
func length(d *caddyfile.Dispenser, name string, to *caddy.Duration) error {
	return within(d, name, to, maxDuration, "a day")
}

// maxPeriod bounds how seldom something is done.
const maxPeriod = 30 * 24 * time.Hour

// within reads a duration of at most so much.
func within(d *caddyfile.Dispenser, name string, to *caddy.Duration, most time.Duration, words string) error {
	var figure string
	if err := value(d, &figure); err != nil {
		return err
	}
	read, err := caddy.ParseDuration(figure)
	if err == nil && (read <= 0 || read > most) {
		err = errors.New("out of range")
	}
	if err != nil {
		return d.Errf("%s is '%s': it must be a duration as 500ms or 5s, more than zero and at most %s", name, figure, words)
	}
	*to = caddy.Duration(read)
	return nil
}

// maxSize is the largest size in bytes that is taken for meant.
const maxSize = 1 << 50

func size(d *caddyfile.Dispenser, to *int64) error {
	name, figure := d.Val(), ""
	if err := value(d, &figure); err != nil {
		return err
	}
	bytes, err := humanize.ParseBytes(figure)
	if err == nil && (bytes == 0 || bytes > maxSize) {
		err = fmt.Errorf("out of range")
	}
	if err != nil {
		return d.Errf("%s is '%s': it must be a size as 100MB or 10GiB, more than zero", name, figure)
	}
	*to = int64(bytes)
	return last(d)
}

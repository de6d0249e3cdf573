package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const canFill = true

// fill lets the process make no file longer than some bytes, as if its disk were
// full; a negative number takes that away.
func (p *process) fill(most int64) error {
	p.mutex.Lock()
	pid := p.command.Process.Pid
	p.mutex.Unlock()
	var limit unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit)
	if err == nil {
		limit.Cur = limit.Max
		if most >= 0 {
			limit.Cur = uint64(most)
		}
		err = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)
	}
	if err != nil {
		return fmt.Errorf("bound the files of %s: %w", p.name, err)
	}
	return nil
}

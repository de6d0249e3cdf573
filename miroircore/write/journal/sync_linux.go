package journal

import (
	"os"
	"syscall"
)

// syncData makes a file's content durable without waiting for its times.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return err
		}
	}
}

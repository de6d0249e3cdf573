// Package backup carries the gateway's state: it writes a consistent copy of it
// into a file that says what it is and shows any damage, and makes a state of
// such a file again.
package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
	"github.com/miroir-gateway/miroir/miroircore/state/format"
)

// Format is the version of the file's form. A newer one is refused.
const Format = 1

// magic is the first line of a backup.
const magic = "miroir state backup\n"

// Header describes a backup.
type Header struct {
	Format int       `json:"format"`
	Fleet  string    `json:"fleet"`
	At     time.Time `json:"at"`
}

// Source is a state that can give a consistent copy of itself while it is used.
type Source interface{ Backup(w io.Writer) error }

// Write writes a backup: a line that names it, its header, the state, and the
// SHA-256 of all that.
func Write(w io.Writer, source Source, h Header) error {
	h.Format = Format
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<20)
	if _, err := fmt.Fprintf(out, "%s%s\n", magic, line); err != nil {
		return err
	}
	if err := errors.Join(source.Backup(out), out.Flush()); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// Check reads a backup through and gives its header, and where the state in it
// begins and ends.
func Check(file *os.File) (h Header, from, to int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return h, 0, 0, err
	}
	head := bufio.NewReader(io.NewSectionReader(file, 0, info.Size()))
	first, err := head.ReadString('\n')
	if err != nil || first != magic {
		return h, 0, 0, fmt.Errorf("%s is no backup of a gateway's state", file.Name())
	}
	line, err := head.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &h) != nil {
		return h, 0, 0, fmt.Errorf("the header of %s cannot be read", file.Name())
	}
	if h.Format > Format {
		return h, 0, 0, fmt.Errorf("%s was written by a newer version: its format is %d, this one knows %d", file.Name(), h.Format, Format)
	}
	from, to = int64(len(first)+len(line)), info.Size()-sha256.Size
	if to < from {
		return h, 0, 0, fmt.Errorf("%s ends too early", file.Name())
	}
	sum, want := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, to)); err != nil {
		return h, 0, 0, err
	}
	if _, err := file.ReadAt(want, to); err != nil {
		return h, 0, 0, err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return h, 0, 0, fmt.Errorf("%s is damaged or cut short: its checksum does not fit", file.Name())
	}
	return h, from, to, nil
}

// The numbers that were given out since the backup was made are not known. So
// many are passed over, that none is given twice: a write must not get a lower
// version than one that the nodes have, nor the name of a task they have.
const (
	operationsPassed = 1 << 28
	tasksPassed      = 1 << 20
)

// Restore makes a state at path of a backup. Nothing must be there yet, nor at
// the journal's place: its writes belong to another state.
func Restore(from, path, journal string) (Header, error) {
	file, err := os.Open(from)
	if err != nil {
		return Header{}, err
	}
	defer file.Close()
	h, begin, end, err := Check(file)
	if err != nil {
		return Header{}, err
	}
	for _, there := range []string{path, journal} {
		if _, err := os.Lstat(there); !errors.Is(err, os.ErrNotExist) {
			return Header{}, fmt.Errorf("%s is there already: a backup is restored to an empty place only, move it away first", there)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Header{}, err
	}
	part := path + ".part"
	if err := restore(io.NewSectionReader(file, begin, end-begin), part); err != nil {
		return Header{}, errors.Join(fmt.Errorf("restore %s: %w", from, err), os.Remove(part))
	}
	return h, os.Rename(part, path)
}

func restore(content io.Reader, part string) error {
	out, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	store, err := bolt.Open(part, bolt.Options{Migrations: format.Steps, Copied: true})
	if err != nil {
		return err
	}
	return errors.Join(store.Update(passOver), store.Close())
}

// passOver moves the counters on.
func passOver(tx state.Tx) error {
	if raw := tx.Get("write", []byte("next")); len(raw) == 8 {
		next := binary.BigEndian.Uint64(raw) + operationsPassed
		if err := tx.Put("write", []byte("next"), binary.BigEndian.AppendUint64(nil, next)); err != nil {
			return err
		}
	}
	for _, key := range []string{"next_uid", "next_batch"} {
		raw := tx.Get("task_meta", []byte(key))
		if len(raw) != 4 {
			continue
		}
		next := binary.BigEndian.Uint32(raw)
		if next > math.MaxUint32-2*tasksPassed {
			return errors.New("too few task numbers are left")
		}
		if err := tx.Put("task_meta", []byte(key), binary.BigEndian.AppendUint32(nil, next+tasksPassed)); err != nil {
			return err
		}
	}
	return nil
}

package job

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/task"
)

// dumpDetails are the details of a dump's task.
type dumpDetails struct {
	DumpUID *string `json:"dumpUid"`
}

// Dump writes the whole fleet as one dump that a plain Meilisearch imports:
// hidden fields and rules are gone, logical settings are in it.
func (r *Runner) Dump() (task.Task, error) {
	return r.start(meili.TypeDumpCreation, dumpDetails{}, func(ctx context.Context) (any, error) {
		uid := strings.Replace(r.Now().UTC().Format("20060102-150405.000"), ".", "", 1)
		if err := r.dump(ctx, uid); err != nil {
			return nil, err
		}
		return dumpDetails{DumpUID: &uid}, nil
	})
}

// dump writes beside its final name and renames, so that a dump that is there
// is whole.
func (r *Runner) dump(ctx context.Context, uid string) (err error) {
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of dumps: %w", err)
	}
	final := filepath.Join(r.Dir, uid+".dump")
	file, err := os.OpenFile(final+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the dump: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	zip := gzip.NewWriter(file)
	archive := tar.NewWriter(zip)
	d := &dumpWriter{archive: archive, at: r.Now(), dir: r.Dir}
	err = r.fill(ctx, d)
	err = errors.Join(err, archive.Close(), zip.Close(), file.Sync(), file.Close())
	if err != nil {
		return fmt.Errorf("write the dump: %w", err)
	}
	return os.Rename(file.Name(), final)
}

func (r *Runner) fill(ctx context.Context, d *dumpWriter) error {
	keys, err := r.Keys.Dump()
	if err != nil {
		return fmt.Errorf("dump the keys: %w", err)
	}
	err = errors.Join(
		d.json("metadata.json", map[string]string{"dumpVersion": "V6", "dbVersion": r.Version().PkgVersion, "dumpDate": meili.FormatTime(d.at)}),
		d.json("experimental-features.json", r.Features()),
		d.bytes("tasks/queue.jsonl", nil), d.bytes("batches/queue.jsonl", nil),
		d.keys(keys))
	if err != nil {
		return err
	}
	for _, ix := range r.Catalog.List() {
		if err := r.fillIndex(ctx, d, ix); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) fillIndex(ctx context.Context, d *dumpWriter, ix *index.Index) error {
	folder := "indexes/" + ix.UID + "/"
	if err := errors.Join(d.json(folder+"metadata.json", ix.View()), d.bytes(folder+"settings.json", ix.Settings.Raw())); err != nil {
		return err
	}
	return d.lines(folder+"documents.jsonl", func(w io.Writer) error {
		return r.documents(ctx, ix, func(document []byte) error {
			_, err := w.Write(append(document, '\n'))
			return err
		})
	})
}

// dumpWriter writes the entries of a dump.
type dumpWriter struct {
	archive *tar.Writer
	at      time.Time
	dir     string
}

func (d *dumpWriter) header(name string, size int64) error {
	return d.archive.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o644, Size: size, ModTime: d.at, Format: tar.FormatGNU})
}

func (d *dumpWriter) bytes(name string, content []byte) error {
	if err := d.header(name, int64(len(content))); err != nil {
		return err
	}
	_, err := d.archive.Write(content)
	return err
}

func (d *dumpWriter) json(name string, value any) error {
	content, err := meili.Marshal(value)
	if err != nil {
		return err
	}
	return d.bytes(name, content)
}

func (d *dumpWriter) keys(keys []json.RawMessage) error {
	var lines []byte
	for _, key := range keys {
		lines = append(append(lines, key...), '\n')
	}
	return d.bytes("keys.jsonl", lines)
}

// lines writes an entry whose size is not known beforehand: it goes through a
// file, so that an index of any size takes no memory.
func (d *dumpWriter) lines(name string, fill func(io.Writer) error) error {
	file, err := os.CreateTemp(d.dir, "documents-*.part")
	if err != nil {
		return err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name()) // what stays has a name that nothing takes for a dump
	}()
	buffered := bufio.NewWriter(file)
	if err := errors.Join(fill(buffered), buffered.Flush()); err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := d.header(name, size); err != nil {
		return err
	}
	_, err = io.Copy(d.archive, file)
	return err
}

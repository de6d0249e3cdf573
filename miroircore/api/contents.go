package api

import (
	"bufio"
	"net/http"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// adminContents lists the documents of an index, one a line: the id and a hash
// of what clients see of the document, so that the index can be compared with
// that of another server. The last line counts them, or says what went wrong:
// without it the list is not whole.
func (s *Server) adminContents(c *call) *meili.Error {
	ix, refused := s.resolve(c.uid)
	if refused != nil {
		return refused
	}
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	c.w.WriteHeader(http.StatusOK)
	out := bufio.NewWriterSize(c.w, 64<<10)
	var line []byte
	documents := 0
	err := s.Jobs.Contents(c.ctx, ix, func(id []byte, content uint64) error {
		documents++
		line = append(append(append(line[:0], `{"id":"`...), id...), `","content":"`...) // ids need no escapes
		line = append(strconv.AppendUint(line, content, 16), "\"}\n"...)
		_, err := out.Write(line)
		return err
	})
	last := map[string]any{"documents": documents}
	if err != nil {
		last = map[string]any{"error": err.Error()}
	}
	text, err := meili.Marshal(last)
	if err == nil {
		_, _ = out.Write(append(text, '\n')) // the client is gone: nobody is left to tell
		_ = out.Flush()
	}
	return nil
}

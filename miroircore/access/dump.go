package access

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// dumped is a key as a dump holds it. Its value is not in it: it follows from
// the uid and the master key of the server that imports the dump.
type dumped struct {
	Description *string  `json:"description,omitempty"`
	Name        *string  `json:"name,omitempty"`
	UID         string   `json:"uid"`
	Actions     []string `json:"actions"`
	Indexes     []string `json:"indexes"`
	ExpiresAt   *string  `json:"expires_at"`
	CreatedAt   string   `json:"created_at"`
	UpdatedAt   string   `json:"updated_at"`
}

// Dump gives the keys as the lines of a dump.
func (k *Keys) Dump() ([]json.RawMessage, error) {
	var lines []json.RawMessage
	for _, key := range k.ring().list {
		d := dumped{
			Description: key.Description, Name: key.Name, UID: key.UID.String(), Actions: key.Actions, Indexes: key.Indexes,
			CreatedAt: meili.FormatTime(key.CreatedAt), UpdatedAt: meili.FormatTime(key.UpdatedAt),
		}
		if key.ExpiresAt != nil {
			at := meili.FormatTime(*key.ExpiresAt)
			d.ExpiresAt = &at
		}
		line, err := meili.Marshal(d)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

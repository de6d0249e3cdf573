package adopt

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// KeyPlan is an API key that is to be made, or to be given its name and
// description. Its value is not among it.
type KeyPlan struct {
	UID  string `json:"uid"`
	Name string `json:"name"`
	New  bool   `json:"new"`

	key   meili.Key
	value string // what it is at the source
}

// planKeys compares the keys by their uids. Keys of the gateway alone stay.
func (p *Plan) planKeys(source, target *server) {
	moved := 0
	for _, key := range source.keys {
		i := slices.IndexFunc(target.keys, func(k meili.Key) bool { return k.UID == key.UID })
		planned := KeyPlan{UID: key.UID, Name: named(key), New: i < 0, key: key, value: key.Key}
		switch {
		case i < 0 && expired(key):
			p.note("the key %s is not taken: it has expired", planned.Name)
			continue
		case i < 0:
			p.Keys = append(p.Keys, planned)
			continue
		}
		here := target.keys[i]
		if here.Key != key.Key {
			moved++
		}
		if !slices.Equal(here.Actions, key.Actions) || !slices.Equal(here.Indexes, key.Indexes) || !sameTime(here.ExpiresAt, key.ExpiresAt) {
			p.problem("the key %s has other rights here than at the source: delete it here (DELETE /keys/%s), or import without keys (--skip-keys)", planned.Name, key.UID)
		} else if !same(here.Name, key.Name) || !same(here.Description, key.Description) {
			p.Keys = append(p.Keys, planned)
		}
	}
	if moved > 0 {
		p.Notes = append(p.Notes, otherValues)
	}
}

const otherValues = "keys have other values here than at the source, since the master keys differ: give the gateway the source's master key, or clients their new keys"

func named(key meili.Key) string {
	if key.Name != nil && *key.Name != "" {
		return fmt.Sprintf("%q (%s)", *key.Name, key.UID)
	}
	return key.UID
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

func sameTime(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	at, err := time.Parse(time.RFC3339Nano, *a)
	bt, failed := time.Parse(time.RFC3339Nano, *b)
	return *a == *b || err == nil && failed == nil && at.Equal(bt)
}

func expired(key meili.Key) bool {
	if key.ExpiresAt == nil {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, *key.ExpiresAt)
	return err == nil && at.Before(time.Now())
}

// makeKeys makes the keys, the oldest first: they are listed by their age.
func (a *adoption) makeKeys(ctx context.Context, keys []KeyPlan, report *Report) error {
	for i := range keys {
		k := &keys[i]
		var made meili.Key
		err := a.makeKey(ctx, k, &made)
		if answer := node.AnswerOf(err); answer != nil && answer.Status < http.StatusInternalServerError {
			report.Notes = append(report.Notes, fmt.Sprintf("the key %s is not taken: %s", k.Name, answer.Message))
			continue
		}
		if err != nil {
			return fmt.Errorf("make the key %s: %w", k.Name, err)
		}
		report.Keys++
		if made.Key != k.value && !slices.Contains(report.Notes, otherValues) {
			report.Notes = append(report.Notes, otherValues)
		}
	}
	return nil
}

func (a *adoption) makeKey(ctx context.Context, k *KeyPlan, made *meili.Key) error {
	texts := map[string]any{"name": k.key.Name, "description": k.key.Description}
	if !k.New {
		return a.target.do(ctx, http.MethodPatch, "/keys/"+k.UID, texts, made)
	}
	texts["uid"], texts["actions"], texts["indexes"], texts["expiresAt"] = k.UID, k.key.Actions, k.key.Indexes, k.key.ExpiresAt
	err := a.target.do(ctx, http.MethodPost, "/keys", texts, made)
	if answer := node.AnswerOf(err); answer != nil && answer.Code == "api_key_already_exists" {
		return a.target.get(ctx, "/keys/"+k.UID, made) // an answer was lost on the way
	}
	return err
}

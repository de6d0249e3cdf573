package request

import (
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

type keyField = decode.Field[KeyCreate]

var keyFields = decode.NewFields(
	keyField{Name: "description", Code: "invalid_api_key_description",
		Read: option(func(k *KeyCreate) **string { return &k.Description }, readString)},
	keyField{Name: "name", Code: "invalid_api_key_name",
		Read: option(func(k *KeyCreate) **string { return &k.Name }, readString)},
	keyField{Name: "uid", Code: "invalid_api_key_uid", Read: func(k *KeyCreate, in decode.In) *meili.Error {
		var text string
		if err := in.String(&text); err != nil {
			return err
		}
		uid, wrong := ParseUUID(text)
		if wrong != "" {
			return in.Invalid(wrong)
		}
		k.UID = &uid
		return nil
	}},
	keyField{Name: "actions", Code: "invalid_api_key_actions", Missing: "missing_api_key_actions",
		Read: func(k *KeyCreate, in decode.In) *meili.Error {
			k.Actions = []string{}
			return in.Each(func(_ int, in decode.In) *meili.Error {
				var action string
				err := in.Enum(&action, meili.Actions)
				k.Actions = append(k.Actions, action)
				return err
			})
		}},
	keyField{Name: "indexes", Code: "invalid_api_key_indexes", Missing: "missing_api_key_indexes",
		Read: func(k *KeyCreate, in decode.In) *meili.Error {
			k.Indexes = []string{}
			return in.Each(func(_ int, in decode.In) *meili.Error {
				var pattern string
				err := readPattern(in, &pattern)
				k.Indexes = append(k.Indexes, pattern)
				return err
			})
		}},
	keyField{Name: "expiresAt", Code: "invalid_api_key_expires_at", Missing: "missing_api_key_expires_at",
		Read: option(func(k *KeyCreate) **time.Time { return &k.ExpiresAt }, readExpiry)},
)

func readExpiry(in decode.In, dst *time.Time) *meili.Error {
	var text string
	if err := in.String(&text); err != nil {
		return err
	}
	t, ok := parseExpiry(text)
	if !ok || !t.After(time.Now()) {
		return in.Invalid("`" + text + "` is not a valid date. It should follow the RFC 3339 format to represents a date or " +
			"datetime in the future or specified as a null value. e.g. 'YYYY-MM-DD' or 'YYYY-MM-DD HH:MM:SS'.\n")
	}
	*dst = t
	return nil
}

// ParseKeyCreate reads the body of a key's creation.
func ParseKeyCreate(body []byte) (*KeyCreate, *meili.Error) {
	k, err := parse(body, keyFields, KeyCreate{})
	if err != nil {
		return nil, err
	}
	if len(k.Indexes) == 0 || slices.Contains(k.Indexes, "*") {
		return k, nil
	}
	for _, action := range k.Actions {
		if GlobalAction(action) {
			return nil, meili.NewError("index_scoped_api_key_with_global_action", "cannot create index-scoped API key with "+
				"global action `\"%[1]s\"`\n  - Hint: remove action `\"%[1]s\"` from the action list, or remove `indexes` "+
				"to make the key global", action)
		}
	}
	return k, nil
}

// globalFamilies are the actions, before their dot, that a key for some indexes only cannot have.
var globalFamilies = []string{"metrics", "dumps", "snapshots", "version", "keys", "experimental", "export", "network",
	"chats", "chatsSettings", "webhooks", "dynamicSearchRules"}

// GlobalAction says whether an action concerns the whole instance, so that a
// key for some indexes only cannot have it.
func GlobalAction(action string) bool {
	family, _, _ := strings.Cut(action, ".")
	return slices.Contains(globalFamilies, family) || action == "tasks.compact"
}

var keyUpdateFields = decode.NewFields(
	decode.Field[KeyUpdate]{Name: "description", Code: "invalid_api_key_description",
		Read: setting(func(k *KeyUpdate) *Optional[string] { return &k.Description }, readString)},
	decode.Field[KeyUpdate]{Name: "name", Code: "invalid_api_key_name",
		Read: setting(func(k *KeyUpdate) *Optional[string] { return &k.Name }, readString)},
).Guard(func(in decode.In, name string, accepted []string) *meili.Error {
	if code, ok := immutableKeyFields[name]; ok {
		return decode.Immutable(code, name, accepted)
	}
	return in.UnknownField(name, accepted)
})

var immutableKeyFields = map[string]string{
	"uid": "immutable_api_key_uid", "actions": "immutable_api_key_actions", "indexes": "immutable_api_key_indexes",
	"expiresAt": "immutable_api_key_expires_at", "createdAt": "immutable_api_key_created_at",
	"updatedAt": "immutable_api_key_updated_at",
}

// setting reads a value that can be set, reset by null, or left alone.
func setting[S, T any](at func(*S) *Optional[T], read func(decode.In, *T) *meili.Error) func(*S, decode.In) *meili.Error {
	return func(s *S, in decode.In) *meili.Error {
		o := at(s)
		o.Sent = true
		return decode.Optional(in, &o.Value, func(v *T) *meili.Error { return read(in, v) })
	}
}

// ParseKeyUpdate reads the body of a key's update.
func ParseKeyUpdate(body []byte) (*KeyUpdate, *meili.Error) {
	return parse(body, keyUpdateFields, KeyUpdate{})
}

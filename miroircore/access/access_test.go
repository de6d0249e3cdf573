package access_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/access"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

const master = "masterKeyForTheTests0"

// recordedAt is when the recorded tokens were sent.
var recordedAt = time.Unix(1795471948, 0)

type world struct {
	*access.Keys
	t      testing.TB
	store  state.Store
	master string
	now    time.Time
}

func open(t testing.TB) *world {
	w := &world{t: t, store: memory.New(), master: master, now: recordedAt}
	w.reopen()
	return w
}

func (w *world) reopen() {
	w.t.Helper()
	keys, err := access.Open(w.store, func() string { return w.master }, func() time.Time { return w.now })
	if err != nil {
		w.t.Fatal(err)
	}
	w.Keys = keys
}

func (w *world) create(uid string, actions, indexes []string) *meili.Key {
	w.t.Helper()
	made, err := w.Create(&request.KeyCreate{UID: &uid, Actions: actions, Indexes: indexes})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func valueOf(uid string) string {
	mac := hmac.New(sha256.New, []byte(master))
	mac.Write([]byte(uid))
	return hex.EncodeToString(mac.Sum(nil))
}

func message(err *meili.Error) string {
	if err == nil {
		return ""
	}
	return err.Message
}

// lines decodes each line of a file in testdata.
func lines[T any](t *testing.T, name string) (out []T) {
	t.Helper()
	file, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	scan := bufio.NewScanner(file)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var v T
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// What a real server answered to keys of all kinds on all kinds of routes.
func TestActionsAsTheServerHasThem(t *testing.T) {
	w := open(t)
	type sample struct {
		UID              string
		Actions, Indexes []string
		Answers          [][3]string
	}
	for _, s := range lines[sample](t, "actions.jsonl") {
		made := w.create(s.UID, s.Actions, s.Indexes)
		for _, a := range s.Answers {
			_, refusal := w.Authorize("Bearer "+made.Key, a[0], a[1])
			if got := message(refusal); got != a[2] {
				t.Errorf("key %v on %v: %s of %q gives %q, want %q", s.Actions, s.Indexes, a[0], a[1], got, a[2])
			}
		}
	}
}

// What a real server answered to good and broken tenant tokens.
func TestTokensAsTheServerHasThem(t *testing.T) {
	w := open(t)
	w.create("01b4bc42-eb33-4041-b481-254d00cce834", []string{"search", "documents.get"}, []string{"bo*"})
	type sample struct{ Name, Token, Index, Refusal string }
	for _, s := range lines[sample](t, "tokens.jsonl") {
		if s.Name == "claimsarr" {
			continue // the server's library reads a list as claims by position, and so words its error by it
		}
		_, refusal := w.Authorize("Bearer "+s.Token, "search", s.Index)
		if got := message(refusal); got != s.Refusal {
			t.Errorf("%s:\n got %q\nwant %q", s.Name, got, s.Refusal)
		}
	}
}

func TestHeaderForms(t *testing.T) {
	w := open(t)
	value := w.List(request.Page{Limit: 20}).Results[1].Key // the admin key
	for header, want := range map[string]string{
		"Bearer " + master:                  "",
		"Bearer " + value:                   "",
		"Bearer " + strings.ToUpper(value):  "",
		"":                                  "missing_authorization_header",
		"bearer " + master:                  "missing_authorization_header",
		"Basic " + master:                   "missing_authorization_header",
		"Bearer":                            "invalid_api_key",
		"Bearer ":                           "invalid_api_key",
		"Bearer  " + master:                 "invalid_api_key",
		"Bearer " + master[1:]:              "invalid_api_key",
		"Bearer " + value[:63]:              "invalid_api_key",
		"Bearer " + strings.Repeat("0", 64): "invalid_api_key",
		"Bearer " + strings.Repeat("é", 32): "invalid_api_key",
	} {
		_, refusal := w.Authorize(header, "indexes.get", "")
		got := ""
		if refusal != nil {
			got = refusal.Code
		}
		if got != want {
			t.Errorf("%q gives %q, want %q", header, got, want)
		}
	}
}

func TestDefaultKeys(t *testing.T) {
	w := open(t)
	before := w.List(request.Page{Limit: 20})
	var names []string
	for _, key := range before.Results {
		names = append(names, *key.Name)
	}
	want := "Default Search API Key,Default Admin API Key,Default Read-Only Admin API Key,Default Chat API Key"
	if got := strings.Join(names, ","); got != want {
		t.Errorf("got %s", got)
	}
	w.now = w.now.Add(time.Hour)
	w.reopen()
	after := w.List(request.Page{Limit: 20})
	if a, b := encode(t, before), encode(t, after); a != b {
		t.Errorf("keys changed over a restart:\n%s\n%s", a, b)
	}
	if page := w.List(request.Page{Offset: 3, Limit: 20}); len(page.Results) != 1 || page.Total != 4 {
		t.Errorf("page from 3: %+v", page)
	}
}

func encode(t testing.TB, v any) string {
	t.Helper()
	out, err := meili.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestMasterKeyRotation(t *testing.T) {
	w := open(t)
	old := w.create("00000000-0000-0000-0000-000000000000", []string{"*"}, []string{"*"})
	w.master = "MASTER_KEY"
	found, refusal := w.Get(old.UID)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if want := "aeb94973e0b6e912d94165430bbe87dee91a7c4f891ce19050c3910ec96977e9"; found.Key != want {
		t.Errorf("got %s, want %s", found.Key, want)
	}
	for token, ok := range map[string]bool{master: false, old.Key: false, "MASTER_KEY": true, found.Key: true} {
		if _, refusal := w.Authorize("Bearer "+token, "version", ""); (refusal == nil) != ok {
			t.Errorf("after rotation: %v", refusal)
		}
	}
}

func TestNoMasterKey(t *testing.T) {
	w := open(t)
	w.master = ""
	for _, c := range []struct{ header, action, want string }{
		{"", "indexes.get", ""}, {"Bearer x", "indexes.get", ""}, {"Basic x", "indexes.get", "missing_authorization_header"},
		{"Bearer", "indexes.get", "invalid_api_key"}, {"", "keys.get", "missing_master_key"}, {"Bearer x", "keys.get", "missing_master_key"},
	} {
		_, refusal := w.Authorize(c.header, c.action, "")
		got := ""
		if refusal != nil {
			got = refusal.Code
		}
		if got != c.want {
			t.Errorf("%q on %s gives %q, want %q", c.header, c.action, got, c.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	w := open(t)
	at := w.now.Add(time.Hour).In(time.FixedZone("", 7200))
	made, err := w.Create(&request.KeyCreate{Actions: []string{"*"}, Indexes: []string{"*"}, ExpiresAt: &at})
	if err != nil {
		t.Fatal(err)
	}
	if want := at.Format(time.RFC3339); *made.ExpiresAt != want {
		t.Errorf("shown as %s, want %s", *made.ExpiresAt, want)
	}
	for _, step := range []struct {
		at time.Time
		ok bool
	}{{at.Add(-1), true}, {at, false}, {at.Add(time.Hour), false}} {
		w.now = step.at
		if _, refusal := w.Authorize("Bearer "+made.Key, "version", ""); (refusal == nil) != step.ok {
			t.Errorf("at %s: %v", step.at, refusal)
		}
	}
}

func TestUpdateAndDelete(t *testing.T) {
	w := open(t)
	uid := "01b4bc42-eb33-4041-b481-254d00cce834"
	made := w.create(uid, []string{"search"}, []string{"*"})
	w.now = w.now.Add(time.Second)
	name := "renamed"
	changed, err := w.Update(made.Key, &request.KeyUpdate{Name: request.Optional[string]{Sent: true, Value: &name}})
	if err != nil || *changed.Name != name || changed.UpdatedAt == made.UpdatedAt || changed.CreatedAt != made.CreatedAt {
		t.Fatalf("update gave %+v, %v", changed, err)
	}
	cleared, err := w.Update(uid, &request.KeyUpdate{Name: request.Optional[string]{Sent: true}})
	if err != nil || cleared.Name != nil {
		t.Fatalf("clearing gave %+v, %v", cleared, err)
	}
	w.reopen()
	if err := w.Delete(strings.ToUpper(uid)); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []error{w.Delete(uid), w.Delete(made.Key), w.Delete("nope")} {
		var refusal *meili.Error
		if !errors.As(gone, &refusal) || refusal.Code != "api_key_not_found" {
			t.Errorf("got %v", gone)
		}
	}
	if _, refusal := w.Authorize("Bearer "+made.Key, "search", ""); refusal == nil {
		t.Error("a deleted key still works")
	}
	w.reopen()
	if _, refusal := w.Get(uid); refusal == nil {
		t.Error("a deleted key came back")
	}
}

// Two at once must not both get the uid.
func TestCreateSameUIDAtOnce(t *testing.T) {
	w := open(t)
	uid := "01b4bc42-eb33-4041-b481-254d00cce834"
	var wg sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wg.Go(func() {
			_, results[i] = w.Create(&request.KeyCreate{UID: &uid, Actions: []string{"search"}, Indexes: []string{"*"}})
		})
	}
	wg.Wait()
	made := 0
	for _, err := range results {
		var refusal *meili.Error
		if err == nil {
			made++
		} else if !errors.As(err, &refusal) || refusal.Code != "api_key_already_exists" {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d were made", made)
	}
}

func token(claims string, uid string) string {
	message := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(valueOf(uid)))
	mac.Write([]byte(message))
	return message + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestGrants(t *testing.T) {
	w := open(t)
	uid := "01b4bc42-eb33-4041-b481-254d00cce834"
	made := w.create(uid, []string{"search", "indexes.create"}, []string{"bo*", "zoo"})
	grant := func(bearer string) *access.Grant {
		t.Helper()
		g, refusal := w.Authorize("Bearer "+bearer, "search", "")
		if refusal != nil {
			t.Fatal(refusal)
		}
		return g
	}
	g := grant(made.Key)
	if g.All || !g.Allows("books") || g.Allows("zoology") || !g.AllowsCreation("zoo") || g.AllowsCreation("x") || g.KeyUID != uid {
		t.Errorf("key: %+v", g)
	}
	if strings.Contains(g.Identity, made.Key) {
		t.Error("the identity holds the secret")
	}
	if see := g.Visible(); see == nil || !see("books") || see("x") {
		t.Error("what the key may see is wrong")
	}
	if m := grant(master); !m.All || m.Visible() != nil || !m.AllowsCreation("x") {
		t.Errorf("master: %+v", m)
	}
	rules := `{"*":{"filter":"a = 1"},"bo*":{"filter":["b = 2"]},"books":{"filter":"c = 3"},"book*":null,"other":{"filter":"d"}}`
	g = grant(token(`{"searchRules":`+rules+`,"apiKeyUid":"`+uid+`","exp":4000000000}`, uid))
	for index, want := range map[string]string{"books": `"c = 3"`, "book": "", "boat": `["b = 2"]`, "zoo": `"a = 1"`} {
		if filter, refusal := g.SearchFilter(index); refusal != nil || string(filter) != want {
			t.Errorf("filter of %s: %s %v, want %s", index, filter, refusal, want)
		}
	}
	if _, refusal := g.SearchFilter("other"); refusal == nil || refusal.Code != "invalid_api_key" {
		t.Errorf("an index beyond the key: %v", refusal)
	}
	if g.All || g.Identity == uid {
		t.Errorf("token: %+v", g)
	}
}

func TestScopedKeyWithGlobalAction(t *testing.T) {
	w := open(t)
	for _, action := range meili.Actions {
		_, err := w.Create(&request.KeyCreate{Actions: []string{"search", action}, Indexes: []string{"a"}})
		group, _, _ := strings.Cut(action, ".")
		global := map[string]bool{
			"metrics": true, "dumps": true, "snapshots": true, "version": true, "keys": true, "experimental": true, "export": true,
			"network": true, "chats": true, "chatsSettings": true, "webhooks": true, "dynamicSearchRules": true,
		}[group] || action == "tasks.compact"
		if (err != nil) != global {
			t.Errorf("%s: %v", action, err)
		}
	}
}

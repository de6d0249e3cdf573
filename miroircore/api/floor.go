package api

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search"
)

const (
	// versionHeader tells which settings an answer was made under, floorHeader asks
	// for an answer under these or later ones.
	versionHeader = "X-Miroir-Settings-Version"
	floorHeader   = "X-Miroir-Min-Settings-Version"
)

// floor is the least version of settings that an answer may be made under. A
// request for several indexes may name one for each.
type floor struct {
	all uint64
	by  map[string]uint64
}

// parseFloor reads a version, or versions of named indexes as "books=3,films=2".
func parseFloor(text string) (floor, *meili.Error) {
	var f floor
	if text == "" {
		return f, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		uid, version, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			uid, version = "", uid
		}
		n, err := strconv.ParseUint(version, 10, 64)
		if err != nil || named == (uid == "") {
			return f, meili.NewError("bad_request", "Invalid value in header `%s`: could not parse `%s` as a positive integer, nor as `index=integer`", floorHeader, strings.TrimSpace(part))
		}
		if !named {
			f.all = max(f.all, n)
			continue
		}
		if f.by == nil {
			f.by = make(map[string]uint64)
		}
		f.by[uid] = max(f.by[uid], n)
	}
	return f, nil
}

func (f floor) of(uid string) uint64 { return max(f.all, f.by[uid]) }

// highest is 0 where nothing is asked for.
func (f floor) highest() uint64 {
	highest := f.all
	for _, n := range f.by {
		highest = max(highest, n)
	}
	return highest
}

// check refuses an index whose settings are older.
func (f floor) check(ix *index.Index) *meili.Error {
	if least := f.of(ix.UID); ix.SettingsVersion < least {
		return staleSettings(least)
	}
	return nil
}

func staleSettings(least uint64) *meili.Error {
	return meili.NewError("miroir_settings_version_stale", "No copy with the settings of version %d or later can be read of each shard. Retry.", least)
}

// versions collects the settings that the indexes of one request are read under.
type versions struct {
	mu  sync.Mutex
	had map[string]uint64
}

// watch gives a resolve that refuses what lies below the floor, and notes the
// rest.
func (v *versions) watch(f floor, resolve search.Resolve) search.Resolve {
	v.had = make(map[string]uint64)
	return func(uid string) (*index.Index, *meili.Error) {
		ix, err := resolve(uid)
		if err == nil {
			err = f.check(ix)
		}
		if err != nil {
			return nil, err
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		if before, again := v.had[uid]; !again || ix.SettingsVersion < before {
			v.had[uid] = ix.SettingsVersion
		}
		return ix, nil
	}
}

// maxNamed bounds how many indexes the header names: some proxies refuse answers
// with long headers.
const maxNamed = 64

// String is what the header says, which parseFloor reads.
func (v *versions) String() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	named := make([]string, 0, len(v.had))
	for _, uid := range slices.Sorted(maps.Keys(v.had)) {
		named = append(named, uid+"="+strconv.FormatUint(v.had[uid], 10))
	}
	return strings.Join(named[:min(len(named), maxNamed)], ",")
}

package request

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

type tasksField = decode.Field[Tasks]

var listFields = decode.NewFields(slices.Concat([]tasksField{
	{Name: "limit", Code: "invalid_task_limit", Read: value(func(t *Tasks) *uint32 { return &t.Limit }, paramUint32)},
	{Name: "from", Code: "invalid_task_from", Read: option(func(t *Tasks) **uint32 { return &t.From }, paramUint32)},
	{Name: "reverse", Code: "invalid_task_reverse", Read: value(func(t *Tasks) *bool { return &t.Reverse }, paramBool)},
	batchUIDsField, uidsField,
}, chooseTasks())...)

var uidsField = tasksField{Name: "uids", Code: "invalid_task_uids",
	Read: uidList(func(t *Tasks) *[]uint32 { return &t.UIDs })}

var batchUIDsField = tasksField{Name: "batchUids", Code: "invalid_batch_uids",
	Read: uidList(func(t *Tasks) *[]uint32 { return &t.BatchUIDs })}

var filterFields = decode.NewFields(append([]tasksField{uidsField, batchUIDsField}, chooseTasks()...)...)

func chooseTasks() []tasksField {
	fields := []tasksField{
		{Name: "canceledBy", Code: "invalid_task_canceled_by",
			Read: uidList(func(t *Tasks) *[]uint32 { return &t.CanceledBy })},
		{Name: "types", Code: "invalid_task_types", Read: words(func(t *Tasks) *[]meili.TaskType { return &t.Types },
			meili.TaskTypes, "type", "types")},
		{Name: "statuses", Code: "invalid_task_statuses",
			Read: words(func(t *Tasks) *[]meili.TaskStatus { return &t.Statuses }, meili.TaskStatuses, "status", "statuses")},
		{Name: "indexUids", Code: "invalid_index_uid", Read: readIndexUIDs},
	}
	dates := []struct {
		name, code string
		at         func(*Tasks) **time.Time
	}{
		{"afterEnqueuedAt", "after_enqueued_at", func(t *Tasks) **time.Time { return &t.AfterEnqueuedAt }},
		{"beforeEnqueuedAt", "before_enqueued_at", func(t *Tasks) **time.Time { return &t.BeforeEnqueuedAt }},
		{"afterStartedAt", "after_started_at", func(t *Tasks) **time.Time { return &t.AfterStartedAt }},
		{"beforeStartedAt", "before_started_at", func(t *Tasks) **time.Time { return &t.BeforeStartedAt }},
		{"afterFinishedAt", "after_finished_at", func(t *Tasks) **time.Time { return &t.AfterFinishedAt }},
		{"beforeFinishedAt", "before_finished_at", func(t *Tasks) **time.Time { return &t.BeforeFinishedAt }},
	}
	for _, date := range dates {
		after := strings.HasPrefix(date.name, "after")
		fields = append(fields, tasksField{Name: date.name, Code: "invalid_task_" + date.code,
			Read: func(t *Tasks, in decode.In) *meili.Error { return readTaskDate(date.at(t), in, after) }})
	}
	return fields
}

func paramUint32(in decode.In, dst *uint32) *meili.Error {
	var n uint64
	if err := in.ParamUint(&n, math.MaxUint32); err != nil {
		return err
	}
	*dst = uint32(n)
	return nil
}

func uidList(at func(*Tasks) *[]uint32) func(*Tasks, decode.In) *meili.Error {
	return func(t *Tasks, in decode.In) *meili.Error {
		uids := []uint32{}
		star, err := in.EachPart(func(in decode.In) *meili.Error {
			var uid uint32
			err := paramUint32(in, &uid)
			uids = append(uids, uid)
			return err
		})
		if star {
			uids = nil
		}
		*at(t) = uids
		return err
	}
}

// words reads a list of names of which the case does not matter.
func words[T ~string](at func(*Tasks) *[]T, known []T, one, many string) func(*Tasks, decode.In) *meili.Error {
	return func(t *Tasks, in decode.In) *meili.Error {
		list := []T{}
		star, err := in.EachPart(func(in decode.In) *meili.Error {
			for _, name := range known {
				if strings.EqualFold(string(name), in.Value.Text) {
					list = append(list, name)
					return nil
				}
			}
			names := make([]string, len(known))
			for i, name := range known {
				names[i] = "`" + string(name) + "`"
			}
			return in.Invalid("`" + in.Value.Text + "` is not a valid task " + one + ". Available " + many + " are " +
				strings.Join(names, ", ") + ".")
		})
		if star {
			list = nil
		}
		*at(t) = list
		return err
	}
}

func readIndexUIDs(t *Tasks, in decode.In) *meili.Error {
	uids := []string{}
	star, err := in.EachPart(func(in decode.In) *meili.Error {
		var uid string
		err := readIndexUID(in, &uid)
		uids = append(uids, uid)
		return err
	})
	if star {
		uids = nil
	}
	t.IndexUIDs = uids
	return err
}

// readTaskDate reads a date and time, or a day: after a day means after its end,
// before it before its beginning.
func readTaskDate(dst **time.Time, in decode.In, after bool) *meili.Error {
	*dst = nil
	if in.Value.Text == "*" {
		return nil
	}
	date, ok := parseRFC3339(in.Value.Text)
	if !ok {
		if date, ok = parseDay(in.Value.Text); ok && after {
			date = date.AddDate(0, 0, 1)
		}
	}
	if !ok {
		return in.Invalid("`" + in.Value.Text +
			"` is an invalid date-time. It should follow the YYYY-MM-DD or RFC 3339 date-time format.")
	}
	*dst = &date
	return nil
}

// ParseTasks reads the query string of a list of tasks or batches.
func ParseTasks(rawQuery string) (*Tasks, *meili.Error) {
	return parseQuery(rawQuery, listFields, Tasks{Limit: DefaultLimit})
}

// ParseTaskFilter reads the query string of a cancelation or deletion of tasks;
// action is "cancel" or "delete".
func ParseTaskFilter(rawQuery, action string) (*TaskFilter, *meili.Error) {
	in := decode.Query(rawQuery)
	var t Tasks
	if err := filterFields.Read(&t, in); err != nil {
		return nil, err
	}
	if len(in.Value.Members) == 0 {
		return nil, meili.NewError("missing_task_filters", "Query parameters to filter the tasks to %s are missing. "+
			"Available query parameters are: `uids`, `indexUids`, `statuses`, `types`, `canceledBy`, `beforeEnqueuedAt`, "+
			"`afterEnqueuedAt`, `beforeStartedAt`, `afterStartedAt`, `beforeFinishedAt`, `afterFinishedAt`.", action)
	}
	return &t.TaskFilter, nil
}

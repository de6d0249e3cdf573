// Package outbox brings operations to one node: first in, first out per index,
// one request in flight per index, each request found again after an answer
// that got lost, each outcome believed only where it is the operation's own.
package outbox

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// Step is one request that one node is to get for one operation.
type Step struct {
	// Op is the operation's number, Number the step's among the operation's
	// steps on this node. Both together order the steps of an index.
	Op     uint64
	Number int
	// Method, Path and Query are the request's. Type is the type of the task
	// that it makes.
	Method, Path, Query string
	Type                meili.TaskType
	// Metadata says whether the route takes customMetadata, by which the task
	// is found again.
	Metadata bool
	// Join is equal for steps whose bodies may be sent behind one another in
	// one request; empty for those that may not be joined.
	Join string
	// Alone says that the step is sent when everything before it has ended on
	// the node, with nothing behind it.
	Alone bool
	// Filtered says that the settings decide whether the step can be done, and
	// Settings that it changes them: it waits for the former to end, since they
	// could not be sent again behind it.
	Filtered, Settings bool
	// Last says that the step removes the index: what was before it and has not
	// been done is not needed any more, and nothing comes behind it. Its
	// operation must not be given to the outbox before all before it have an
	// outcome.
	Last bool
	// Accept, if not nil, says which refusals mean that the step was done
	// before.
	Accept func(*meili.Error) bool
	// Size is the length of the body in bytes, or about so.
	Size int64
	// Body makes the request's body; nil for none.
	Body func() (*node.Body, error)
	// Delivery is where an earlier run of the gateway knows the step to be; nil
	// for a step that has to be sent.
	Delivery *Mark
	// Unsure says that an earlier run may have sent the step without noting it;
	// if it did, the task is newer than After.
	Unsure bool
	After  uint32
}

func (s *Step) accepts(e *meili.Error) bool { return e != nil && s.Accept != nil && s.Accept(e) }

// Mark is a node's task: its uid, and when it was enqueued, which tells it from
// a task of the same uid on a node whose disk was put back.
type Mark struct {
	UID        uint32 `json:"uid"`
	EnqueuedAt string `json:"at"`
}

// ErrLost is wrapped by the error of a Body that will never be had again. The
// step then ends as lost.
var ErrLost = errors.New("the body is lost")

// Outcome is how a step ended on a node.
type Outcome struct {
	// Error is nil for success, else what the node refuses the operation with.
	Error *meili.Error
	// Lost says that the node cannot get the step: its body is lost, or the node
	// refuses again and again what another copy could do.
	Lost bool
	// Gone says that the step will never get to the node: what is said of the
	// node's copies is void until they are made anew.
	Gone bool
	// Void says that only what waited for this index was dropped.
	Void                  bool
	Details               json.RawMessage
	StartedAt, FinishedAt time.Time
}

// Events hears what happens to steps. Its methods are called one at a time per
// node and index, without any lock held.
type Events interface {
	// Enqueued tells that the node has the step in its queue.
	Enqueued(node, index string, s *Step, at Mark)
	// Ended tells that the step ended. After a refusal the outbox waits for
	// Settle.
	Ended(node, index string, s *Step, o Outcome)
	// Diverged tells that a duplicate of a request ran out of order: what requests
	// of that type change may not be on the node what it should be.
	Diverged(node, index string, t meili.TaskType)
	// Changed tells that InOrder may answer otherwise than before.
	Changed(node, index string)
}

// refusedHere says whether a code speaks of the operation. All others speak of
// the node: it stays at the operation until the node can do it.
func refusedHere(e *meili.Error, status int) bool {
	if status != 0 {
		switch {
		case status == 401, status == 403, status == 408, status == 429, status >= 500:
			return false
		}
	}
	if e == nil {
		return status >= 400 && status < 500
	}
	switch e.Code {
	case "vector_embedding_error":
		return unembeddable(e.Message)
	case "internal", "io_error", "no_space_left_on_device", "too_many_open_files",
		"unretrievable_error_code", "invalid_store_file", "invalid_state", "database_size_limit_reached",
		"missing_authorization_header", "invalid_api_key", "remote_timeout", "remote_could_not_send_request",
		"too_many_search_requests", "index_not_accessible":
		return false
	}
	return true
}

// unembeddable says whether vectors are missing because of the documents or the
// settings, which no waiting mends, and not because an embedder is away.
func unembeddable(message string) bool {
	for _, said := range []string{"no vectors provided for document", ": user error: ", "was expecting embeddings of dimension"} {
		if strings.Contains(message, said) {
			return true
		}
	}
	return false
}

package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/task"
)

func (s *Server) listTasks(c *call) *meili.Error {
	q, err := request.ParseTasks(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, failure := s.Tasks.List(*q, c.grant.Visible())
	if failure != nil {
		return asError(failure)
	}
	return c.json(http.StatusOK, page)
}

// taskOf finds a task by its number or its name.
func (s *Server) taskOf(c *call, given string) (task.Task, *meili.Error) {
	if _, err := strconv.ParseUint(given, 10, 32); err != nil && !strings.HasPrefix(given, "mtask-") {
		return task.Task{}, meili.InvalidTaskUID(given)
	}
	found, ok := s.Tasks.Find(given)
	if !ok || !c.mayRead(found.IndexUID) {
		return task.Task{}, meili.TaskNotFound(given)
	}
	return found, nil
}

// mayRead says whether the caller's key may see a task of an index. A key of
// some indexes sees no task that belongs to none.
func (c *call) mayRead(indexUID *string) bool {
	return c.grant.All || indexUID != nil && c.grant.Allows(*indexUID)
}

func (s *Server) getTask(c *call) *meili.Error {
	t, err := s.taskOf(c, c.uid)
	if err != nil {
		return err
	}
	c.w.Header().Set("X-Miroir-Task", t.Name)
	return c.json(http.StatusOK, t.View())
}

// waitFor waits until a task has ended, at most for limit.
func (s *Server) waitFor(c *call, uid uint32, limit time.Duration) (meili.Task, bool) {
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	t, err := s.Tasks.Wait(ctx, uid)
	if err != nil {
		return meili.Task{}, false
	}
	return t.View(), true
}

func (s *Server) cancelTasks(c *call) *meili.Error {
	return s.manageTasks(c, "cancel", func(f *request.TaskFilter, original string) (task.Task, error) {
		return s.Tasks.Cancel(*f, original, c.grant.Visible(), s.Writer.Cancel)
	})
}

func (s *Server) deleteTasks(c *call) *meili.Error {
	return s.manageTasks(c, "delete", func(f *request.TaskFilter, original string) (task.Task, error) {
		return s.Tasks.Delete(*f, original, c.grant.Visible())
	})
}

// manageTasks runs a cancellation or a deletion. Both are tasks of the gateway
// alone: no node is told, since nodes are at different points of their queues.
func (s *Server) manageTasks(c *call, kind string, run func(*request.TaskFilter, string) (task.Task, error)) *meili.Error {
	filter, err := request.ParseTaskFilter(c.r.URL.RawQuery, kind)
	if err != nil {
		return err
	}
	t, failure := run(filter, "?"+c.r.URL.RawQuery)
	if failure != nil {
		return asError(failure)
	}
	c.w.Header().Set("X-Miroir-Task", t.Name)
	return c.json(http.StatusOK, t.Summary())
}

func (s *Server) compactTasks(*call) *meili.Error {
	if !s.Features.All().Get("taskQueueCompactionRoute") {
		return meili.FeatureNotEnabled("Using the /tasks/compact route", "taskQueueCompactionRoute")
	}
	return unsupported("Compacting the task queue", "Miroir keeps its own task list and prunes it by itself; compact a node by asking it directly.")
}

func (s *Server) taskDocuments(c *call) *meili.Error {
	if !s.Features.All().Get("getTaskDocumentsRoute") {
		return meili.FeatureNotEnabled("Getting the documents of an enqueued task", "getTaskDocumentsRoute")
	}
	if _, err := s.taskOf(c, c.uid); err != nil {
		return err
	}
	return unsupported("Reading a task's documents back", "A payload is cut up on its way to the nodes and not kept as it came; keep it where it was made.")
}

func (s *Server) listBatches(c *call) *meili.Error {
	q, err := request.ParseTasks(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, failure := s.Tasks.Batches(*q, c.grant.Visible())
	if failure != nil {
		return asError(failure)
	}
	return c.json(http.StatusOK, page)
}

func (s *Server) getBatch(c *call) *meili.Error {
	uid, parseErr := strconv.ParseUint(c.uid, 10, 32)
	if parseErr != nil {
		return meili.InvalidBatchUID(c.uid)
	}
	batch, ok := s.Tasks.Batch(uint32(uid))
	if !ok {
		return meili.BatchNotFound(c.uid)
	}
	return c.json(http.StatusOK, batch)
}

package write

import "testing"

// Whoever has seen a task end reads its effect: a node that was away when it
// ended is not read when it comes back before it has applied the operation, and
// neither is it after a restart of the gateway. Tasks wait for it from then on,
// or it would never catch up while writes go on.
func TestRule14AReturningCopyIsReadOnceItHasWhatEnded(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.quorum = One })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[1].Refuse()
	f.setDown("g0-n1", true)
	f.ok(f.add("a", `[{"id":2}]`))
	nodes[1].StallTasks()
	if err := nodes[1].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n1", false)
	reached := func() bool { return !f.w.NodeState("g0-n1").Suspect }
	for range 2 {
		f.eventually("the node is known to be itself", reached)
		if f.w.Readable("g0-n1", "a") || !f.w.Readable("g0-n0", "a") {
			t.Error("the wrong copy is out")
		}
		f.crash()
	}
	f.eventually("the node is known to be itself", reached)
	r, err := f.add("a", `[{"id":3}]`)
	if err != nil {
		t.Fatal(err)
	}
	f.eventually("the copy that was there has it", func() bool { return len(f.documents("g0-n0", "a")) == 3 })
	if got, _ := f.tasks.Get(r.Summary.TaskUID); got.Status.Finished() {
		t.Error("a task does not wait for a copy that catches up")
	}
	nodes[1].ClearFaults()
	f.ended(r)
	if !f.w.Readable("g0-n1", "a") {
		t.Error("the copy that caught up is not read")
	}
	f.drain()
	f.same("a", map[string]string{"1": `{"id":1}`, "2": `{"id":2}`, "3": `{"id":3}`})
}

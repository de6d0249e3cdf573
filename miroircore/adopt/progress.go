package adopt

import "time"

// Stage is what an import is doing.
type Stage string

// The stages, in their order but for Waiting.
const (
	// Settings: an index is being given its settings.
	Settings Stage = "settings"
	// Documents: documents are read, compared and sent.
	Documents Stage = "documents"
	// Verifying: the documents that the gateway has are summed up.
	Verifying Stage = "verifying"
	// Deleting: what the gateway has and the source has not is looked for.
	Deleting Stage = "looking for documents that the source does not have"
	// Waiting: a side does not answer, or not as it should, and is asked again.
	Waiting Stage = "waiting"
)

// Event is how far an import is.
type Event struct {
	Index string
	Stage Stage
	// Done of Total documents are as they should be; Sent were given to the
	// gateway. Rate is documents a second, Left how long the rest will take, 0
	// where nothing can be said yet.
	Done, Total, Sent uint64
	Rate              float64
	Left              time.Duration
	// Side and Err say what is waited for and why.
	Side string
	Err  error
}

// meter measures the rate of one stage of one index.
type meter struct {
	event Event
	begun time.Time
	tell  func(Event)
}

func newMeter(index string, stage Stage, total uint64, tell func(Event)) *meter {
	m := &meter{event: Event{Index: index, Stage: stage, Total: total}, begun: time.Now(), tell: tell}
	tell(m.event)
	return m
}

// early is the part of a stage before whose end it would mislead to say how long
// the rest takes.
const early = 20

// sent counts documents that the gateway was given.
func (m *meter) sent(documents int) {
	m.event.Sent += uint64(documents)
	m.tell(m.event)
}

// done counts documents that are done.
func (m *meter) done(documents int) {
	m.event.Done += uint64(documents)
	m.event.Total = max(m.event.Total, m.event.Done)
	if spent := time.Since(m.begun).Seconds(); spent > 0 {
		m.event.Rate = float64(m.event.Done) / spent
	}
	if m.event.Rate > 0 && m.event.Done > m.event.Total/early {
		m.event.Left = time.Duration(float64(m.event.Total-m.event.Done) / m.event.Rate * float64(time.Second))
	}
	m.tell(m.event)
}

// limit holds a stream of documents to a rate.
type limit struct {
	perSecond int
	until     time.Time
}

// cost gives how long to wait after so many documents.
func (l *limit) cost(documents int, now time.Time) time.Duration {
	if l.perSecond <= 0 {
		return 0
	}
	if l.until.Before(now) {
		l.until = now
	}
	l.until = l.until.Add(time.Duration(float64(documents) / float64(l.perSecond) * float64(time.Second)))
	return l.until.Sub(now)
}

package projections

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
)

// Streams reads one stream of the log; commands.Log does.
type Streams interface {
	Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error]
}

// Manager decides which generations of the views exist, and keeps them at the
// end of the log: the serving ones and, beside them, those being rebuilt.
//
// What it knows it reads from the store: the catalogue says which generations
// there are, the checkpoints how far they have come. So any number of processes
// may run a manager over one store, and any of them may be killed at any time.
type Manager struct {
	Store      Store
	Source     Source
	Streams    Streams
	LogID      string
	Partitions int
	Views      []Projection
	Rules      Rules    // Parked, Settled and CacheBytes are set by the manager
	Live       Settings // of the group that serves
	Rebuild    Settings // of the group that fills generations from the start
	Metrics    *Metrics // optional
	Logger     *slog.Logger

	// Documents in memory, about, over all partitions.
	LiveBytes    int // of the group that serves; 0: 256 MiB
	RebuildBytes int // of the group that rebuilds; 0: 384 MiB

	Every       time.Duration // how often the catalogue is looked at; 0: 1 s
	RetireAfter time.Duration // how long a generation is kept that queries may still read; 0: 10 s

	once    sync.Once
	kick    chan struct{} // look at the catalogue now
	parking chan struct{} // an event was parked
	parked  parkedSet
	joined  map[Generation]bool // generations that have come near the serving ones
	before  map[Generation][]uint64
	retired map[Generation]time.Time
	checked bool // the store was compared with the head of the log

	mu        sync.Mutex
	catalogue Catalogue
	live      *running
	rebuild   *running
	changed   chan struct{} // closed when a group or the catalogue is replaced
	started   map[Generation]start
	err       error       // why the last look failed
	last      GroupStatus // of the live group before the one that is starting
}

// running is a group and its end.
type running struct {
	group    *Group
	fillings []Filling
	stop     context.CancelFunc
	done     chan struct{}
	err      error
}

func (m *Manager) init() {
	m.once.Do(func() {
		if m.Logger == nil {
			m.Logger = slog.New(slog.DiscardHandler)
		}
		if m.Every == 0 {
			m.Every = time.Second
		}
		if m.RetireAfter == 0 {
			m.RetireAfter = 10 * time.Second
		}
		if m.LiveBytes == 0 {
			m.LiveBytes = 256 << 20
		}
		if m.RebuildBytes == 0 {
			m.RebuildBytes = 384 << 20
		}
		if m.Rebuild.CommitEvery == 0 { // gather before writing
			m.Rebuild.CommitEvery = 10 * time.Second
		}
		m.kick, m.parking, m.changed = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
		m.joined, m.before = map[Generation]bool{}, map[Generation][]uint64{}
		m.retired, m.started = map[Generation]time.Time{}, map[Generation]start{}
		m.Rules.Parked = m.parked.has
	})
}

// Run keeps the views until ctx ends, then commits what is in memory and
// returns nil. It goes on through outages of the log and the store; the error
// is of a start that can never succeed.
func (m *Manager) Run(ctx context.Context) error {
	m.init()
	defer func() {
		m.stop(&m.rebuild)
		m.stop(&m.live)
	}()
	tick := time.NewTicker(m.Every)
	defer tick.Stop()
	for {
		err := m.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var never *partitionsError
		if errors.As(err, &never) {
			return err
		}
		m.noteError(err)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-m.kick:
		case <-m.parking:
			if err := m.parked.refresh(ctx, m.Streams, m.Rules.Schema); err != nil {
				m.noteError(err)
			}
			m.each(func(g *Group) { g.Heal() })
		}
	}
}

func (m *Manager) noteError(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && (m.err == nil || m.err.Error() != err.Error()) {
		m.Logger.Error("projections", "error", err)
	}
	m.err = err
}

// look compares what runs with what the catalogue says, and does the next thing.
func (m *Manager) look(ctx context.Context) error {
	if err := m.parked.refreshOnce(ctx, m.Streams, m.Rules.Schema); err != nil {
		return err
	}
	cat, err := m.prepare(ctx)
	if err != nil {
		return err
	}
	m.show(cat)
	head, err := m.Source.Head(ctx)
	if err != nil {
		return fmt.Errorf("head of the log: %w", err)
	}
	m.each(func(g *Group) { g.saw(head) })
	var live, rebuild []Filling
	finished := map[string]int{}
	for _, v := range m.Views {
		slot := cat.Views[v.String()]
		serving, building := Filling{v, slot.Serving}, Filling{v, slot.Building}
		if slot.Serving != 0 {
			live = append(live, serving)
		}
		if slot.Building == 0 {
			continue
		}
		near, there, err := m.compare(ctx, serving, building)
		if err != nil {
			return err
		}
		g := building.Generation()
		switch m.joined[g] = m.joined[g] || near; {
		case there && m.joined[g]:
			finished[g.View] = g.Number
			fallthrough
		case m.joined[g]:
			live = append(live, building)
		default:
			rebuild = append(rebuild, building)
		}
	}
	if len(finished) > 0 {
		if cat, err = m.change(ctx, func(c *Catalogue) { promote(c, finished) }); err != nil {
			return err
		}
		m.show(cat)
		signal(m.kick) // look again: the live group is smaller now
		return nil
	}
	m.keep(ctx, &m.rebuild, rebuild, m.Rebuild, m.RebuildBytes)
	m.keep(ctx, &m.live, live, m.Live, m.LiveBytes)
	return m.drop(ctx, cat)
}

// keep lets a group run over some fillings: the one that runs, if it is that.
func (m *Manager) keep(ctx context.Context, r **running, fillings []Filling, s Settings, memory int) {
	if old := *r; old != nil {
		alive := true
		select {
		case <-old.done:
			if alive = false; !errors.Is(old.err, errRewind) {
				m.noteError(old.err)
			}
		default:
		}
		if alive && slices.EqualFunc(old.fillings, fillings, func(a, b Filling) bool { return a.Generation() == b.Generation() }) {
			return
		}
		m.stop(r)
	}
	if len(fillings) == 0 || ctx.Err() != nil {
		return
	}
	rules := m.Rules
	rules.KeyDocuments = m.keyDocuments()
	settled, err := m.settledNotes(ctx, fillings)
	if err != nil {
		m.noteError(err)
		return
	}
	rules.Settled = settled
	if rules.CacheBytes = memory / m.Partitions; rules.DirtyBytes == 0 {
		// Writing a document once for many events is what makes a rebuild fast.
		rules.DirtyBytes = rules.CacheBytes / 2
	}
	running := &running{fillings: fillings, done: make(chan struct{})}
	running.group = &Group{
		Store: m.Store, Source: m.Source, Rules: rules, Partitions: m.Partitions, Fillings: fillings,
		Settings: s, Metrics: m.Metrics, Logger: m.Logger, Observe: m.observe,
	}
	ctx, running.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		running.err = running.group.Run(ctx)
		if close(running.done); errors.Is(running.err, errRewind) {
			signal(m.kick)
		}
	}()
	go m.kickWhenThere(ctx, running.group)
	m.mu.Lock()
	defer m.mu.Unlock()
	*r = running
	m.replaced()
}

// kickWhenThere lets the catalogue be looked at as soon as a group has come to
// where the log ends now: something may be ready to switch.
func (m *Manager) kickWhenThere(ctx context.Context, g *Group) {
	head, err := m.Source.Head(ctx)
	if err == nil && g.WaitCaughtUp(ctx, head) == nil {
		signal(m.kick)
	}
}

func (m *Manager) stop(r **running) {
	old := *r
	if old == nil {
		return
	}
	old.stop()
	<-old.done
	status := old.group.Status()
	m.mu.Lock()
	defer m.mu.Unlock()
	if r == &m.live && status.started {
		m.last = status
	}
	*r = nil
	m.replaced()
}

func (m *Manager) replaced() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Manager) show(c Catalogue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.catalogue.Version != c.Version {
		m.replaced()
	}
	m.catalogue = c
}

func (m *Manager) keyDocuments() Generation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.catalogue.Views[KeysView].Serving; n != 0 {
		return Generation{KeysView, n}
	}
	return Generation{}
}

// observe sees every event once, as the log is read.
func (m *Manager) observe(raw *eventschema.Raw) {
	if raw.Stream == operations.Stream {
		signal(m.parking)
	}
}

// groups returns what runs now, and a channel that is closed when that changes.
func (m *Manager) groups() (live, rebuild *running, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live, m.rebuild, m.changed
}

func (m *Manager) each(f func(*Group)) {
	live, rebuild, _ := m.groups()
	for _, r := range []*running{live, rebuild} {
		if r != nil {
			f(r.group)
		}
	}
}

// Nudge makes idle partitions say at once how far they are.
func (m *Manager) Nudge() {
	if live, _, _ := m.groups(); live != nil {
		live.group.Nudge()
	}
}

// WaitCaughtUp waits until every serving view has committed the log up to a
// position, in every partition.
func (m *Manager) WaitCaughtUp(ctx context.Context, position uint64) error {
	m.init()
	for {
		live, _, changed := m.groups()
		if live == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		waiting, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-changed:
				cancel()
			case <-waiting.Done():
			}
		}()
		err := live.group.WaitCaughtUp(waiting, position)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// note names a contribution of a view.
type note struct{ view, name string }

// settledNotes returns which contributions of some fillings what the log holds
// today has settled already.
func (m *Manager) settledNotes(ctx context.Context, fillings []Filling) (func(view, name string) bool, error) {
	known := map[note]bool{}
	learn := func(raw eventschema.Raw) {
		e, err := m.Rules.Schema.Open(raw, nil)
		if err != nil {
			return // the partitions stop at it and say so
		}
		for _, f := range fillings {
			if name, ok := f.View.settled(e); ok {
				known[note{f.View.String(), name}] = true
			}
		}
	}
	for _, stream := range []string{rfm.CalibrationStream, value.CalibrationStream} {
		for raw, err := range m.Streams.Read(ctx, stream, 0) {
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", stream, err)
			}
			learn(raw)
		}
	}
	if err := m.fits(ctx, fillings, learn); err != nil {
		return nil, fmt.Errorf("read the answers of clusterings: %w", err)
	}
	return func(view, name string) bool { return known[note{view, name}] }, nil
}

// errHead ends reading where the log ended when it began.
var errHead = errors.New("the head of the log was reached")

// fits yields what came of clusterings, up to where the log ends now: each of them
// has a stream of its own. What was answered before any of the fillings has read on
// was asked for before, too.
func (m *Manager) fits(ctx context.Context, fillings []Filling, yield func(eventschema.Raw)) error {
	head, err := m.Source.Head(ctx)
	if err != nil {
		return err
	}
	after := head
	for _, f := range fillings {
		checkpoints, err := m.checkpoints(ctx, f.Generation())
		if err != nil {
			return err
		}
		for _, c := range checkpoints {
			after = min(after, c.Position)
		}
	}
	if after >= head {
		return nil
	}
	err = m.Source.Follow(ctx, after, []string{"cluster."}, func(p eventschema.Page) error {
		for _, raw := range p.Events {
			yield(raw)
		}
		if p.Live || p.End >= head {
			return errHead
		}
		return nil
	})
	if errors.Is(err, errHead) {
		return nil
	}
	return err
}

package esnode_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"

	"github.com/rapport-crm/rapport/internal/esnode"
	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
)

func TestSubscriptionToAStreamBeginsAfterARevision(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(4)...)
	s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.Revision(1)}).wantNext("2", "3", "caught up")
	s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.Start{}}).wantNext("0", "1", "2", "3", "caught up")
	end := s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.End{}})
	end.wantNext("caught up")
	s.append(a, esdb.Any{}, event("next"))
	end.wantNext("4")
}

func TestSubscriptionToAStreamThatDoesNotExistYet(t *testing.T) {
	s := connect(t)
	for _, from := range []esdb.StreamPosition{esdb.Start{}, esdb.End{}} {
		a := name("a")
		sub := s.subscribe(a, esdb.SubscribeToStreamOptions{From: from})
		sub.wantNext("caught up")
		s.append(a, esdb.Any{}, events(2)...)
		sub.wantNext("0", "1")
	}
}

func TestSubscriptionToASoftDeletedStream(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(2)...)
	s.delete(a)
	sub := s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	sub.wantNext("caught up")
	s.append(a, esdb.Any{}, event("new"))
	sub.wantNext("2")
}

func TestSubscriptionToMetadata(t *testing.T) {
	s := connect(t)
	a := name("a")
	sub := s.subscribe("$$"+a, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	sub.wantNext("caught up")
	s.setMetadata(a, `{"$maxCount":1}`)
	sub.wantNext("0")
	s.append(a, esdb.Any{}, event("1"))
	s.delete(a)
	sub.wantNext("1")
}

func TestSubscriptionToAllBeginsAfterAPosition(t *testing.T) {
	s := connect(t)
	a := name("a")
	r1 := s.append(a, esdb.Any{}, event("1"))
	r2 := s.append(a, esdb.Any{}, event("2"))
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: at(r1.CommitPosition)})
	for e := sub.event(); ; e = sub.event() {
		if p := e.Event.Position.Commit; p <= r1.CommitPosition {
			t.Fatalf("an event at %d, not after %d", p, r1.CommitPosition)
		} else if e.Event.StreamID == a {
			if p != r2.CommitPosition {
				t.Fatalf("own event at %d, want %d", p, r2.CommitPosition)
			}
			break
		}
	}
}

func TestSubscriptionToAllFromTheEndGetsNewEventsOnly(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("old"))
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.End{}})
	s.append(a, esdb.Any{}, event("new"))
	for e := sub.event(); ; e = sub.event() {
		if e.Event.StreamID == a {
			if e.Event.EventNumber != 1 {
				t.Errorf("revision %d", e.Event.EventNumber)
			}
			break
		}
	}
}

func TestSubscriptionToAllResumesFromWhatItProcessed(t *testing.T) {
	s := connect(t)
	prefix := name("resume")
	for i := range 10 {
		s.append(fmt.Sprintf("%s-%d", prefix, i%3), esdb.Any{}, event("1"))
	}
	var from esdb.AllPosition = esdb.Start{}
	last, seen := uint64(0), 0
	for seen < 10 {
		sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: from, Filter: esdb.ExcludeSystemEventsFilter()})
		for range 2 { // a few, then anew from there
			e := sub.event()
			if p := e.Event.Position.Commit; p <= last && last > 0 {
				t.Fatalf("position %d after %d", p, last)
			}
			last = e.Event.Position.Commit
			from = e.Event.Position
			if strings.HasPrefix(e.Event.StreamID, prefix) {
				if seen++; seen == 10 {
					break
				}
			}
		}
		_ = sub.Close()
	}
}

func TestSubscriptionResolvesLinks(t *testing.T) {
	s := connect(t)
	a, l := name("a"), name("l")
	s.append(a, esdb.Any{}, events(2)...)
	sub := s.subscribe(l, esdb.SubscribeToStreamOptions{From: esdb.Start{}, ResolveLinkTos: true})
	s.append(l, esdb.Any{}, link("1@"+a))
	if e := sub.event(); e.Event == nil || e.Event.StreamID != a || e.Link == nil || e.Link.StreamID != l {
		t.Errorf("event %+v, link %+v", e.Event, e.Link)
	}
}

func TestSubscriptionFilterJudgesTheLinkNotItsTarget(t *testing.T) {
	s := connect(t)
	a, l := name("a"), name("l")
	s.append(a, esdb.Any{}, events(1)...)
	s.append(l, esdb.Any{}, link("0@"+a))
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.Start{}, ResolveLinkTos: true,
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{l}}})
	if e := sub.event(); e.Link == nil || e.Event == nil || e.Event.StreamID != a {
		t.Errorf("event %+v, link %+v", e.Event, e.Link)
	}
}

func TestFilteredSubscription(t *testing.T) {
	for what, filter := range map[string]func(stream, kind string) *esdb.SubscriptionFilter{
		"stream prefix": func(stream, _ string) *esdb.SubscriptionFilter {
			return &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"nobody", stream}}
		},
		"stream expression": func(stream, _ string) *esdb.SubscriptionFilter {
			return &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Regex: "^" + stream}
		},
		"type prefix": func(_, kind string) *esdb.SubscriptionFilter {
			return &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: []string{kind}}
		},
		"type expression": func(_, kind string) *esdb.SubscriptionFilter {
			return &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: kind + "$"}
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := connect(t)
			a, b := name("a"), name("b")
			kind := name("kind")
			wanted := func() esdb.EventData { e := event("1"); e.EventType = kind; return e }
			s.append(a, esdb.Any{}, wanted(), wanted())
			s.append(b, esdb.Any{}, event("other"))
			sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: filter(a, kind)})
			for want := range uint64(4) {
				if want == 2 {
					s.append(b, esdb.Any{}, event("other"))
					s.append(a, esdb.Any{}, wanted(), wanted())
				}
				if e := sub.event().Event; e.StreamID != a || e.EventNumber != want {
					t.Errorf("got %s/%d, want %s/%d", e.StreamID, e.EventNumber, a, want)
				}
			}
		})
	}
}

// Checkpoints come every multiplier x window events considered, and at the end
// of catch-up before the word that it is live.
func TestCheckpoints(t *testing.T) {
	s := embedded(t)
	s.append("other", esdb.Any{}, events(25)...)
	filter := &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"mine"}}
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: filter, MaxSearchWindow: 5, CheckpointInterval: 2})
	want := func(position uint64) {
		t.Helper()
		m := sub.next()
		if m.CheckPointReached == nil || m.CheckPointReached.Commit != position || m.CheckPointReached.Prepare != position {
			t.Fatalf("got %s %+v, want a checkpoint at %d", kind(m), m.CheckPointReached, position)
		}
	}
	want(10)
	want(20)
	want(25) // the end of catch-up
	sub.wantNext("caught up")
	s.append("mine", esdb.Any{}, event("0"))
	s.append("other", esdb.Any{}, events(9)...)
	sub.wantNext("0")
	want(35)
	// Safe to resume from: nothing twice, nothing missed.
	again := s.subscribeAll(esdb.SubscribeToAllOptions{From: at(25), Filter: filter})
	again.wantNext("0")
}

func TestNoTwoCheckpointsAreEqual(t *testing.T) {
	s := embedded(t)
	s.append("other", esdb.Any{}, events(10)...)
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.Start{}, MaxSearchWindow: 5,
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"mine"}}})
	sub.wantNext("checkpoint", "checkpoint", "caught up") // 5 and 10, and no other at the end
}

func TestCheckpointsAreForFilteredSubscriptionsOnly(t *testing.T) {
	s := embedded(t)
	s.append("a", esdb.Any{}, events(100)...)
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.Start{}})
	for i := range 100 {
		sub.wantNext(fmt.Sprint(i))
	}
	sub.wantNext("caught up")
}

func TestCheckpointIsSentOverALogThatMatchesNothing(t *testing.T) {
	s := connect(t)
	s.append(name("other"), esdb.Any{}, events(100)...)
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.Start{},
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{name("nobody")}}})
	if m := sub.next(); m.CheckPointReached == nil {
		t.Errorf("got %s", kind(m))
	}
}

func TestCheckpointIntervalMustBePositive(t *testing.T) {
	s := connect(t)
	f := filterOptions("stream", "", "a")
	f.CheckpointIntervalMultiplier = 0
	req := readAllRequest(1, false, f)
	req.Options.CountOption = &api.ReadReq_Options_Subscription{Subscription: &api.ReadReq_Options_SubscriptionOptions{}}
	_, err := s.rawRead(req)
	if err == nil {
		t.Error("accepted")
	}
}

func TestWindowByCountIsThirtyTwo(t *testing.T) {
	s := embedded(t)
	s.append("other", esdb.Any{}, events(40)...)
	f := filterOptions("stream", "", "mine")
	f.Window = &api.ReadReq_Options_FilterOptions_Count{Count: &shared.Empty{}}
	req := readAllRequest(1, false, f)
	req.Options.GetAll().AllOption = &api.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}}
	req.Options.CountOption = &api.ReadReq_Options_Subscription{Subscription: &api.ReadReq_Options_SubscriptionOptions{}}
	stream, err := s.raw().Read(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint64{0, 32, 40} {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if want == 0 && m.GetConfirmation() == nil {
			t.Fatalf("first message %v", m)
		}
		if got := m.GetCheckpoint().GetCommitPosition(); got != want {
			t.Errorf("checkpoint at %d, want %d", got, want)
		}
	}
}

func TestConfirmationComesFirst(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	req := readRequest(a)
	req.Options.CountOption = &api.ReadReq_Options_Subscription{Subscription: &api.ReadReq_Options_SubscriptionOptions{}}
	stream, err := s.raw().Read(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetConfirmation().GetSubscriptionId() == "" {
		t.Errorf("first message %v, %v", m, err)
	}
	if m, err := stream.Recv(); err != nil || m.GetEvent() == nil {
		t.Errorf("second message %v, %v", m, err)
	}
}

// Whoever is behind, however far, gets all in order, and is told when there.
func TestSubscriptionsFollowWhileManyWrite(t *testing.T) {
	s := connect(t)
	prefix := name("w")
	const writers, each = 8, 150
	first := s.append(prefix+"-first", esdb.Any{}, event("1"))
	subs := []*subscription{
		s.subscribeAll(esdb.SubscribeToAllOptions{From: at(first.CommitPosition)}),
		s.subscribeAll(esdb.SubscribeToAllOptions{From: at(first.CommitPosition),
			Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{prefix}}}),
	}
	one := s.subscribe(prefix+"-0", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for range each {
				if _, err := s.tryAppend(fmt.Sprintf("%s-%d", prefix, w), esdb.Any{}, event("1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i, sub := range subs {
		last, own := uint64(0), map[string]uint64{}
		for seen := 0; seen < writers*each; {
			e := sub.event().Event
			if e.Position.Commit <= last {
				t.Fatalf("subscription %d: position %d after %d", i, e.Position.Commit, last)
			}
			last = e.Position.Commit
			if strings.HasPrefix(e.StreamID, prefix) {
				if e.EventNumber != own[e.StreamID] {
					t.Fatalf("subscription %d: %s/%d, want %d", i, e.StreamID, e.EventNumber, own[e.StreamID])
				}
				own[e.StreamID]++
				seen++
			}
		}
	}
	for want := range uint64(each) {
		if e := one.event().Event; e.EventNumber != want {
			t.Fatalf("stream: %d, want %d", e.EventNumber, want)
		}
	}
	group.Wait()
}

func TestTwoHundredSubscriptionsAtOnce(t *testing.T) {
	s := connect(t)
	a := name("a")
	const n = 200
	subs := make([]*subscription, n)
	for i := range subs {
		if i%2 == 0 {
			subs[i] = s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
		} else {
			subs[i] = s.subscribeAll(esdb.SubscribeToAllOptions{From: esdb.End{},
				Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{a}}})
		}
	}
	for range 5 {
		s.append(a, esdb.Any{}, events(2)...)
	}
	for i, sub := range subs {
		for want := range uint64(10) {
			if e := sub.event().Event; e.EventNumber != want {
				t.Fatalf("subscription %d: %d, want %d", i, e.EventNumber, want)
			}
		}
	}
}

// A subscriber that stands still keeps nobody waiting, costs no memory that
// grows, and has lost nothing when it goes on.
func TestSubscriberThatStandsStill(t *testing.T) {
	if os.Getenv(serverVariable) != "" {
		t.Skip("about the embedded node only")
	}
	// Not in parallel: the heap is everybody's.
	node, err := esnode.Open(esnode.Options{Dir: t.TempDir(), CompactAfter: -1, MemTableSize: 1 << 20, CacheSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	_, client := esnodetest.Serve(t, node)
	s := &store{Client: client, t: t}
	still, err := s.SubscribeToAll(t.Context(), esdb.SubscribeToAllOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	defer still.Close()
	other := s.subscribe("a", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	const batches, each = 40, 100
	data := `"` + strings.Repeat("x", 8000) + `"`
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := uint64(0)
	next := uint64(0)
	for b := range batches {
		batch := make([]esdb.EventData, each)
		for i := range batch {
			batch[i] = event(data)
		}
		s.append("a", esdb.Any{}, batch...)
		for range batch {
			if e := other.event().Event; e.EventNumber != next {
				t.Fatalf("the other got %d, want %d", e.EventNumber, next)
			}
			next++
		}
		if b == 10 {
			before = heap()
		}
	}
	// 29 batches of 800 kB were written meanwhile.
	if after := heap(); after > before+16<<20 {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, after>>20)
	}
	for want := range uint64(batches * each) {
		m := still.Recv()
		if m.CaughtUp != nil {
			m = still.Recv()
		}
		if m.EventAppeared == nil || m.EventAppeared.Event.EventNumber != want {
			t.Fatalf("after standing still: %s, want %d", kind(m), want)
		}
	}
}

func TestSubscriptionEndsWhenTheClientLeaves(t *testing.T) {
	if os.Getenv(serverVariable) != "" {
		t.Skip("about the embedded node only")
	}
	// Not in parallel: the goroutines are everybody's.
	_, client := esnodetest.Start(t)
	following := func() int {
		stacks := make([]byte, 4<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), ".subscribeToAll(")
	}
	var leave []context.CancelFunc
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		sub, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: esdb.Start{}})
		if err != nil {
			t.Fatal(err)
		}
		if m := sub.Recv(); m.CaughtUp == nil {
			t.Errorf("got %s", kind(m))
		}
		leave = append(leave, cancel)
	}
	if n := following(); n != 50 {
		t.Errorf("%d subscriptions are served, want 50", n)
	}
	for _, cancel := range leave {
		cancel()
	}
	deadline := time.NewTimer(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for following() > 0 {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%d subscriptions are still served", following())
		}
	}
}

func TestPositionBeyondTheEndWaits(t *testing.T) {
	s := embedded(t)
	r := s.append("a", esdb.Any{}, event("0"))
	sub := s.subscribeAll(esdb.SubscribeToAllOptions{From: at(r.CommitPosition + 1)})
	max := s.subscribeAll(esdb.SubscribeToAllOptions{From: at(math.MaxUint64)})
	max.wantNext("caught up")
	sub.wantNext("caught up")
	s.append("a", esdb.Any{}, event("1"))
	s.append("a", esdb.Any{}, event("2"))
	if e := sub.event().Event; e.EventNumber != 2 {
		t.Errorf("got %d, want 2", e.EventNumber)
	}
}

func TestSubscriptionToMetadataEndsWithItsStream(t *testing.T) {
	s := embedded(t)
	s.setMetadata("a", `{}`)
	sub := s.subscribe("$$a", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	sub.wantNext("0", "caught up")
	s.tombstone("a")
	m := sub.next()
	if m.SubscriptionDropped == nil {
		t.Fatalf("got %s", kind(m))
	}
	wantStatus(t, m.SubscriptionDropped.Error, codes.FailedPrecondition)
}

// Clients ping every ten seconds; a server that minds cuts an idle one off after
// half a minute.
func TestIdleSubscriptionStays(t *testing.T) {
	if os.Getenv("RAPPORT_TEST_SLOW") == "" {
		t.Skip("takes 40 seconds; RAPPORT_TEST_SLOW=1 runs it")
	}
	s := connect(t)
	a := name("a")
	sub := s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	sub.wantNext("caught up")
	select {
	case m := <-sub.messages:
		t.Fatalf("got %s: %+v", kind(m), m.SubscriptionDropped)
	case <-time.After(40 * time.Second):
	}
	s.append(a, esdb.Any{}, event("1"))
	sub.wantNext("0")
}

package esnode_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

func TestReadStream(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.NoStream{}, events(5)...)
	for _, c := range []struct {
		rule      string
		direction esdb.Direction
		from      esdb.StreamPosition
		count     uint64
		want      []uint64
	}{
		{"forwards from the start", esdb.Forwards, esdb.Start{}, plenty, []uint64{0, 1, 2, 3, 4}},
		{"forwards from a revision is inclusive", esdb.Forwards, esdb.Revision(3), plenty, []uint64{3, 4}},
		{"forwards from beyond the end is empty", esdb.Forwards, esdb.Revision(5), plenty, []uint64{}},
		{"forwards from far beyond the end is empty", esdb.Forwards, esdb.Revision(math.MaxInt64), plenty, []uint64{}},
		{"forwards a count", esdb.Forwards, esdb.Revision(1), 2, []uint64{1, 2}},
		{"backwards from the end", esdb.Backwards, esdb.End{}, plenty, []uint64{4, 3, 2, 1, 0}},
		{"backwards the last", esdb.Backwards, esdb.End{}, 1, []uint64{4}},
		{"backwards from a revision is inclusive", esdb.Backwards, esdb.Revision(2), plenty, []uint64{2, 1, 0}},
		{"backwards from beyond the end begins at the end", esdb.Backwards, esdb.Revision(100), 2, []uint64{4, 3}},
		{"backwards from the start is the first", esdb.Backwards, esdb.Start{}, plenty, []uint64{0}},
	} {
		got := revisions(s.read(a, esdb.ReadStreamOptions{Direction: c.direction, From: c.from}, c.count))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.rule, diff)
		}
	}
}

func TestReadOfNoStreamIsNotFound(t *testing.T) {
	s := connect(t)
	for _, d := range []esdb.Direction{esdb.Forwards, esdb.Backwards} {
		_, err := s.tryRead(name("a"), esdb.ReadStreamOptions{Direction: d, From: esdb.Start{}}, 1)
		wantCode(t, err, esdb.ErrorCodeResourceNotFound)
	}
}

func TestNotFoundIsOneMessageAndThenTheEnd(t *testing.T) {
	s := connect(t)
	req := readRequest(name("a"))
	stream, err := s.raw().Read(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetStreamNotFound() == nil {
		t.Errorf("first message %v, %v", m, err)
	}
	if m, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("then %v, %v", m, err)
	}
}

func TestCountMustBePositive(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	if _, err := s.tryRead(a, esdb.ReadStreamOptions{}, 0); err == nil {
		t.Error("a read of a stream was accepted")
	}
	r, err := s.ReadAll(t.Context(), esdb.ReadAllOptions{}, 0)
	if err == nil {
		_, err = drain(r)
	}
	if err == nil {
		t.Error("a read of $all was accepted")
	}
}

func TestLongReadsComeWhole(t *testing.T) {
	s := connect(t)
	a := name("a")
	const n = 3000
	want := make([]uint64, n)
	for i := range n / 500 {
		batch := events(500)
		for k := range batch {
			batch[k].Data = []byte(`"` + strings.Repeat("x", (i*500+k)%900) + `"`)
			want[i*500+k] = uint64(i*500 + k)
		}
		s.append(a, esdb.Any{}, batch...)
	}
	s.wantRevisions(a, want...)
	got := s.read(a, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, plenty)
	for i, e := range got {
		if e.Event.EventNumber != uint64(n-1-i) || len(e.Event.Data) != 2+int(e.Event.EventNumber)%900 {
			t.Fatalf("backwards, place %d: revision %d with %d bytes", i, e.Event.EventNumber, len(e.Event.Data))
		}
	}
	if len(got) != n {
		t.Errorf("backwards: %d events", len(got))
	}
}

// mine keeps the events of some streams.
func mine(events []*esdb.ResolvedEvent, streams ...string) (out []*esdb.ResolvedEvent) {
	for _, e := range events {
		for _, s := range streams {
			if e.OriginalEvent().StreamID == s {
				out = append(out, e)
			}
		}
	}
	return out
}

func at(p uint64) esdb.Position { return esdb.Position{Commit: p, Prepare: p} }

func TestReadAllForwardsIsInclusive(t *testing.T) {
	s := connect(t)
	a := name("a")
	r1 := s.append(a, esdb.Any{}, event("1"))
	r2 := s.append(a, esdb.Any{}, event("2"))
	got := s.readAll(esdb.ReadAllOptions{From: at(r1.CommitPosition)}, plenty)
	if got[0].Event.Position.Commit != r1.CommitPosition {
		t.Errorf("begins at %d, want %d", got[0].Event.Position.Commit, r1.CommitPosition)
	}
	if own := mine(got, a); len(own) != 2 || own[1].Event.Position.Commit != r2.CommitPosition {
		t.Errorf("own events: %v", revisions(own))
	}
}

func TestReadAllBackwardsIsExclusive(t *testing.T) {
	s := connect(t)
	a := name("a")
	r1 := s.append(a, esdb.Any{}, event("1"))
	r2 := s.append(a, esdb.Any{}, event("2"))
	got := s.readAll(esdb.ReadAllOptions{Direction: esdb.Backwards, From: at(r2.CommitPosition)}, plenty)
	own := mine(got, a)
	if len(own) != 1 || own[0].Event.Position.Commit != r1.CommitPosition {
		t.Errorf("own events: %v", revisions(own))
	}
	for i := 1; i < len(got); i++ {
		if got[i].Event.Position.Commit >= got[i-1].Event.Position.Commit {
			t.Fatalf("position %d after %d", got[i].Event.Position.Commit, got[i-1].Event.Position.Commit)
		}
	}
}

func TestReadAllAtTheEnds(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(3)...)
	if got := s.readAll(esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.Start{}}, plenty); len(got) != 0 {
		t.Errorf("backwards from the start: %d events", len(got))
	}
	if got := s.readAll(esdb.ReadAllOptions{Direction: esdb.Forwards, From: esdb.End{}}, plenty); len(mine(got, a)) != 0 {
		t.Errorf("forwards from the end: %d events", len(got))
	}
	back := mine(s.readAll(esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}, plenty), a)
	if diff := cmp.Diff([]uint64{2, 1, 0}, revisions(back)); diff != "" {
		t.Errorf("backwards from the end (-want +got):\n%s", diff)
	}
	there := mine(s.readAll(esdb.ReadAllOptions{From: esdb.Start{}}, plenty), a)
	if diff := cmp.Diff([]uint64{0, 1, 2}, revisions(there)); diff != "" {
		t.Errorf("forwards from the start (-want +got):\n%s", diff)
	}
}

func TestPositionsInAllIncrease(t *testing.T) {
	s := connect(t)
	s.append(name("a"), esdb.Any{}, events(40)...)
	last := uint64(0)
	for _, e := range s.readAll(esdb.ReadAllOptions{From: esdb.Start{}}, plenty) {
		if p := e.Event.Position; p.Commit <= last && last > 0 || p.Commit == 0 || p.Commit > math.MaxInt64 {
			t.Fatalf("position %+v after %d", p, last)
		} else {
			last = p.Commit
		}
		if e.Commit == nil || *e.Commit != e.Event.Position.Commit {
			t.Fatalf("commit %v, position %v", e.Commit, e.Event.Position)
		}
	}
}

func TestAllShowsSystemEvents(t *testing.T) {
	s := connect(t)
	a := name("a")
	r := s.append(a, esdb.Any{}, event("1"))
	s.setMetadata(a, `{"$maxCount":3}`)
	got := s.readAll(esdb.ReadAllOptions{From: at(r.CommitPosition)}, plenty)
	if own := mine(got, "$$"+a); len(own) != 1 || own[0].Event.EventType != "$metadata" {
		t.Errorf("metadata in $all: %v", own)
	}
}

func TestAllHidesWhatServersKeepThereForThemselves(t *testing.T) {
	s := embedded(t)
	r := s.append("a", esdb.Any{}, event("1"))
	for _, stream := range []string{"$epoch-information", "$persistentsubscription-$all::x-checkpoint", "$persistentsubscription-$all::x-parked"} {
		s.append(stream, esdb.Any{}, event("1"))
	}
	s.append("$persistentsubscription-a::x-checkpoint", esdb.Any{}, event("1"))
	got := []string{}
	for _, e := range s.readAll(esdb.ReadAllOptions{From: at(r.CommitPosition)}, plenty) {
		got = append(got, e.Event.StreamID)
	}
	if diff := cmp.Diff([]string{"a", "$persistentsubscription-a::x-checkpoint"}, got); diff != "" {
		t.Errorf("streams in $all (-want +got):\n%s", diff)
	}
}

func TestCountOfAll(t *testing.T) {
	s := connect(t)
	r := s.append(name("a"), esdb.Any{}, event("0"))
	s.append(name("a"), esdb.Any{}, events(9)...)
	for _, d := range []esdb.Direction{esdb.Forwards, esdb.Backwards} {
		from := esdb.AllPosition(at(r.CommitPosition))
		if d == esdb.Backwards {
			from = esdb.End{}
		}
		if got := s.readAll(esdb.ReadAllOptions{Direction: d, From: from}, 4); len(got) != 4 {
			t.Errorf("direction %v: %d events", d, len(got))
		}
	}
}

// readRequest reads a stream forwards from the start, below the client.
func readRequest(stream string) *api.ReadReq {
	return &api.ReadReq{Options: &api.ReadReq_Options{
		StreamOption: &api.ReadReq_Options_Stream{Stream: &api.ReadReq_Options_StreamOptions{
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(stream)},
			RevisionOption:   &api.ReadReq_Options_StreamOptions_Start{Start: &shared.Empty{}}}},
		CountOption:  &api.ReadReq_Options_Count{Count: plenty},
		FilterOption: &api.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}},
		UuidOption:   &api.ReadReq_Options_UUIDOption{Content: &api.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}},
	}}
}

// readAllRequest reads $all with a filter, below the client.
func readAllRequest(from uint64, back bool, f *api.ReadReq_Options_FilterOptions) *api.ReadReq {
	req := readRequest("")
	req.Options.StreamOption = &api.ReadReq_Options_All{All: &api.ReadReq_Options_AllOptions{
		AllOption: &api.ReadReq_Options_AllOptions_Position{Position: &api.ReadReq_Options_Position{CommitPosition: from, PreparePosition: from}}}}
	req.Options.FilterOption = &api.ReadReq_Options_Filter{Filter: f}
	if back {
		req.Options.ReadDirection = api.ReadReq_Options_Backwards
		req.Options.GetAll().AllOption = &api.ReadReq_Options_AllOptions_End{End: &shared.Empty{}}
	}
	return req
}

func (s *store) rawRead(req *api.ReadReq) ([]*api.ReadResp, error) {
	s.t.Helper()
	stream, err := s.raw().Read(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []*api.ReadResp
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
}

func filterOptions(by, regex string, prefixes ...string) *api.ReadReq_Options_FilterOptions {
	e := &api.ReadReq_Options_FilterOptions_Expression{Regex: regex, Prefix: prefixes}
	out := &api.ReadReq_Options_FilterOptions{
		Window:                       &api.ReadReq_Options_FilterOptions_Max{Max: 32},
		CheckpointIntervalMultiplier: 1,
		Filter:                       &api.ReadReq_Options_FilterOptions_StreamIdentifier{StreamIdentifier: e},
	}
	if by == "type" {
		out.Filter = &api.ReadReq_Options_FilterOptions_EventType{EventType: e}
	}
	return out
}

func TestFilteredReadOfAll(t *testing.T) {
	s := connect(t)
	a, b := name("a"), name("b")
	mark := strings.ReplaceAll(name("type"), "-", "")
	typed := func(kind string) esdb.EventData { e := event("1"); e.EventType = mark + kind; return e }
	r := s.append(a, esdb.Any{}, typed("one"), typed("two"))
	s.append(b, esdb.Any{}, typed("one"), event("other"))
	for _, c := range []struct {
		rule   string
		filter *api.ReadReq_Options_FilterOptions
		want   []string
	}{
		{"stream prefix", filterOptions("stream", "", a), []string{a + "/0", a + "/1"}},
		{"stream prefixes", filterOptions("stream", "", a, b), []string{a + "/0", a + "/1", b + "/0", b + "/1"}},
		{"type prefix", filterOptions("type", "", mark+"t"), []string{a + "/1"}},
		{"type expression, not anchored", filterOptions("type", mark[3:]+"o"), []string{a + "/0", b + "/0"}},
		{"stream expression", filterOptions("stream", "^"+regexp.QuoteMeta(b)+"$"), []string{b + "/0", b + "/1"}},
		{"the expression goes before prefixes", filterOptions("stream", "^"+regexp.QuoteMeta(b)+"$", a), []string{b + "/0", b + "/1"}},
	} {
		for _, back := range []bool{false, true} {
			got, err := s.rawRead(readAllRequest(r.CommitPosition-1, back, c.filter))
			if err != nil {
				t.Errorf("%s: %v", c.rule, err)
				continue
			}
			names := []string{}
			for _, m := range got {
				e := m.GetEvent().GetEvent()
				if sid := string(e.GetStreamIdentifier().GetStreamName()); sid == a || sid == b {
					names = append(names, fmt.Sprintf("%s/%d", sid, e.GetStreamRevision()))
				}
			}
			if back {
				for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
					names[i], names[j] = names[j], names[i]
				}
			}
			if diff := cmp.Diff(c.want, names); diff != "" {
				t.Errorf("%s, back %v (-want +got):\n%s", c.rule, back, diff)
			}
		}
	}
}

func TestFilterThatDoesNotCompileIsRefused(t *testing.T) {
	s := connect(t)
	_, err := s.rawRead(readAllRequest(1, false, filterOptions("stream", "(")))
	if err == nil {
		t.Error("accepted")
	}
}

func TestFilterIsForAllOnly(t *testing.T) {
	s := connect(t)
	req := readRequest(name("a"))
	req.Options.FilterOption = &api.ReadReq_Options_Filter{Filter: filterOptions("stream", "", "a")}
	if _, err := s.rawRead(req); err == nil {
		t.Error("accepted")
	}
}

func TestIDsAreAnsweredInTheFormAskedFor(t *testing.T) {
	s := connect(t)
	a := name("a")
	e := event("1")
	s.append(a, esdb.Any{}, e)
	req := readRequest(a)
	got, err := s.rawRead(req)
	if err != nil || got[0].GetEvent().GetEvent().GetId().GetStructured() == nil {
		t.Errorf("structured: %v, %v", got, err)
	}
	req.Options.UuidOption.Content = &api.ReadReq_Options_UUIDOption_String_{String_: &shared.Empty{}}
	got, err = s.rawRead(req)
	if err != nil || got[0].GetEvent().GetEvent().GetId().GetString_() != e.EventID.String() {
		t.Errorf("string: %v, %v", got, err)
	}
}

func TestEventsCarryTypeContentTypeAndCreationInTicks(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	got, err := s.rawRead(readRequest(a))
	if err != nil {
		t.Fatal(err)
	}
	m := got[0].GetEvent().GetEvent().GetMetadata()
	if m["type"] != "happened" || m["content-type"] != "application/json" || !regexp.MustCompile(`^1[0-9]{16}$`).MatchString(m["created"]) {
		t.Errorf("metadata %v", m)
	}
}

func link(to string) esdb.EventData {
	e := event("")
	e.EventType, e.ContentType, e.Data = "$>", esdb.ContentTypeBinary, []byte(to)
	return e
}

func TestLinksAreResolvedWhenAskedFor(t *testing.T) {
	s := connect(t)
	a, l := name("a"), name("l")
	s.append(a, esdb.Any{}, events(3)...)
	s.append(l, esdb.Any{}, link("1@"+a), link("9@"+a), link("0@"+name("none")), event("plain"))
	got := s.read(l, esdb.ReadStreamOptions{ResolveLinkTos: true}, plenty)
	if got[0].Event == nil || got[0].Event.StreamID != a || got[0].Event.EventNumber != 1 || got[0].Link == nil || got[0].Link.StreamID != l {
		t.Errorf("link: event %+v, link %+v", got[0].Event, got[0].Link)
	}
	for _, i := range []int{1, 2} {
		if got[i].Event != nil || got[i].Link == nil || got[i].OriginalEvent().EventNumber != uint64(i) {
			t.Errorf("broken link %d: event %+v, link %+v", i, got[i].Event, got[i].Link)
		}
	}
	if got[3].Event == nil || got[3].Link != nil {
		t.Errorf("plain event: event %+v, link %+v", got[3].Event, got[3].Link)
	}
	for _, e := range s.read(l, esdb.ReadStreamOptions{}, plenty) {
		if e.Event == nil || e.Event.StreamID != l || e.Link != nil {
			t.Errorf("not asked for: event %+v, link %+v", e.Event, e.Link)
		}
	}
}

func TestLinkToATruncatedOrDeletedEventIsBroken(t *testing.T) {
	s := connect(t)
	a, b, c, l := name("a"), name("b"), name("c"), name("l")
	for _, stream := range []string{a, b, c} {
		s.append(stream, esdb.Any{}, events(2)...)
		s.append(l, esdb.Any{}, link("0@"+stream))
	}
	s.setMetadata(a, `{"$tb":1}`)
	s.delete(b)
	s.tombstone(c)
	for i, e := range s.read(l, esdb.ReadStreamOptions{ResolveLinkTos: true}, plenty) {
		if e.Event != nil || e.Link == nil {
			t.Errorf("link %d: event %+v, link %+v", i, e.Event, e.Link)
		}
	}
}

func TestLinksInAll(t *testing.T) {
	s := connect(t)
	a, l := name("a"), name("l")
	s.append(a, esdb.Any{}, events(1)...)
	r := s.append(l, esdb.Any{}, link("0@"+a))
	got := s.readAll(esdb.ReadAllOptions{From: at(r.CommitPosition), ResolveLinkTos: true}, 1)
	if got[0].Event == nil || got[0].Event.StreamID != a || got[0].Link == nil || got[0].Link.StreamID != l ||
		got[0].OriginalEvent().Position.Commit != r.CommitPosition {
		t.Errorf("event %+v, link %+v", got[0].Event, got[0].Link)
	}
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	s := embedded(t)
	for what, change := range map[string]func(*api.ReadReq_Options){
		"neither stream nor $all":   func(o *api.ReadReq_Options) { o.StreamOption = nil },
		"neither count nor forever": func(o *api.ReadReq_Options) { o.CountOption = nil },
		"an empty name":             func(o *api.ReadReq_Options) { o.GetStream().StreamIdentifier.StreamName = nil },
		"$all by name":              func(o *api.ReadReq_Options) { o.GetStream().StreamIdentifier.StreamName = []byte("$all") },
		"metadata of metadata":      func(o *api.ReadReq_Options) { o.GetStream().StreamIdentifier.StreamName = []byte("$$$$a") },
		"a name without end":        func(o *api.ReadReq_Options) { o.GetStream().StreamIdentifier.StreamName = make([]byte, 5000) },
		"a backwards subscription":  backwardsSubscription,
		"no options":                nil,
		"a filter of no expression": emptyFilter(filterOptions("stream", "")),
		"a filter of neither":       emptyFilter(&api.ReadReq_Options_FilterOptions{}),
	} {
		req := readRequest("a")
		if change == nil {
			req.Options = nil
		} else {
			change(req.Options)
		}
		_, err := s.rawRead(req)
		if err == nil {
			t.Errorf("%s: accepted", what)
			continue
		}
		wantStatus(t, err, codes.InvalidArgument)
	}
}

func backwardsSubscription(o *api.ReadReq_Options) {
	o.ReadDirection = api.ReadReq_Options_Backwards
	o.CountOption = &api.ReadReq_Options_Subscription{Subscription: &api.ReadReq_Options_SubscriptionOptions{}}
}

func emptyFilter(f *api.ReadReq_Options_FilterOptions) func(*api.ReadReq_Options) {
	return func(o *api.ReadReq_Options) {
		all := readAllRequest(1, false, f).Options
		o.StreamOption, o.FilterOption = all.StreamOption, all.FilterOption
	}
}

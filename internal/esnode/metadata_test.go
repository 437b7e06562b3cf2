package esnode_test

import (
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/go-cmp/cmp"
)

func TestMaxCountLeavesTheLastEvents(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(5)...)
	s.setMetadata(a, `{"$maxCount":2}`)
	s.wantRevisions(a, 3, 4)
	s.append(a, esdb.Any{}, event("next"))
	s.wantRevisions(a, 4, 5)
	got := s.read(a, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, plenty)
	if diff := cmp.Diff([]uint64{5, 4}, revisions(got)); diff != "" {
		t.Errorf("backwards (-want +got):\n%s", diff)
	}
}

func TestTruncateBeforeHidesWhatIsBefore(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(5)...)
	s.setMetadata(a, `{"$tb":3}`)
	s.wantRevisions(a, 3, 4)
	got := s.read(a, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.Start{}}, plenty)
	if len(got) != 0 {
		t.Errorf("backwards from the start: %v", revisions(got))
	}
}

func TestMaxAgeHidesWhatIsOlder(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.setMetadata(a, `{"$maxAge":1}`)
	s.append(a, esdb.Any{}, events(3)...)
	deadline := time.NewTimer(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(s.read(a, esdb.ReadStreamOptions{}, plenty)) > 0 { // empty, not "not found"
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("still there")
		}
	}
	s.append(a, esdb.Revision(2), event("young"))
	s.wantRevisions(a, 3)
}

func TestTruncationsCombine(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(6)...)
	s.setMetadata(a, `{"$maxCount":4,"$tb":3,"$maxAge":3600}`)
	s.wantRevisions(a, 3, 4, 5)
	s.setMetadata(a, `{"$maxCount":1,"$tb":3,"$maxAge":3600}`)
	s.wantRevisions(a, 5)
}

func TestTruncationThatIsNotPositiveOrNotReadableIsIgnored(t *testing.T) {
	for _, metadata := range []string{`{"$maxCount":0}`, `{"$maxCount":-1}`, `{"$tb":-5}`, `{"$maxAge":0}`, `{"$maxAge":-1}`, `nonsense`, `[]`, ``} {
		t.Run(metadata, func(t *testing.T) {
			s := connect(t)
			a := name("a")
			s.append(a, esdb.Any{}, events(3)...)
			s.setMetadata(a, metadata)
			s.wantRevisions(a, 0, 1, 2)
		})
	}
}

func TestTruncatingEverythingLeavesAnEmptyStreamNotNone(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(3)...)
	s.setMetadata(a, `{"$tb":100}`)
	s.wantRevisions(a)
	s.append(a, esdb.Revision(2), event("next"))
	s.wantRevisions(a)
}

func TestMetastreamShowsTheLastMetadataOnly(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.setMetadata(a, `{"n":1}`)
	s.setMetadata(a, `{"n":2}`)
	s.wantRevisions("$$"+a, 1)
	if diff := cmp.Diff(map[string]any{"n": 2.0}, s.lastMetadata(a)); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestMetadataThroughTheClient(t *testing.T) {
	s := connect(t)
	a := name("a")
	_, err := s.GetStreamMetadata(t.Context(), a, esdb.ReadStreamOptions{})
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
	for _, n := range []uint64{4, 2} {
		m := esdb.StreamMetadata{}
		m.SetMaxCount(n)
		if _, err := s.SetStreamMetadata(t.Context(), a, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, m); err != nil {
			t.Fatal(err)
		}
		got, err := s.GetStreamMetadata(t.Context(), a, esdb.ReadStreamOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.MaxCount() == nil || *got.MaxCount() != n {
			t.Errorf("max count is %v, want %d", got.MaxCount(), n)
		}
	}
}

func TestTruncationDoesNotTouchAll(t *testing.T) {
	s := connect(t)
	a := name("a")
	r := s.append(a, esdb.Any{}, event("1"))
	s.append(a, esdb.Any{}, event("2"))
	s.setMetadata(a, `{"$maxCount":1}`)
	got := s.readAll(esdb.ReadAllOptions{From: esdb.Position{Commit: r.CommitPosition, Prepare: r.PreparePosition}}, 1)
	if got[0].Event.StreamID != a || got[0].Event.EventNumber != 0 {
		t.Errorf("$all has %+v there", got[0].Event)
	}
}

func TestTruncationAppliesToCatchUp(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(5)...)
	s.setMetadata(a, `{"$maxCount":2}`)
	sub := s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	sub.wantNext("3", "4", "caught up")
	s.append(a, esdb.Any{}, event("next"))
	sub.wantNext("5")
}

package esnode_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// lastMetadata is the metadata of a stream as it stands.
func (s *store) lastMetadata(stream string) map[string]any {
	s.t.Helper()
	got := s.read("$$"+stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	out := map[string]any{}
	if err := json.Unmarshal(got[0].Event.Data, &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

func TestSoftDeletedStreamReadsAsNotFound(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(2)...)
	s.delete(a)
	for _, d := range []esdb.Direction{esdb.Forwards, esdb.Backwards} {
		_, err := s.tryRead(a, esdb.ReadStreamOptions{Direction: d, From: esdb.Revision(1)}, plenty)
		wantCode(t, err, esdb.ErrorCodeResourceNotFound)
	}
}

func TestEventsOfASoftDeletedStreamStayInAll(t *testing.T) {
	s := connect(t)
	a := name("a")
	r := s.append(a, esdb.Any{}, event("1"))
	s.delete(a)
	got := s.readAll(esdb.ReadAllOptions{From: esdb.Position{Commit: r.CommitPosition, Prepare: r.CommitPosition}}, 1)
	if len(got) != 1 || got[0].Event.StreamID != a {
		t.Errorf("$all has %v there", got)
	}
}

func TestDeleteReplacesTheMetadata(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	s.setMetadata(a, `{"$maxCount":3,"own":true}`)
	at := s.delete(a)
	got := s.read("$$"+a, esdb.ReadStreamOptions{}, 1)[0].Event
	if got.EventType != "$metadata" || got.Position.Commit != at.Commit {
		t.Errorf("metadata event %+v, the answer was %+v", got, at)
	}
	var want struct {
		TB  int64 `json:"$tb"`
		Own bool  `json:"own"`
	}
	if err := json.Unmarshal(got.Data, &want); err != nil || want.TB != math.MaxInt64 || want.Own {
		t.Errorf("metadata is %s", got.Data)
	}
}

func TestDeleteOfNothingIsWrongEvenForAny(t *testing.T) {
	s := connect(t)
	_, err := s.DeleteStream(t.Context(), name("a"), esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
	wantStatus(t, err, codes.FailedPrecondition)
}

func TestDeleteOfAStreamWithMetadataOnly(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.setMetadata(a, `{}`)
	s.delete(a)
	_, err := s.tryAppend(a, esdb.StreamExists{}, event("1"))
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func TestDeleteAtTheWrongVersion(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(3)...)
	var trailer metadata.MD
	_, err := s.raw().Delete(t.Context(), &api.DeleteReq{Options: &api.DeleteReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte(a)},
		ExpectedStreamRevision: &api.DeleteReq_Options_Revision{Revision: 1}}}, grpc.Trailer(&trailer))
	wantStatus(t, err, codes.FailedPrecondition)
	wantTrailer(t, trailer, "exception", "wrong-expected-version")
	wantTrailer(t, trailer, "stream-name", a)
	wantTrailer(t, trailer, "expected-version", "1")
	wantTrailer(t, trailer, "actual-version", "2")
	_, err = s.DeleteStream(t.Context(), a, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(2)})
	if err != nil {
		t.Errorf("at the right version: %v", err)
	}
}

func TestAppendToASoftDeletedStreamGoesOnAtTheNextRevision(t *testing.T) {
	for what, expected := range map[string]esdb.ExpectedRevision{
		"any": esdb.Any{}, "no stream": esdb.NoStream{}, "the right revision": esdb.Revision(2),
	} {
		t.Run(what, func(t *testing.T) {
			s := connect(t)
			a := name("a")
			s.append(a, esdb.NoStream{}, events(3)...)
			s.delete(a)
			r := s.append(a, expected, events(2)...)
			if r.NextExpectedVersion != 4 {
				t.Errorf("answer %+v", r)
			}
			s.wantRevisions(a, 3, 4)
			if diff := cmp.Diff(map[string]any{"$tb": 3.0}, s.lastMetadata(a)); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			// The server's metadata stands after the events in the log.
			all := s.readAll(esdb.ReadAllOptions{From: esdb.Position{Commit: r.CommitPosition, Prepare: r.CommitPosition}}, plenty)
			for _, e := range all[1:] {
				if e.Event.StreamID == "$$"+a {
					return
				}
			}
			t.Error("no metadata after the events in $all")
		})
	}
}

func TestRepeatedAppendToARecreatedStreamAnswersTheOriginal(t *testing.T) {
	s := connect(t)
	a := name("a")
	first := events(2)
	s.append(a, esdb.NoStream{}, first...)
	s.delete(a)
	if r := s.append(a, esdb.NoStream{}, first...); r.NextExpectedVersion != 1 {
		t.Errorf("the events from before the deletion: %+v", r)
	}
	_, err := s.tryAppend(a, esdb.NoStream{}, first[0], event("x"))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	s.append(a, esdb.NoStream{}, event("new"))
	s.wantRevisions(a, 2)
}

func TestSoftDeletedStreamRefusesTheWrongRevision(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.NoStream{}, events(3)...)
	s.delete(a)
	for _, revision := range []uint64{1, 3} {
		_, err := s.tryAppend(a, esdb.Revision(revision), event("x"))
		wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	}
	_, err := s.tryRead(a, esdb.ReadStreamOptions{}, plenty)
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
}

func TestMetadataOfASoftDeletedStreamUndeletesIt(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.NoStream{}, events(3)...)
	s.delete(a)
	s.setMetadata(a, `{"own":true}`)
	if diff := cmp.Diff(map[string]any{"own": true, "$tb": 3.0}, s.lastMetadata(a)); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	s.wantRevisions(a)
	s.append(a, esdb.Revision(2), event("next"))
	s.wantRevisions(a, 3)
}

func TestStreamCanBeDeletedAndRecreatedAgainAndAgain(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	s.delete(a)
	s.delete(a)
	s.append(a, esdb.Any{}, event("2"))
	s.wantRevisions(a, 1)
	s.delete(a)
	s.append(a, esdb.Any{}, event("3"))
	s.append(a, esdb.Any{}, event("4"))
	s.wantRevisions(a, 2, 3)
	if diff := cmp.Diff(map[string]any{"$tb": 2.0}, s.lastMetadata(a)); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestTombstonedStreamIsDeletedForEverything(t *testing.T) {
	for what, existed := range map[string]bool{"with events": true, "that never was": false} {
		t.Run(what, func(t *testing.T) {
			s := connect(t)
			a := name("a")
			if existed {
				s.append(a, esdb.Any{}, events(2)...)
			}
			s.tombstone(a)
			for _, expected := range []esdb.ExpectedRevision{esdb.Any{}, esdb.NoStream{}, esdb.StreamExists{}, esdb.Revision(1), esdb.Revision(9)} {
				_, err := s.tryAppend(a, expected, event("x"))
				wantCode(t, err, esdb.ErrorCodeStreamDeleted)
				_, err = s.DeleteStream(t.Context(), a, esdb.DeleteStreamOptions{ExpectedRevision: expected})
				wantCode(t, err, esdb.ErrorCodeStreamDeleted)
				_, err = s.TombstoneStream(t.Context(), a, esdb.TombstoneStreamOptions{ExpectedRevision: expected})
				wantCode(t, err, esdb.ErrorCodeStreamDeleted)
			}
			for _, d := range []esdb.Direction{esdb.Forwards, esdb.Backwards} {
				_, err := s.tryRead(a, esdb.ReadStreamOptions{Direction: d, From: esdb.Start{}}, plenty)
				wantCode(t, err, esdb.ErrorCodeStreamDeleted)
			}
			_, err := s.SubscribeToStream(t.Context(), a, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
			wantCode(t, err, esdb.ErrorCodeStreamDeleted)
		})
	}
}

func TestMetadataOfATombstonedStreamIsDeletedToo(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.setMetadata(a, `{"$maxCount":5}`)
	s.append(a, esdb.Any{}, event("1"))
	s.tombstone(a)
	_, err := s.tryRead("$$"+a, esdb.ReadStreamOptions{}, plenty)
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	_, err = s.tryAppend("$$"+a, esdb.Any{}, event("{}"))
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func TestTombstoneChecksTheVersion(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, events(3)...)
	_, err := s.TombstoneStream(t.Context(), a, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(1)})
	wantStatus(t, err, codes.FailedPrecondition)
	_, err = s.TombstoneStream(t.Context(), a, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(2)})
	if err != nil {
		t.Error(err)
	}
	_, err = s.TombstoneStream(t.Context(), name("b"), esdb.TombstoneStreamOptions{ExpectedRevision: esdb.StreamExists{}})
	wantStatus(t, err, codes.FailedPrecondition)
	_, err = s.TombstoneStream(t.Context(), name("c"), esdb.TombstoneStreamOptions{ExpectedRevision: esdb.NoStream{}})
	if err != nil {
		t.Error(err)
	}
}

func TestSoftDeletedStreamCanBeTombstoned(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	s.delete(a)
	s.tombstone(a)
	_, err := s.tryAppend(a, esdb.Any{}, event("2"))
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func TestTombstoneIsAnEventOfTheHighestRevisionInAll(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	at := s.tombstone(a)
	got := s.readAll(esdb.ReadAllOptions{From: at}, 1)
	if e := got[0].Event; e.EventType != "$streamDeleted" || e.StreamID != a || e.EventNumber != math.MaxInt64 {
		t.Errorf("$all has %+v there", e)
	}
}

func TestSubscriberSeesTheTombstoneAndThenTheEnd(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	sub := s.subscribe(a, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	sub.wantNext("0", "caught up")
	s.tombstone(a)
	sub.wantNext("9223372036854775807")
	m := sub.next()
	if m.SubscriptionDropped == nil {
		t.Fatalf("got %s, want the end", kind(m))
	}
	wantStatus(t, m.SubscriptionDropped.Error, codes.FailedPrecondition)
}

// The Go client panics if the name is missing, and a trailer can only hold
// printable ASCII.
func TestDeletedStreamIsNamedInATrailer(t *testing.T) {
	s := embedded(t)
	for stream, want := range map[string]string{"plain": "plain", "Müller\n": "M%C3%BCller%0A"} {
		s.tombstone(stream)
		o := optionsMessage(stream)
		_, trailer, err := s.rawAppend(o)
		wantStatus(t, err, codes.FailedPrecondition)
		wantTrailer(t, trailer, "exception", "stream-deleted")
		wantTrailer(t, trailer, "stream-name", want)
		_, err = s.tryRead(stream, esdb.ReadStreamOptions{}, 1)
		wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	}
}

func TestMetadataStreamCannotBeDeleted(t *testing.T) {
	s := embedded(t)
	_, err := s.TombstoneStream(context.Background(), "$$a", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
	wantStatus(t, err, codes.InvalidArgument)
}

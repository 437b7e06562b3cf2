package esnode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
)

func TestAppendNumbersEventsFromZeroWithoutGaps(t *testing.T) {
	s := connect(t)
	a := name("a")
	var last uint64
	for i := range uint64(5) {
		r := s.append(a, esdb.Any{}, events(2)...)
		if r.NextExpectedVersion != 2*i+1 {
			t.Errorf("append %d answers revision %d", i, r.NextExpectedVersion)
		}
		if r.CommitPosition <= last || r.PreparePosition != r.CommitPosition {
			t.Errorf("append %d answers position %+v after %d", i, r, last)
		}
		last = r.CommitPosition
	}
	s.wantRevisions(a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
}

func TestAppendAnswersThePositionOfItsLastEvent(t *testing.T) {
	s := connect(t)
	a := name("a")
	r := s.append(a, esdb.NoStream{}, events(3)...)
	got := s.read(a, esdb.ReadStreamOptions{}, plenty)
	if p := got[2].Event.Position; p.Commit != r.CommitPosition || p.Prepare != r.CommitPosition {
		t.Errorf("last event is at %+v, the answer was %d", p, r.CommitPosition)
	}
}

func TestAppendKeepsAnEventAsItWas(t *testing.T) {
	s := connect(t)
	a := name("a")
	id := uuid.New()
	s.append(a, esdb.NoStream{},
		esdb.EventData{EventID: id, EventType: "täst", ContentType: esdb.ContentTypeJson, Data: []byte(`{"a":1}`), Metadata: []byte(`{"m":2}`)},
		esdb.EventData{EventType: "bytes", ContentType: esdb.ContentTypeBinary, Data: []byte{0, 255, 1}},
		esdb.EventData{EventType: "empty", ContentType: esdb.ContentTypeBinary})
	got := s.read(a, esdb.ReadStreamOptions{}, plenty)
	first := got[0].Event
	if first.EventID != id || first.EventType != "täst" || first.StreamID != a || string(first.Data) != `{"a":1}` ||
		string(first.UserMetadata) != `{"m":2}` || first.ContentType != "application/json" {
		t.Errorf("first event: %+v", first)
	}
	if first.CreatedDate.Year() < 2020 {
		t.Errorf("created %v", first.CreatedDate)
	}
	if second := got[1].Event; string(second.Data) != "\x00\xff\x01" || second.ContentType != "application/octet-stream" || len(second.UserMetadata) != 0 {
		t.Errorf("second event: %+v", second)
	}
	if third := got[2].Event; len(third.Data) != 0 {
		t.Errorf("third event: %+v", third)
	}
}

func TestAppendExpectingNoStream(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.NoStream{}, event("1"))
	_, err := s.tryAppend(a, esdb.NoStream{}, event("2"))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	s.wantRevisions(a, 0)
}

func TestAppendExpectingARevision(t *testing.T) {
	s := connect(t)
	a := name("a")
	_, err := s.tryAppend(a, esdb.Revision(0), event("above the end of nothing"))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	s.append(a, esdb.NoStream{}, events(3)...)
	_, err = s.tryAppend(a, esdb.Revision(3), event("above the end"))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	_, err = s.tryAppend(a, esdb.Revision(1), event("below the end"))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	s.append(a, esdb.Revision(2), event("at the end"))
	s.wantRevisions(a, 0, 1, 2, 3)
}

func TestAppendExpectingThatTheStreamExists(t *testing.T) {
	s := connect(t)
	a := name("a")
	_, err := s.tryAppend(a, esdb.StreamExists{}, event("1"))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	s.append(a, esdb.Any{}, event("1"))
	s.append(a, esdb.StreamExists{}, event("2"))
	s.wantRevisions(a, 0, 1)
}

func TestStreamWithMetadataOnlyExistsForStreamExists(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.setMetadata(a, `{"$maxCount":5}`)
	s.append(a, esdb.StreamExists{}, event("1"))
	s.wantRevisions(a, 0)
}

func TestSoftDeletedStreamIsDeletedForStreamExists(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.Any{}, event("1"))
	s.delete(a)
	_, err := s.tryAppend(a, esdb.StreamExists{}, event("2"))
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func TestAppendIsAllOrNothing(t *testing.T) {
	s := connect(t)
	a := name("a")
	batch := events(3)
	batch[2].EventType = "" // refused
	if _, err := s.tryAppend(a, esdb.Any{}, batch...); err == nil {
		t.Error("an event without a type was accepted")
	}
	_, err := s.tryRead(a, esdb.ReadStreamOptions{}, plenty)
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
}

func TestRepeatedAppendExpectingAnyAnswersTheOriginal(t *testing.T) {
	for _, expected := range []esdb.ExpectedRevision{esdb.Any{}, esdb.StreamExists{}} {
		t.Run(fmt.Sprintf("%T", expected), func(t *testing.T) {
			s := connect(t)
			a := name("a")
			s.append(a, esdb.NoStream{}, event("before"))
			batch := events(3)
			first := s.append(a, expected, batch...)
			s.append(a, esdb.Any{}, event("after"))
			again := s.append(a, expected, batch...)
			if again.NextExpectedVersion != first.NextExpectedVersion || again.CommitPosition != first.CommitPosition {
				t.Errorf("first %+v, again %+v", first, again)
			}
			s.wantRevisions(a, 0, 1, 2, 3, 4)
		})
	}
}

func TestPartlyRepeatedAppendExpectingAnyIsWrong(t *testing.T) {
	s := connect(t)
	a := name("a")
	batch := events(2)
	s.append(a, esdb.Any{}, batch...)
	_, err := s.tryAppend(a, esdb.Any{}, batch[0], batch[1], event("new"))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	s.wantRevisions(a, 0, 1)
}

func TestAppendExpectingAnyWithANewFirstEventIsWritten(t *testing.T) {
	s := connect(t)
	a := name("a")
	old := event("old")
	s.append(a, esdb.Any{}, old)
	s.append(a, esdb.Any{}, event("new"), old)
	s.wantRevisions(a, 0, 1, 2)
}

func TestSameEventInAnotherStreamIsWritten(t *testing.T) {
	s := connect(t)
	a, b := name("a"), name("b")
	e := event("1")
	s.append(a, esdb.Any{}, e)
	s.append(b, esdb.Any{}, e)
	s.wantRevisions(b, 0)
}

func TestRepeatedAppendExpectingARevisionAnswersTheOriginal(t *testing.T) {
	s := connect(t)
	a := name("a")
	start := events(2)
	r0 := s.append(a, esdb.NoStream{}, start...)
	batch := events(2)
	r1 := s.append(a, esdb.Revision(1), batch...)
	s.append(a, esdb.Revision(3), event("after"))
	if r := s.append(a, esdb.NoStream{}, start...); *r != *r0 {
		t.Errorf("expecting no stream: first %+v, again %+v", r0, r)
	}
	if r := s.append(a, esdb.Revision(1), batch...); *r != *r1 {
		t.Errorf("expecting revision 1: first %+v, again %+v", r1, r)
	}
	if r := s.append(a, esdb.Revision(1), batch[0]); r.NextExpectedVersion != 2 {
		t.Errorf("the first of the two alone: %+v", r)
	}
	s.wantRevisions(a, 0, 1, 2, 3, 4)
}

func TestAppendBelowTheEndWithOtherEventsIsWrong(t *testing.T) {
	s := connect(t)
	a := name("a")
	batch := events(3)
	s.append(a, esdb.NoStream{}, batch...)
	for what, b := range map[string][]esdb.EventData{
		"first differs":       {event("x"), batch[1]},
		"a later one differs": {batch[0], event("x")},
		"beyond the end":      {batch[0], batch[1], batch[2], event("x")},
	} {
		_, err := s.tryAppend(a, esdb.NoStream{}, b...)
		if err == nil {
			t.Errorf("%s: accepted", what)
			continue
		}
		wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	}
	s.wantRevisions(a, 0, 1, 2)
}

func TestEmptyAppend(t *testing.T) {
	s := connect(t)
	a := name("a")
	if resp, _, err := s.rawAppend(optionsMessage(a)); err != nil || resp.GetSuccess().GetNoStream() == nil {
		t.Errorf("to no stream: %v, %v", resp, err)
	}
	s.append(a, esdb.NoStream{}, events(4)...)
	if r := s.append(a, esdb.Any{}); r.NextExpectedVersion != 3 {
		t.Errorf("expecting any: %+v", r)
	}
	if r := s.append(a, esdb.Revision(3)); r.NextExpectedVersion != 3 {
		t.Errorf("expecting revision 3: %+v", r)
	}
	_, err := s.tryAppend(a, esdb.Revision(7))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	s.wantRevisions(a, 0, 1, 2, 3)
}

func TestWrongVersionIsAnAnswerInOldAndNewFields(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.NoStream{}, events(3)...)
	o := optionsMessage(a)
	o.GetOptions().ExpectedStreamRevision = &api.AppendReq_Options_Revision{Revision: 7}
	resp, _, err := s.rawAppend(o, eventMessage(uuid.New(), jsonEvent(), "{}"))
	if err != nil {
		t.Fatal(err)
	}
	w := resp.GetWrongExpectedVersion()
	if w.GetCurrentRevision() != 2 || w.GetCurrentRevision_20_6_0() != 2 || w.GetExpectedRevision() != 7 || w.GetExpectedRevision_20_6_0() != 7 {
		t.Errorf("answer: %v", resp)
	}
	b := name("b")
	o = optionsMessage(b)
	o.GetOptions().ExpectedStreamRevision = &api.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}
	resp, _, err = s.rawAppend(o, eventMessage(uuid.New(), jsonEvent(), "{}"))
	if err != nil {
		t.Fatal(err)
	}
	w = resp.GetWrongExpectedVersion()
	if w.GetCurrentNoStream() == nil || w.GetNoStream_20_6_0() == nil || w.GetExpectedStreamExists() == nil || w.GetStreamExists_20_6_0() == nil {
		t.Errorf("answer: %v", resp)
	}
}

func TestAppendMustSayWhatItExpects(t *testing.T) {
	s := connect(t)
	o := optionsMessage(name("a"))
	o.GetOptions().ExpectedStreamRevision = nil
	_, _, err := s.rawAppend(o, eventMessage(uuid.New(), jsonEvent(), "{}"))
	wantStatus(t, err, codes.InvalidArgument)
}

func TestAppendMustBeginWithOptions(t *testing.T) {
	s := connect(t)
	if _, _, err := s.rawAppend(eventMessage(uuid.New(), jsonEvent(), "{}")); err == nil {
		t.Error("accepted")
	}
}

func TestEventMustHaveAnID(t *testing.T) {
	s := connect(t)
	a := name("a")
	if _, _, err := s.rawAppend(optionsMessage(a), eventMessage(uuid.Nil, jsonEvent(), "{}")); err == nil {
		t.Error("accepted")
	}
}

func TestEventIDMustBeAUUID(t *testing.T) {
	s := connect(t)
	m := eventMessage(uuid.New(), jsonEvent(), "{}")
	m.GetProposedMessage().Id = &shared.UUID{Value: &shared.UUID_String_{String_: "nonsense"}}
	if _, _, err := s.rawAppend(optionsMessage(name("a")), m); err == nil {
		t.Error("accepted")
	}
}

func TestEventMustHaveTypeAndContentType(t *testing.T) {
	s := connect(t)
	for _, missing := range []string{"type", "content-type"} {
		m := jsonEvent()
		delete(m, missing)
		_, trailer, err := s.rawAppend(optionsMessage(name("a")), eventMessage(uuid.New(), m, "{}"))
		wantStatus(t, err, codes.InvalidArgument)
		wantTrailer(t, trailer, "exception", "missing-required-metadata-property")
	}
}

func TestAppendTakesIDsInBothForms(t *testing.T) {
	s := connect(t)
	a := name("a")
	id := uuid.New()
	if _, _, err := s.rawAppend(optionsMessage(a), eventMessage(id, jsonEvent(), "{}")); err != nil {
		t.Fatal(err)
	}
	s.append(a, esdb.Revision(0), esdb.EventData{EventID: id, EventType: "x"})
	got := s.read(a, esdb.ReadStreamOptions{}, plenty)
	if got[0].Event.EventID != id || got[1].Event.EventID != id {
		t.Errorf("ids %v and %v, want %v", got[0].Event.EventID, got[1].Event.EventID, id)
	}
}

func TestAppendOfAMebibyteOrMoreIsRefused(t *testing.T) {
	s := connect(t)
	a := name("a")
	s.append(a, esdb.NoStream{}, event(`"`+strings.Repeat("x", 1<<20-1000)+`"`))
	_, trailer, err := s.rawAppend(optionsMessage(a), eventMessage(uuid.New(), jsonEvent(), strings.Repeat("x", 1<<20+1)))
	wantStatus(t, err, codes.InvalidArgument)
	wantTrailer(t, trailer, "exception", "maximum-append-size-exceeded")
	wantTrailer(t, trailer, "maximum-append-size", "1048576")
	s.wantRevisions(a, 0)
}

// A client that is cut off while it still sends reports EOF instead of the reason.
func TestRefusedAppendIsReadToItsEnd(t *testing.T) {
	s := connect(t)
	a := name("a")
	big := strings.Repeat("x", 100<<10)
	for range 20 {
		batch := make([]esdb.EventData, 100)
		for i := range batch {
			batch[i] = event(big)
		}
		_, err := s.tryAppend(a, esdb.Any{}, batch...)
		wantStatus(t, err, codes.InvalidArgument)
	}
	s.tombstone(a)
	for range 20 {
		_, err := s.tryAppend(a, esdb.Any{}, events(500)...)
		wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	}
}

func TestManyWritersOfOneStreamTakeTurns(t *testing.T) {
	s := connect(t)
	a := name("a")
	const writers, each = 8, 25
	errs := make(chan error, writers)
	for range writers {
		go func() {
			for range each {
				for {
					next := esdb.ExpectedRevision(esdb.NoStream{})
					got, err := s.tryRead(a, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
					if err == nil {
						next = esdb.Revision(got[0].Event.EventNumber)
					}
					if _, err = s.tryAppend(a, next, event("1")); err == nil {
						break
					}
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		<-errs
	}
	if got := s.read(a, esdb.ReadStreamOptions{}, plenty); len(got) != writers*each || got[len(got)-1].Event.EventNumber != writers*each-1 {
		t.Errorf("%d events", len(got))
	}
}

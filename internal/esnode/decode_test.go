package esnode

import (
	"encoding/binary"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

func TestAppendMessagesDecodedByHand(t *testing.T) {
	id := uuid.MustParse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
	structured := &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits: int64(binary.BigEndian.Uint64(id[:8])), LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:]))}}}
	options := func(o *api.AppendReq_Options) *api.AppendReq {
		o.StreamIdentifier = &shared.StreamIdentifier{StreamName: []byte("a")}
		return &api.AppendReq{Content: &api.AppendReq_Options_{Options: o}}
	}
	event := func(e *api.AppendReq_ProposedMessage) *api.AppendReq {
		return &api.AppendReq{Content: &api.AppendReq_ProposedMessage_{ProposedMessage: e}}
	}
	for what, c := range map[string]struct {
		message *api.AppendReq
		want    appendMessage
	}{
		"empty":     {&api.AppendReq{}, appendMessage{}},
		"nothing":   {options(&api.AppendReq_Options{}), appendMessage{options: &appendOptions{stream: "a"}}},
		"any":       {options(&api.AppendReq_Options{ExpectedStreamRevision: &api.AppendReq_Options_Any{Any: &shared.Empty{}}}), appendMessage{options: &appendOptions{"a", eventlog.Any, true}}},
		"no stream": {options(&api.AppendReq_Options{ExpectedStreamRevision: &api.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}}), appendMessage{options: &appendOptions{"a", eventlog.NoStream, true}}},
		"exists":    {options(&api.AppendReq_Options{ExpectedStreamRevision: &api.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}}), appendMessage{options: &appendOptions{"a", eventlog.StreamExists, true}}},
		"revision":  {options(&api.AppendReq_Options{ExpectedStreamRevision: &api.AppendReq_Options_Revision{Revision: 7}}), appendMessage{options: &appendOptions{"a", 7, true}}},
		"zero":      {options(&api.AppendReq_Options{ExpectedStreamRevision: &api.AppendReq_Options_Revision{}}), appendMessage{options: &appendOptions{"a", 0, true}}},
		"too high":  {options(&api.AppendReq_Options{ExpectedStreamRevision: &api.AppendReq_Options_Revision{Revision: 1 << 63}}), appendMessage{options: &appendOptions{"a", -1 << 63, false}}},
		"event": {
			event(&api.AppendReq_ProposedMessage{Id: structured, Data: []byte("d"), CustomMetadata: []byte("m"),
				Metadata: map[string]string{"type": "t", "content-type": "application/json", "other": "x"}}),
			appendMessage{event: &proposedEvent{eventlog.Proposed{ID: id, Type: "t", JSON: true, Data: []byte("d"), Metadata: []byte("m")}, true, true}},
		},
		"bytes": {
			event(&api.AppendReq_ProposedMessage{Id: &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}},
				Metadata: map[string]string{"type": "", "content-type": "application/octet-stream"}}),
			appendMessage{event: &proposedEvent{eventlog.Proposed{ID: id}, true, true}},
		},
		"bare": {event(&api.AppendReq_ProposedMessage{}), appendMessage{event: &proposedEvent{}}},
	} {
		t.Run(what, func(t *testing.T) {
			raw, err := proto.Marshal(c.message)
			if err != nil {
				t.Fatal(err)
			}
			var got appendMessage
			if err := got.decode(raw); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(appendMessage{}, appendOptions{}, proposedEvent{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever bytes come, they are read as the generated code reads them, or refused.
func FuzzAppendMessage(f *testing.F) {
	for _, m := range []*api.AppendReq{
		{Content: &api.AppendReq_Options_{Options: &api.AppendReq_Options{
			StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("stream")},
			ExpectedStreamRevision: &api.AppendReq_Options_Revision{Revision: 300}}}},
		{Content: &api.AppendReq_ProposedMessage_{ProposedMessage: &api.AppendReq_ProposedMessage{
			Id:       &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{MostSignificantBits: 1, LeastSignificantBits: 2}}},
			Metadata: map[string]string{"type": "t", "content-type": "application/json"}, Data: []byte("data"), CustomMetadata: []byte("meta")}}},
	} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got appendMessage
		if got.decode(raw) != nil {
			return
		}
		var want api.AppendReq
		if proto.Unmarshal(raw, &want) != nil {
			return // stricter about what is passed over here
		}
		if e := want.GetProposedMessage(); e != nil && got.event != nil {
			if string(e.Data) != string(got.event.Data) || string(e.CustomMetadata) != string(got.event.Metadata) {
				t.Errorf("got %+v, want %v", got.event, e)
			}
		}
		if (want.GetOptions() != nil) != (got.options != nil) || (want.GetProposedMessage() != nil) != (got.event != nil) {
			t.Errorf("got %+v, want %v", got, &want)
		}
	})
}

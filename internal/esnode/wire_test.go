package esnode

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// What is encoded by hand reads as the generated code would have written it.
func TestMessagesEncodedByHand(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	record := func() *eventlog.Record {
		r := &eventlog.Record{
			Position: random.Uint64() >> random.IntN(64), Revision: random.Int64() >> random.IntN(63), JSON: random.IntN(2) == 0,
			Created: []int64{0, 1, 9, 10, -1, math.MaxInt64, math.MinInt64, random.Int64()}[random.IntN(8)],
			Stream:  []byte("stream-" + strconv.Itoa(random.IntN(1e6))), Type: []byte([]string{"", "t", "tÿpe"}[random.IntN(3)]),
			Data: bytes(random.IntN(300)), Metadata: bytes([]int{0, 1, 127, 128, 20000}[random.IntN(5)]),
		}
		copy(r.ID[:], bytes(16))
		if random.IntN(8) == 0 {
			r.ID = uuid.UUID{}
		}
		return r
	}
	for range 3000 {
		event, link, asString := record(), record(), random.IntN(2) == 0
		switch random.IntN(3) {
		case 0:
			link = nil
		case 1:
			event = nil
		}
		raw := appendEvent(nil, event, link, asString)
		var got api.ReadResp
		if err := proto.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		want := &api.ReadResp{Content: &api.ReadResp_Event{Event: &api.ReadResp_ReadEvent{}}}
		read := want.GetEvent()
		if event != nil {
			read.Event = generated(event, asString)
			read.Position = &api.ReadResp_ReadEvent_CommitPosition{CommitPosition: event.Position}
		}
		if link != nil {
			read.Link = generated(link, asString)
			read.Position = &api.ReadResp_ReadEvent_CommitPosition{CommitPosition: link.Position}
		}
		if !proto.Equal(want, &got) {
			t.Fatalf("(-want +got):\n%s", cmp.Diff(want, &got, protocmp.Transform()))
		}
	}
	var got api.ReadResp
	if err := proto.Unmarshal(appendCheckpoint(nil, 1<<40), &got); err != nil || got.GetCheckpoint().GetCommitPosition() != 1<<40 || got.GetCheckpoint().GetPreparePosition() != 1<<40 {
		t.Errorf("checkpoint %v, %v", &got, err)
	}
	if err := proto.Unmarshal(appendCaughtUp(nil), &got); err != nil || got.GetCaughtUp() == nil {
		t.Errorf("caught up %v, %v", &got, err)
	}
}

func generated(r *eventlog.Record, asString bool) *api.ReadResp_ReadEvent_RecordedEvent {
	id := &shared.UUID{Value: &shared.UUID_String_{String_: r.ID.String()}}
	if !asString {
		id.Value = &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
			MostSignificantBits:  int64(binary.BigEndian.Uint64(r.ID[:8])),
			LeastSignificantBits: int64(binary.BigEndian.Uint64(r.ID[8:]))}}
	}
	content := "application/octet-stream"
	if r.JSON {
		content = "application/json"
	}
	return &api.ReadResp_ReadEvent_RecordedEvent{
		Id: id, StreamIdentifier: &shared.StreamIdentifier{StreamName: r.Stream}, StreamRevision: uint64(r.Revision),
		PreparePosition: r.Position, CommitPosition: r.Position, CustomMetadata: r.Metadata, Data: r.Data,
		Metadata: map[string]string{"type": string(r.Type), "content-type": content, "created": strconv.FormatInt(r.Created, 10)},
	}
}

package eventschema

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Events that are framed come back as they were, in order.
func TestFrames(t *testing.T) {
	bytesOf := rapid.SliceOfN(rapid.Byte(), 0, 300)
	rapid.Check(t, func(t *rapid.T) {
		var want []Raw
		var payload []byte
		for range rapid.IntRange(0, 5).Draw(t, "events") {
			raw := Raw{
				ID: anyUUID.Draw(t, "id"), Stream: rapid.String().Draw(t, "stream"), Type: rapid.SampledFrom([]string{"", "customer.order_paid.v1", "x.v2"}).Draw(t, "type"),
				Revision: rapid.Uint64().Draw(t, "revision"), Position: rapid.Uint64().Draw(t, "position"),
				Data: bytesOf.Draw(t, "data"), Metadata: bytesOf.Draw(t, "metadata"),
			}
			want = append(want, raw)
			before := len(payload)
			payload = AppendFrame(payload, raw)
			if n := FrameLen(raw); len(payload) != before+n {
				t.Fatalf("FrameLen says %d, it is %d", n, len(payload)-before)
			}
		}
		var got []Raw
		for raw, err := range Frames(payload) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, raw)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-framed +read:\n%s", diff)
		}
		for range Frames(payload) {
			break // stopping early is no panic
		}
	})
}

// Growing one event's data does not write over its neighbours.
func TestFramesAreApart(t *testing.T) {
	payload := AppendFrame(AppendFrame(nil, Raw{Data: []byte("one"), Metadata: []byte("two")}), Raw{Data: []byte("three")})
	before := bytes.Clone(payload)
	for raw := range Frames(payload) {
		_, _ = append(raw.Data, "xxxx"...), append(raw.Metadata, "xxxx"...)
	}
	if !bytes.Equal(before, payload) {
		t.Error("the payload was written to")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(nil))
	payload := []byte(nil)
	for _, raw := range history(f) {
		payload = AppendFrame(payload, raw)
	}
	f.Add(payload)
	f.Add(payload[:len(payload)-1])
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Add(append([]byte{36}, make([]byte, 36)...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var again []byte
		failed := false
		for raw, err := range Frames(payload) {
			if failed {
				t.Fatal("it goes on after an error")
			}
			if failed = err != nil; failed {
				if !errors.Is(err, ErrFrame) {
					t.Fatal(err)
				}
				continue
			}
			again = AppendFrame(again, raw)
		}
		if !failed && len(again) > len(payload) {
			t.Fatalf("%d bytes became %d", len(payload), len(again)) // shorter is possible: varints have long forms
		}
	})
}

package eventschema

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"pgregory.net/rapid"
)

// history is a stream of a few events.
func history(t testing.TB) []Raw {
	t.Helper()
	var raws []Raw
	var chain Chain
	for i, data := range []any{registered(), order(), customer.OrderPaid{OrderID: "2026-000417", PaidAt: noon}, customer.OrderCancelled{OrderID: "2026-000417", Reason: "late", CancelledAt: noon}} {
		m := envelope()
		m.RecordedAt = noon.Add(time.Duration(i) * time.Minute)
		var raw Raw
		var err error
		raw, chain, err = Events.Seal(chain, customer.Stream(alice), uint64(i), m, data, dataKey())
		if err != nil {
			t.Fatal(err)
		}
		raw.Position = uint64(100 * (i + 1))
		raws = append(raws, raw)
	}
	return raws
}

func all(raws []Raw) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		for _, r := range raws {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestVerifyChain(t *testing.T) {
	raws := history(t)
	last, n, err := VerifyChain(all(raws))
	if want, _ := ChainOf(raws[3]); err != nil || n != 4 || last != want {
		t.Fatalf("%v, %d, %v; want %v, 4", last, n, err, want)
	}
	if _, n, err := VerifyChain(all(nil)); n != 0 || err != nil {
		t.Errorf("an empty stream: %d, %v", n, err)
	}
	broken := errors.New("connection lost")
	_, n, err = VerifyChain(func(yield func(Raw, error) bool) {
		_ = yield(raws[0], nil) && yield(Raw{}, broken)
	})
	if n != 1 || !errors.Is(err, broken) {
		t.Errorf("an iterator that fails: %d, %v", n, err)
	}
}

// A stream of which only the end is there is proven from its first event on,
// which is taken on trust, but for its id.
func TestAChainFromItsMiddle(t *testing.T) {
	raws := history(t)
	var v Verifier
	if err := v.Begin(raws[1]); err != nil {
		t.Fatal(err)
	}
	if err := v.Add(raws[3]); err == nil || v.Next != 2 {
		t.Errorf("a missing event: %v, next %d", err, v.Next)
	}
	for _, raw := range raws[2:] {
		if err := v.Add(raw); err != nil {
			t.Fatal(err)
		}
	}
	if last, _ := ChainOf(raws[3]); v.Chain != last || v.Next != 4 {
		t.Errorf("it stands at %v, %d", v.Chain, v.Next)
	}
	bad := raws[1]
	bad.ID[3]++
	if err := new(Verifier).Begin(bad); err == nil {
		t.Error("another id is taken")
	}
	bad = raws[1]
	bad.Metadata = bad.Metadata[:len(bad.Metadata)-1]
	if err := new(Verifier).Begin(bad); err == nil {
		t.Error("an event without a chain value is taken")
	}
	v = Verifier{}
	if err := v.Begin(raws[1]); err != nil {
		t.Fatal(err)
	}
	other := raws[2]
	other.Stream += "x"
	if err := v.Add(other); err == nil {
		t.Error("an event of another stream is taken")
	}
}

// The value is what the documentation says, computed without our code.
func TestChainAsDocumented(t *testing.T) {
	raw := history(t)[0]
	covered, rest, ok := bytes.Cut(raw.Metadata, []byte(`,"chain"`))
	if !ok {
		t.Fatalf("%s", raw.Metadata)
	}
	h := sha256.New()
	for _, part := range [][]byte{make([]byte, 32), []byte(raw.Stream), make([]byte, 8), []byte(raw.Type), raw.Data, covered} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	sum := h.Sum(nil)
	if want := `:"` + hex.EncodeToString(sum) + `"}`; want != string(rest) {
		t.Errorf("chain%s, want %s", rest, want)
	}
	if want := uuid.NewSHA1(command1, sum); raw.ID != want {
		t.Errorf("id %v, want %v", raw.ID, want)
	}
}

// No byte of an event can be changed, and no event removed, repeated or moved,
// without VerifyChain naming the first that does not fit.
func TestTampering(t *testing.T) {
	original := history(t)
	check := func(t interface{ Fatalf(string, ...any) }, raws []Raw, first uint64, what string, args ...any) {
		_, n, err := VerifyChain(all(raws))
		var bad *ChainError
		if !errors.As(err, &bad) || n != first {
			t.Fatalf(what+": %d fit, %v; want %d to fit", append(args, n, err, first)...)
		}
		if bad.Revision != raws[n].Revision || bad.ID != raws[n].ID {
			t.Fatalf(what+": %v is named, want revision %d", append(args, err, raws[n].Revision)...)
		}
	}
	for i := range original {
		for _, part := range []func(*Raw) *[]byte{func(r *Raw) *[]byte { return &r.Data }, func(r *Raw) *[]byte { return &r.Metadata }} {
			for k := range *part(&original[i]) {
				for _, flip := range []byte{0x01, 0x20, 0x80} {
					raws := slices.Clone(original)
					p := part(&raws[i])
					*p = bytes.Clone(*p)
					(*p)[k] ^= flip
					check(t, raws, uint64(i), "byte %d of event %d", k, i)
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		raws := slices.Clone(original)
		i := rapid.IntRange(0, len(raws)-1).Draw(t, "i")
		switch rapid.IntRange(0, 6).Draw(t, "change") {
		case 0:
			raws[i].Stream += "x"
		case 1:
			raws[i].Type = "customer.order_paid.v2"
		case 2:
			raws[i].Revision++
		case 3:
			raws[i].ID[3]++
		case 4:
			if i == len(raws)-1 {
				return // a stream cut at its end is a stream
			}
			raws = slices.Delete(raws, i, i+1)
		case 5:
			raws = slices.Insert(raws, i, raws[i])
			i++
		case 6:
			raws[i].Metadata = append(bytes.Clone(raws[i].Metadata), ' ')
		}
		check(t, raws, uint64(i), "changed at %d", i)
	})
}

func TestChainOfNothing(t *testing.T) {
	for _, metadata := range []string{
		"", "{}", `{"chain":"` + strings.Repeat("0", 64) + `"}`, `{"a":1,"chain":"` + strings.Repeat("A", 64) + `"}`,
		`{"a":1,"chain":"` + strings.Repeat("0", 63) + `"}`, `{"a":1,"chain":"` + strings.Repeat("0", 64) + `" }`,
	} {
		if chain, ok := ChainOf(Raw{Metadata: []byte(metadata)}); ok {
			t.Errorf("%s has chain %v", metadata, chain)
		}
	}
}

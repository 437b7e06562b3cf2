package eventschema

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"pgregory.net/rapid"
)

// slowMeta is what decodeMeta does, done with encoding/json.
type slowMeta struct {
	Customer     uuid.UUID   `json:"customer_id"`
	Command      uuid.UUID   `json:"command_id"`
	Digest       string      `json:"digest"`
	Correlation  uuid.UUID   `json:"correlation_id"`
	Causation    uuid.UUID   `json:"causation_id"`
	Actor        Actor       `json:"actor"`
	Channel      string      `json:"channel"`
	OccurredAt   time.Time   `json:"occurred_at"`
	RecordedAt   time.Time   `json:"recorded_at"`
	BusinessDate domain.Date `json:"business_date"`
	Policies     []PolicyRef `json:"policies"`
	Key          string      `json:"key"`
	Chain        string      `json:"chain"`
}

func decodeSlowly(metadata []byte, unmarshal func([]byte, any) error) (m Meta, err error) {
	var s slowMeta
	if err := unmarshal(metadata, &s); err != nil {
		return m, err
	}
	m = Meta{
		Customer: s.Customer, Command: s.Command, Correlation: s.Correlation, Causation: s.Causation, Actor: s.Actor, Channel: s.Channel,
		OccurredAt: s.OccurredAt, RecordedAt: s.RecordedAt, BusinessDate: s.BusinessDate, Policies: s.Policies, Key: s.Key,
	}
	if m.Digest, err = hex.DecodeString(s.Digest); err != nil {
		return m, err
	}
	chain, err := hex.DecodeString(s.Chain)
	copy(m.Chain[:], chain)
	return m, err
}

// encoding/json reads from an envelope what our decoder reads.
func TestMetaAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMeta.Draw(t, "meta")
		m.Key = anyText.Draw(t, "key")
		if rapid.Bool().Draw(t, "no customer") {
			m.Customer = uuid.UUID{}
		}
		b, err := appendMeta(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, '}')
		got, err := decodeMeta(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		m.Reason = ""
		if diff := cmp.Diff(m, got); diff != "" {
			t.Fatalf("%s\n-encoded +decoded:\n%s", b, diff)
		}
		slow, err := decodeSlowly(b, json.Unmarshal)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if len(slow.Digest) == 0 {
			slow.Digest = nil
		}
		if diff := cmp.Diff(slow, got); diff != "" {
			t.Fatalf("%s\n-encoding/json +decoded:\n%s", b, diff)
		}
	})
}

func FuzzMeta(f *testing.F) {
	for _, raw := range history(f) {
		f.Add(raw.Metadata)
	}
	f.Add([]byte(`{"customer_id":"` + alice.String() + `"}`))
	f.Add([]byte(`{ "chain":"00", "policies":[{"version":1,"x":{}}], "actor":{} }`))
	f.Add([]byte(`{"key":"\u0041","unknown":[null,1e9]}`))
	f.Fuzz(func(t *testing.T, metadata []byte) {
		raw := Raw{Metadata: metadata}
		who, isOf := CustomerOf(raw)
		NextChain(Chain{}, raw)
		m, err := Events.Meta(raw)
		if err != nil {
			return
		}
		if isOf != (m.Customer != uuid.UUID{}) && who != (uuid.UUID{}) || isOf && who != m.Customer {
			t.Fatalf("CustomerOf says %v, %v; the envelope %v", who, isOf, m.Customer)
		}
		if chain, ok := ChainOf(raw); ok && chain != m.Chain {
			t.Fatalf("ChainOf says %v, the envelope %v", chain, m.Chain)
		}
		if !json.Valid(metadata) {
			t.Fatalf("what is not JSON reads as %+v", m)
		}
		// Not encoding/json, which takes names of any case for its own.
		slow, err := decodeSlowly(metadata, func(b []byte, v any) error {
			return jsonv2.Unmarshal(b, v, jsontext.AllowDuplicateNames(true))
		})
		if err != nil {
			t.Fatalf("what json/v2 refuses (%v) reads as %+v", err, m)
		}
		if len(m.Digest) == 0 {
			m.Digest, slow.Digest = nil, nil
		}
		if len(m.Policies) == 0 {
			m.Policies, slow.Policies = nil, nil
		}
		if diff := cmp.Diff(slow, m, sameInstant); diff != "" {
			t.Fatalf("-json/v2 +decoded:\n%s", diff)
		}
		b, err := appendMeta(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		m.Chain = Chain{}
		if again, err := decodeMeta(append(b, '}')); err != nil || !cmp.Equal(m, again) {
			t.Fatalf("written again it reads as %+v, %v", again, err)
		}
	})
}

// Members may come in any order and with strangers between them, but for the
// customer: who looks at the first bytes only must see what the rest see.
func TestMetaOrder(t *testing.T) {
	customer := `"customer_id":"` + alice.String() + `"`
	m, err := decodeMeta([]byte(`{` + customer + `, "x":[{"customer_id":1}], "chain":"` + strings.Repeat("0f", 32) + `","key":"k", "command_id":"` + command1.String() + `"}`))
	if want := (Meta{Customer: alice, Command: command1, Key: "k", Chain: m.Chain}); err != nil || !cmp.Equal(m, want) || m.Chain[31] != 0x0f {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{
		`{"key":"k",` + customer + `}`,
		`{ ` + customer + `}`,
		`{"customer_id": "` + alice.String() + `"}`,
		`{"customer\u005fid":"` + alice.String() + `"}`,
		`{"customer_id":"\u0030` + alice.String()[1:] + `"}`,
	} {
		if m, err := decodeMeta([]byte(bad)); !errors.Is(err, errCustomerFirst) {
			t.Errorf("%s reads as %+v, %v", bad, m, err)
		}
		if who, ok := CustomerOf(Raw{Metadata: []byte(bad)}); ok {
			t.Errorf("%s is of %v", bad, who)
		}
	}
	for _, bad := range []string{
		``, `null`, `[]`, `{"key":1}`, `{"key":"a","key":"b"}`, `{"digest":"0"}`, `{"digest":"xx"}`, `{"chain":"00"}`, `{"business_date":"2026-2-1"}`,
		`{"occurred_at":"yesterday"}`, `{"actor":{"kind":1}}`, `{"actor":{"kind":"a","kind":"b"}}`, `{"policies":{}}`, `{"policies":[{"version":1.5}]}`,
		`{"customer_id":"x"}`, `{"customer_id":null}`, `{"command_id":"{5b0c6f0e-8a0d-4e0f-9c58-1d2f3a4b5c6d}"}`, `{} {}`,
	} {
		if m, err := decodeMeta([]byte(bad)); err == nil {
			t.Errorf("%s reads as %+v", bad, m)
		}
	}
}

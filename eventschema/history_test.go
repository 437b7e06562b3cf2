package eventschema

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// inTheClear is the JSON of an event with its personal fields in their places.
func inTheClear(t testing.TB, data any) []byte {
	t.Helper()
	v, ok := Events.byGo[reflect.TypeOf(data)]
	if !ok {
		t.Fatalf("%T is not in the table", data)
	}
	p := v.scratch.New()
	v.load(p, data)
	b, err := v.codec.append([]byte{'{'}, reflect.ValueOf(p).Elem(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '}')
}

// open reads data of a wire type under an envelope that says nothing.
func open(wire string, data []byte) (any, error) {
	e, err := Events.Open(Raw{Type: wire, Data: data, Metadata: []byte(`{}`)}, nil)
	return e.Data, err
}

// Every version ever written can be read, and what it reads as is what the
// example of the current version says, to the byte.
func TestHistory(t *testing.T) {
	for wire, v := range Events.byWire {
		t.Run(wire, func(t *testing.T) {
			got, err := open(wire, readExample(t, wire))
			if err != nil {
				t.Fatal(err)
			}
			want := readExample(t, v.Wire())
			if diff := cmp.Diff(string(want), string(inTheClear(t, got))); diff != "" {
				t.Errorf("%s as %s (-want +got):\n%s", wire, v.Wire(), diff)
			}
		})
	}
}

// An example sets every field of its event, so that it freezes all names.
func TestExamplesAreComplete(t *testing.T) {
	for _, typ := range Events.Types() {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(readExample(t, typ.Wire()), &object); err != nil {
			t.Fatal(err)
		}
		for _, f := range typ.codec.fields {
			if _, ok := object[f.name]; !ok {
				t.Errorf("testdata/%s.json does not have %q", typ.Wire(), f.name)
			}
		}
	}
}

// No example is of a version that nobody can read.
func TestNoStrayExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if wire := strings.TrimSuffix(filepath.Base(f), ".json"); !Events.Known(wire) {
			t.Errorf("%s belongs to no version of an event", f)
		}
	}
}

// frozen is testdata/sealed/*.json: stored events of one stream with the keys
// that open them. They were written once; that they still verify and open is
// what nobody may break.
type frozen struct {
	Master  string `json:"master_key"`
	Lookup  string `json:"lookup_key"`
	KeyID   string `json:"key_id"`
	Wrapped []byte `json:"wrapped"`
	Events  []struct {
		ID       uuid.UUID `json:"id"`
		Stream   string    `json:"stream"`
		Revision uint64    `json:"revision"`
		Type     string    `json:"type"`
		Data     string    `json:"data"`
		Metadata string    `json:"metadata"`
		ReadsAs  string    `json:"reads_as"` // the data in the same version, nothing encrypted
		Reason   string    `json:"reason"`
	} `json:"events"`
}

func (f frozen) keys(t *testing.T) (*Keyring, *DataKey) {
	t.Helper()
	ring, err := parseKeyring([]byte(`{"master":"` + f.Master + `","lookup":"` + f.Lookup + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ring.Unwrap(f.KeyID, f.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return ring, key
}

// What was stored long ago still verifies and opens.
func TestFrozenBytes(t *testing.T) {
	files, err := filepath.Glob("testdata/sealed/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sealed examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var f frozen
			if err := json.Unmarshal(text, &f); err != nil {
				t.Fatal(err)
			}
			_, key := f.keys(t)
			var verify Verifier
			for _, frozen := range f.Events {
				raw := Raw{
					ID: frozen.ID, Stream: frozen.Stream, Revision: frozen.Revision, Type: frozen.Type,
					Data: []byte(frozen.Data), Metadata: []byte(frozen.Metadata),
				}
				if err := verify.Add(raw); err != nil {
					t.Error(err)
				}
				want, err := open(raw.Type, []byte(frozen.ReadsAs))
				if err != nil {
					t.Fatal(err)
				}
				got, err := Events.Open(raw, key)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got.Data); diff != "" || got.Meta.Reason != frozen.Reason {
					t.Errorf("revision %d has reason %q, want %q; -want +got:\n%s", raw.Revision, got.Meta.Reason, frozen.Reason, diff)
				}
				if _, err := Events.Open(raw, Erased); err != nil {
					t.Errorf("revision %d without its key: %v", raw.Revision, err)
				}
			}
		})
	}
}

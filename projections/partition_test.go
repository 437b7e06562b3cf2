package projections_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
)

// However the log is cut into batches, whatever is lost or delivered again, and
// whoever else writes, the store is the fold of the log.
func TestAnyHistory(t *testing.T) {
	partitiontest.Run(t, memstore.New(), 50)
}

// keySource answers one thing.
type keySource struct {
	erased bool
	err    error
}

func (k keySource) Key(context.Context, uuid.UUID) (string, []byte, bool, error) {
	return "", nil, k.erased, k.err
}

// A customer whose key was destroyed has no personal data any more; a key that is
// only missing is poison; a log that does not answer is neither.
func TestMissingKeys(t *testing.T) {
	away := errors.New("the log is away")
	for _, test := range []struct {
		name   string
		source keySource
		check  func(t *testing.T, err error, document string)
	}{
		{"erased", keySource{erased: true}, func(t *testing.T, err error, document string) {
			if err != nil || document != `{"orders":{"o":5},"total":5,"last":"2024-03-01"}` {
				t.Errorf("%v, %s", err, document)
			}
		}},
		{"missing", keySource{}, func(t *testing.T, err error, document string) {
			var poisoned *projections.Poison
			if !errors.As(err, &poisoned) || poisoned.Position != 1 || document != "" {
				t.Errorf("%v, %s", err, document)
			}
		}},
		{"away", keySource{err: away}, func(t *testing.T, err error, _ string) {
			var poisoned *projections.Poison
			if !errors.Is(err, away) || errors.As(err, &poisoned) {
				t.Errorf("%v", err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, store, c := partitiontest.NewWriter(t), memstore.New(), partitiontest.CustomerID(1)
			log := append(w.Register(c, "Ann")[1:], w.Order(c, "o", 5, today)) // without the key
			for i := range log {
				log[i].Position = uint64(i + 1)
			}
			f := projections.Filling{View: partitiontest.NewSpend(), Number: 1}
			p := projections.NewPartition(0, store, projections.Rules{
				Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: test.source,
			}, f)
			err := p.Apply(t.Context(), projections.Batch{Events: log, End: 2, Live: true})
			docs, _ := store.Load(t.Context(), 0, []projections.Generation{f.Generation()}, []uuid.UUID{c})
			test.check(t, err, string(docs[0][0]))
		})
	}
}

// A key is found in the serving key documents when the partition does not fold
// keys itself.
func TestServingKeys(t *testing.T) {
	w, store, c := partitiontest.NewWriter(t), memstore.New(), partitiontest.CustomerID(1)
	log := w.Register(c, "Ann")
	for i := range log {
		log[i].Position = uint64(i + 1)
	}
	rules := projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: keySource{err: errors.New("not to be asked")}}
	keys := projections.Filling{View: projections.NewKeys(), Number: 4}
	if err := projections.NewPartition(0, store, rules, keys).Apply(t.Context(), projections.Batch{Events: log, End: 2, Live: true}); err != nil {
		t.Fatal(err)
	}
	rules.KeyDocuments = keys.Generation()
	spend := projections.Filling{View: partitiontest.NewSpend(), Number: 1}
	if err := projections.NewPartition(0, store, rules, spend).Apply(t.Context(), projections.Batch{Events: log, End: 2, Live: true}); err != nil {
		t.Fatal(err)
	}
	docs, _ := store.Load(t.Context(), 0, []projections.Generation{spend.Generation()}, []uuid.UUID{c})
	if got := string(docs[0][0]); got != `{"name":"Ann","total":0}` {
		t.Errorf("document %s", got)
	}
}

// A fold that panics poisons its event: nothing of it, half done, is committed,
// and the program lives on.
func TestPanickingFold(t *testing.T) {
	w, store, c := partitiontest.NewWriter(t), memstore.New(), partitiontest.CustomerID(1)
	log := append(w.Register(c, "Ann"), w.Order(c, "fine", 1, today), w.Order(c, "bad", 2, today))
	for i := range log {
		log[i].Position = uint64(i + 1)
	}
	brittle := partitiontest.NewCount()
	whole := brittle.Fold
	brittle.Fold = func(d *partitiontest.Count, e projections.Event) bool {
		if o, ok := e.Data.(customer.OrderRecorded); ok && o.OrderID == "bad" {
			d.Events = -1
			panic("no")
		}
		return whole(d, e)
	}
	fillings := []projections.Filling{{View: partitiontest.NewSpend(), Number: 1}, {View: brittle, Number: 1}}
	p := projections.NewPartition(0, store, projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: w}, fillings...)
	var poisoned *projections.Poison
	err := p.Apply(t.Context(), projections.Batch{Events: log, End: 4, Live: true})
	if !errors.As(err, &poisoned) || poisoned.EventID != log[3].ID {
		t.Fatalf("%v", err)
	}
	if err := p.Apply(t.Context(), projections.Batch{Events: log[:3], End: 3, Live: true}); err != nil {
		t.Fatal(err)
	}
	docs, _ := store.Load(t.Context(), 0, []projections.Generation{fillings[0].Generation(), fillings[1].Generation()}, []uuid.UUID{c})
	if string(docs[0][0]) != `{"name":"Ann","orders":{"fine":1},"total":1,"last":"2024-03-01"}` || string(docs[1][0]) != `{"events":1}` {
		t.Errorf("documents %s, %s", docs[0][0], docs[1][0])
	}
}

// A batch that begins too late is refused, whatever is in it.
func TestGap(t *testing.T) {
	p := projections.NewPartition(0, memstore.New(), projections.Rules{Schema: eventschema.Events}, projections.Filling{View: partitiontest.NewCount(), Number: 1})
	if err := p.Apply(t.Context(), projections.Batch{After: 1, End: 2, Live: true}); !errors.Is(err, projections.ErrGap) {
		t.Errorf("%v", err)
	}
	if err := p.Apply(t.Context(), projections.Batch{End: 2, Live: true}); err != nil || p.Position() != 2 || p.Committed() != 2 {
		t.Errorf("%v, at %d and %d", err, p.Position(), p.Committed())
	}
}

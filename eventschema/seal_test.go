package eventschema

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/operations"
	"pgregory.net/rapid"
)

// An event comes back as it was, whatever is in it.
func TestSealOpen(t *testing.T) {
	key := dataKey()
	rapid.Check(t, func(t *rapid.T) {
		data, m := arbitrary(t), anyMeta.Draw(t, "meta")
		prev := Chain{byte(rapid.Byte().Draw(t, "previous chain"))}
		revision := rapid.Uint64().Draw(t, "revision")
		raw, chain, err := Events.Seal(prev, customer.Stream(alice), revision, m, data, key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		m.Key, m.Chain = got.Meta.Key, chain
		want := Event{ID: raw.ID, Stream: raw.Stream, Revision: revision, Type: Events.Name(raw.Type), Meta: m, Data: data}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-sealed +opened:\n%s", diff)
		}
		if at, ok := ChainOf(raw); !ok || at != chain || NextChain(prev, raw) != chain {
			t.Fatalf("it carries %v, %v; Seal said %v, NextChain says %v", at, ok, chain, NextChain(prev, raw))
		}
		if who, ok := CustomerOf(raw); !ok || who != alice {
			t.Fatalf("it is of customer %v, %v", who, ok)
		}

		// The next writer of the same buffers must not find anything of it.
		again, err := Events.Open(raw, key)
		if err != nil || !cmp.Equal(got, again) {
			t.Fatalf("opened again it is %+v, %v", again, err)
		}
	})
}

// Erasing a customer before or after opening comes to the same.
func TestErased(t *testing.T) {
	key := dataKey()
	rapid.Check(t, func(t *rapid.T) {
		data, m := arbitrary(t), anyMeta.Draw(t, "meta")
		raw, _, err := Events.Seal(Chain{}, customer.Stream(alice), 0, m, data, key)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		want.Erased = want.Meta.Key != ""
		want.Meta.Reason = ""
		p := reflect.New(reflect.TypeOf(want.Data)).Elem()
		p.Set(reflect.ValueOf(want.Data))
		for i := range p.NumField() {
			if p.Type().Field(i).Tag.Get("personal") == "true" {
				p.Field(i).SetZero()
			}
		}
		want.Data = p.Interface()
		got, err := Events.Open(raw, Erased)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-erased after +erased before:\n%s", diff)
		}
	})
}

// Nothing personal can be read from what is stored.
func TestPersonalIsHidden(t *testing.T) {
	const secret = "Quetzalcoatlus"
	m := envelope()
	m.Reason = secret + " asked"
	for _, data := range []any{
		customer.Registered{Kind: customer.Person, Name: customer.Name{Given: secret}},
		customer.ProfileUpdated{Fields: []string{"name"}, Changes: []customer.Change{{Was: secret, Became: "x"}}},
		customer.ExternalIDLinked{System: "shop", ID: secret, Lookup: testRing.Lookup("external_id", secret)},
		customer.OrderCancelled{OrderID: "1", Reason: secret},
		customer.RefundRecorded{OrderID: "1", Reason: secret},
		customer.OrderPaid{OrderID: "1"},
	} {
		raw, _, err := Events.Seal(Chain{}, customer.Stream(alice), 0, m, data, dataKey())
		if err != nil {
			t.Fatal(err)
		}
		stored := append(bytes.Clone(raw.Data), raw.Metadata...)
		if !bytes.Contains(stored, []byte(`"personal":"`)) {
			t.Errorf("%T has no personal block: %s", data, stored)
		}
		const some = 8 // letters: four of them come about by chance in what is encrypted
		for i := 0; i+some <= len(secret); i++ {
			for part := range slicesOf(secret[i : i+some]) {
				if bytes.Contains(stored, []byte(part)) {
					t.Errorf("%T shows %q: %s", data, part, stored)
				}
			}
		}
	}
}

// slicesOf yields a text as it is and in base64.
func slicesOf(s string) map[string]bool {
	return map[string]bool{s: true, base64.RawStdEncoding.EncodeToString([]byte(s))[:5]: true}
}

// The same event has the same bytes, unless it has anything personal: then no
// two ciphertexts are alike.
func TestSealIsDeterministic(t *testing.T) {
	seal := func(m Meta, data any) Raw {
		raw, _, err := Events.Seal(Chain{}, customer.Stream(alice), 3, m, data, dataKey())
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	m := envelope()
	if diff := cmp.Diff(seal(m, order()), seal(m, order())); diff != "" {
		t.Error(diff)
	}
	local := order()
	local.PlacedAt = local.PlacedAt.In(time.FixedZone("elsewhere", 7200))
	if diff := cmp.Diff(seal(m, order()), seal(m, local)); diff != "" {
		t.Errorf("one instant in two zones:\n%s", diff)
	}
	if a, b := seal(m, registered()), seal(m, registered()); bytes.Equal(a.Data, b.Data) || a.ID == b.ID {
		t.Error("the same ciphertext or id twice")
	}
}

func TestSealRefuses(t *testing.T) {
	key, m := dataKey(), envelope()
	nobody := m
	nobody.Customer = uuid.UUID{}
	withReason := m
	withReason.Reason = "because"
	nobodyWithReason := nobody
	nobodyWithReason.Reason = "because"
	broken := "caf\xe9"
	brokenOrder := order()
	brokenOrder.Lines[1].SKU = broken
	brokenName := registered()
	brokenName.Name.Given = broken
	brokenReason, brokenActor := m, m
	brokenReason.Reason = broken
	brokenActor.Actor.ID = broken
	tooLate := m
	tooLate.RecordedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		stream string
		m      Meta
		data   any
		key    *DataKey
		want   error
	}{
		"a name without a key":          {"s", m, registered(), nil, ErrNoKey},
		"a name after an erasure":       {"s", m, registered(), Erased, ErrErased},
		"a name of no customer":         {"s", nobody, registered(), key, ErrNoCustomer},
		"a reason without a key":        {"s", withReason, order(), nil, ErrNoKey},
		"a reason after an erasure":     {"s", withReason, order(), Erased, ErrErased},
		"a reason of no customer":       {"calendar", nobodyWithReason, calendar.DayClosed{}, key, ErrNoCustomer},
		"a type that is not registered": {"s", m, struct{}{}, nil, ErrUnknownType},
		"a pointer":                     {"s", m, &calendar.DayClosed{}, nil, ErrUnknownType},
		"nothing":                       {"s", m, nil, nil, ErrUnknownType},
		"broken text in a line":         {"s", m, brokenOrder, nil, ErrText},
		"broken text in a name":         {"s", m, brokenName, key, ErrText},
		"broken text in the reason":     {"s", brokenReason, order(), key, ErrText},
		"broken text in the actor":      {"s", brokenActor, order(), key, ErrText},
		"broken text in the stream":     {broken, m, order(), nil, ErrText},
		"a time that RFC 3339 lacks":    {"s", tooLate, order(), nil, errYear},
	} {
		raw, chain, err := Events.Seal(Chain{7}, c.stream, 0, c.m, c.data, c.key)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if raw.Data != nil || chain != (Chain{7}) {
			t.Errorf("%s: %s was sealed, chain %v", name, raw.Data, chain)
		}
	}
	// What hides nothing needs no key, with whatever is given.
	for _, key := range []*DataKey{nil, Erased, dataKey()} {
		raw, _, err := Events.Seal(Chain{}, "s", 0, m, order(), key)
		if err != nil || bytes.Contains(raw.Data, []byte("personal")) || bytes.Contains(raw.Metadata, []byte(`"key"`)) {
			t.Errorf("an order with %v: %s %s, %v", key, raw.Data, raw.Metadata, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	m := envelope()
	raw, _, err := Events.Seal(Chain{}, customer.Stream(alice), 0, m, registered(), dataKey())
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Raw)) Raw {
		r := raw
		change(&r)
		return r
	}
	_, _, other, err := testRing.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	sameName := *other
	sameName.id = dataKey().id
	anonymous := bytes.Replace(raw.Metadata, []byte(`"customer_id":"`+alice.String()+`",`), nil, 1)
	for name, c := range map[string]struct {
		raw  Raw
		key  *DataKey
		want error
	}{
		"without a key":                {raw, nil, ErrNoKey},
		"with another key":             {raw, other, ErrWrongKey},
		"with another key of the name": {raw, &sameName, ErrWrongKey},
		"moved to another stream":      {with(func(r *Raw) { r.Stream = "customer-x" }), dataKey(), ErrWrongKey},
		"as another type":              {with(func(r *Raw) { r.Type = "customer.order_paid.v1" }), dataKey(), ErrWrongKey},
		"of no type":                   {with(func(r *Raw) { r.Type = "customer.registered" }), dataKey(), ErrUnknownType},
		"of a version to come":         {with(func(r *Raw) { r.Type = "customer.registered.v99" }), dataKey(), ErrUnknownType},
		"of no customer":               {with(func(r *Raw) { r.Metadata = anonymous }), dataKey(), ErrNoCustomer},
		"with a block cut short":       {with(func(r *Raw) { r.Data = []byte(`{"personal":""}`) }), dataKey(), errValue},
		"with a block of junk":         {with(func(r *Raw) { r.Data = []byte(`{"personal":"%"}`) }), dataKey(), errValue},
		"with two blocks":              {with(func(r *Raw) { r.Data = []byte(`{"personal":"","personal":""}`) }), dataKey(), errDuplicate},
		"with a block of another form": {with(func(r *Raw) {
			r.Data = []byte(`{"personal":"` + base64.StdEncoding.EncodeToString(make([]byte, 50)) + `"}`)
		}), dataKey(), errValue},
		"null":             {with(func(r *Raw) { r.Data = []byte(`null`) }), dataKey(), errType},
		"without metadata": {with(func(r *Raw) { r.Metadata = nil }), dataKey(), errSyntax},
	} {
		e, err := Events.Open(c.raw, c.key)
		if !errors.Is(err, c.want) || e.Data != nil {
			t.Errorf("%s: %+v, %v; want %v", name, e, err, c.want)
		}
	}
}

// A key that is printed does not show itself, and an error says nothing personal.
func TestNothingLeaksIntoText(t *testing.T) {
	key := dataKey()
	texts := []string{
		fmt.Sprintf("%v %+v %#v %s", key, key, key, key), fmt.Sprintf("%v %+v %#v", testRing, testRing, testRing),
		fmt.Sprintf("%v", struct{ K *DataKey }{key}),
	}
	bad := registered()
	bad.Name.Given = "Zoë\xff"
	_, _, err := Events.Seal(Chain{}, "s", 0, envelope(), bad, key)
	texts = append(texts, fmt.Sprint(err))
	for _, text := range texts {
		for _, secret := range []string{"Zoë", "0 1 2 3", "[1 2 3", "0x1, 0x2", "00010203"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
}

// Many goroutines may seal and open at once.
func TestConcurrentUse(t *testing.T) {
	key := dataKey()
	done := make(chan error)
	for n := range 8 {
		go func() {
			done <- func() error {
				for i := range 200 {
					want := operations.EventParked{Position: uint64(i), Reason: strings.Repeat("x", n*i%100)}
					m := envelope()
					m.Reason = fmt.Sprint(n, i)
					raw, _, err := Events.Seal(Chain{}, "s", 0, m, want, key)
					if err != nil {
						return err
					}
					got, err := Events.Open(raw, key)
					if err != nil {
						return err
					}
					if got.Data != any(want) || got.Meta.Reason != m.Reason {
						return fmt.Errorf("%+v was sealed as %+v", got, want)
					}
				}
				return nil
			}()
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

package readapi_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/readapi"
	"pgregory.net/rapid"
)

// examples returns one event of every type that a customer's stream holds: those
// that are frozen beside the registry.
func examples(t testing.TB) (list []any) {
	t.Helper()
	for _, typ := range eventschema.Events.Types() {
		if !strings.HasPrefix(typ.Name, "customer.") || typ.Name == "customer.erasure_completed" { // which only stands after an erasure
			continue
		}
		data, err := os.ReadFile(filepath.Join("..", "eventschema", "testdata", typ.Wire()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(eventschema.Raw{Type: typ.Wire(), Data: data, Metadata: []byte("{}")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Data)
	}
	return list
}

// random is a customer with a random history: facts that come late, days closed
// in between, everything recorded in order.
type random struct {
	*shop
}

var randomStart = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func randomHistory(t testing.TB, seed uint64, examples []any) *random {
	r := &random{shop: newShop(t)}
	src := rand.New(rand.NewPCG(seed, 1))
	r.policy()
	c := someone(1)
	today, orders := domain.NewDate(2026, 3, 1), 0
	back := func(m *eventschema.Meta) {
		m.BusinessDate = today
		if src.IntN(2) == 0 {
			m.OccurredAt = r.clock.Add(-time.Duration(src.IntN(5*24*60)) * time.Minute)
		}
	}
	r.customer(c, customer.Registered{Kind: customer.Person, Name: customer.Name{Given: "Ann"}, Source: customer.Source{Channel: "web"}, RegisteredAt: r.clock}, back)
	for range 3 + src.IntN(25) {
		r.clock = r.clock.Add(time.Duration(src.IntN(12*60)) * time.Minute)
		switch k := src.IntN(10); {
		case k < 2:
			orders++
			on := today - domain.Date(src.IntN(4))
			r.customer(c, customer.OrderRecorded{OrderID: fmt.Sprint("o", orders), Total: domain.Money{AmountMinor: int64(src.IntN(9000)), Currency: "EUR"},
				PlacedAt: on.Start(time.UTC).Add(12 * time.Hour), PlacedOn: on}, back)
		case k < 3 && orders > 0:
			r.customer(c, customer.OrderPaid{OrderID: fmt.Sprint("o", 1+src.IntN(orders)), PaidAt: r.clock}, back)
		case k < 5:
			name := strconv.Itoa(src.IntN(1000))
			r.customer(c, customer.ProfileUpdated{Fields: []string{"name.family"}, Changes: []customer.Change{{Field: "name.family", Became: name}}}, back)
		case k < 6:
			closed := today.String()
			r.closeDay(closed, rules.Values{RecencyDays: 1, Frequency: 2, MonetaryMinor: 3}, rules.Values{RecencyDays: 3, Frequency: 1, MonetaryMinor: 5})
			today++
		default:
			r.customer(c, examples[src.IntN(len(examples))], back)
		}
	}
	return r
}

// opened returns the customer's events in the order of the stream.
func (r *random) opened() (list []eventschema.Event) {
	for _, raw := range r.events {
		if raw.Stream != customer.Stream(someone(1)) {
			continue
		}
		e, err := eventschema.Events.Open(raw, r.keys[someone(1)])
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// bound is a random moment, as a query and as a naive filter.
type bound struct {
	query         url.Values
	asOf, knownAt *time.Time
	knownOn       *domain.Date
	revision      *uint64
	firstClose    uint64 // the position at which the calendar began
	anything      bool   // a comparison does not begin before the first event
}

func (b *bound) has(e eventschema.Event) bool {
	if b.asOf != nil && e.Meta.OccurredAt.After(*b.asOf) {
		return false
	}
	if b.revision != nil && e.Revision > *b.revision {
		return false
	}
	return b.known(e)
}

func (b *bound) known(e eventschema.Event) bool {
	if b.knownAt != nil && e.Meta.RecordedAt.After(*b.knownAt) {
		return false
	}
	return b.knownOn == nil || e.Meta.BusinessDate <= *b.knownOn || e.Position <= b.firstClose
}

func (r *random) bound(src *rand.Rand, zone *time.Location) *bound {
	b := &bound{query: url.Values{}}
	for _, raw := range r.events {
		if strings.HasPrefix(raw.Type, "calendar.") && b.firstClose == 0 {
			b.firstClose = raw.Position
		}
	}
	instant := func() time.Time {
		all := r.opened()
		e := all[src.IntN(len(all))]
		t := e.Meta.OccurredAt
		if src.IntN(2) == 0 {
			t = e.Meta.RecordedAt
		}
		return t.Add(time.Duration(src.IntN(3)-1) * time.Millisecond)
	}
	if src.IntN(3) > 0 {
		t := instant()
		if src.IntN(2) == 0 {
			d := domain.DateOf(t, zone)
			end := d.End(zone)
			b.asOf = &end
			b.query.Set("as_of", d.String())
		} else {
			b.asOf = &t
			b.query.Set("as_of", t.Format(time.RFC3339Nano))
		}
	}
	if src.IntN(3) > 0 {
		if t := instant(); src.IntN(2) == 0 {
			d := domain.DateOf(randomStart, time.UTC) + domain.Date(src.IntN(6)-1)
			b.knownOn = &d
			b.query.Set("known_at", d.String())
		} else {
			b.knownAt = &t
			b.query.Set("known_at", t.Format(time.RFC3339Nano))
		}
	}
	if src.IntN(3) == 0 {
		n := uint64(src.IntN(len(r.opened()) + 2))
		b.revision = &n
		b.query.Set("revision", itoa(n))
	}
	return b
}

// world is what held for all customers at a bound, naively.
func (r *random) world(b *bound, zone *time.Location) *projections.World {
	w := new(projections.World)
	triggers := map[string]eventschema.Event{}
	for _, raw := range r.events {
		if _, ok := eventschema.CustomerOf(raw); ok {
			continue
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		triggers[e.ID.String()] = e
		if c, ok := e.Data.(rules.Calibrated); ok {
			known := e
			if b.knownOn != nil {
				known = triggers[c.Trigger]
			}
			if !b.known(known) || b.asOf != nil && c.AsOf.End(zone).After(*b.asOf) {
				continue
			}
		}
		w = w.Evolve(e)
	}
	return w
}

// standing is what a customer has in the loyalty programme by some events, naively.
func (r *random) standing(of []eventschema.Event, b *bound, zone *time.Location) any {
	d, exists := loyalty.New().Of(of...)
	if !exists {
		return nil
	}
	at := d.Clock
	for _, raw := range r.events {
		e, err := eventschema.Events.Open(raw, eventschema.Erased)
		if err != nil {
			r.t.Fatal(err)
		}
		if closed, ok := e.Data.(calendar.DayClosed); ok && b.known(e) {
			if now := (closed.Date + 1).Start(zone); now.After(at) {
				at = now
			}
		}
	}
	if b.asOf != nil {
		at = *b.asOf
	}
	account := d.At(at, zone, nil)
	want := map[string]any{"member": account.Joined, "spendable": float64(account.Balance().Spendable)}
	if account.Ever {
		want["member_since"] = account.JoinedAt.Format(time.RFC3339Nano)
	}
	if account.Joined && account.Tier.Level != "" {
		want["tier"] = account.Tier.Level
	}
	return want
}

// shown is the document whose fields a history shows, naively.
func shown(t interface{ Fatal(...any) }, of []eventschema.Event) []byte {
	doc, known := profile.New().Of(of...)
	d, exists := loyalty.New().Of(of...)
	if !exists {
		if !known {
			return nil
		}
		stored, _ := json.Marshal(doc)
		return stored
	}
	all := map[string]any{}
	if known {
		stored, _ := json.Marshal(doc)
		all = members(t, stored)
	}
	fields := map[string]any{}
	balance, _ := json.Marshal(d.Balance())
	for name, value := range members(t, balance) {
		fields[name] = value
	}
	fields["member"] = d.Joined
	if d.Ever {
		fields["member_since"] = d.JoinedAt
	}
	if d.Tier.Level != "" {
		fields["tier"] = d.Tier.Level
	}
	if d.Tier.ValidUntil != nil {
		fields["tier_valid_until"] = d.Tier.ValidUntil
	}
	if d.Proposals != nil {
		fields["proposals"] = d.Proposals
	}
	if len(d.Lots) > 0 && d.Lots[0].ExpiresAt != nil {
		points := int64(0)
		for _, l := range d.Lots {
			if l.ExpiresAt != nil && l.ExpiresAt.Equal(*d.Lots[0].ExpiresAt) {
				points += l.Remaining
			}
		}
		fields["next_lapse"] = map[string]any{"at": d.Lots[0].ExpiresAt, "points": points}
	}
	all["loyalty"] = fields
	stored, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// Whatever is asked of the past: it is what a naive fold of the events says that
// had happened and were known.
func TestAnyPastIsTheFoldOfItsEvents(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	events := examples(t)
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		r := randomHistory(t, seed, events)
		src := rand.New(rand.NewPCG(seed, 2))
		r.project()
		path := "/v1/customers/" + someone(1).String()
		for range 8 {
			b := r.bound(src, zone)
			var of []eventschema.Event
			for _, e := range r.opened() {
				if b.has(e) {
					of = append(of, e)
				}
			}
			a := r.get(path + "?" + b.query.Encode())
			doc, exists := profile.New().Of(of...)
			if !exists {
				if a.Code != 404 {
					rt.Fatalf("%v: nothing was known, but %d %s", b.query, a.Code, a.Body)
				}
				continue
			}
			got := members(rt, a.Body.Bytes())
			stored, err := json.Marshal(doc)
			if err != nil {
				rt.Fatal(err)
			}
			want := members(rt, stored)
			orders, _ := rfm.New().Of(of...)
			standing := rfm.Of(&orders, r.world(b, zone))
			score := 0
			if got["rfm"].(map[string]any)["score"] != nil {
				score = int(got["rfm"].(map[string]any)["score"].(float64))
			}
			if standing.Reason == "" && standing.Scores.Number() != score || standing.Reason != "" && score != 0 {
				rt.Fatalf("%v: scored %v, want %+v", b.query, got["rfm"], standing)
			}
			if diff := cmp.Diff(r.standing(of, b, zone), got["loyalty"]); diff != "" {
				rt.Fatalf("%v: loyalty (-want +got):\n%s", b.query, diff)
			}
			if _, tagged := a.Header()["Etag"]; tagged != (len(b.query) == 0) {
				rt.Fatalf("%v: ETag %v", b.query, tagged)
			}
			for _, member := range []string{"customer_id", "rfm", "loyalty", "then", "position", "as_of"} {
				delete(got, member)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("%v (-want +got):\n%s", b.query, diff)
			}
		}
	})
}

// A past that has everything is the present, to the byte.
func TestAPastOfEverythingIsThePresent(t *testing.T) {
	events := examples(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := randomHistory(t, rapid.Uint64().Draw(rt, "seed"), events)
		r.project()
		path := "/v1/customers/" + someone(1).String()
		live := r.get(path)
		for _, query := range []string{"as_of=2100-01-01", "known_at=2100-01-01T00:00:00Z", "known_at=2100-01-01", "revision=1000000", "as_of=2100-01-01&known_at=2100-01-01&revision=1000000"} {
			past := r.get(path + "?" + query)
			if past.Code != live.Code {
				rt.Fatalf("%s: %d, live %d", query, past.Code, live.Code)
			}
			want, _, _ := strings.Cut(live.Body.String(), `,"position":`)
			got, _, _ := strings.Cut(past.Body.String(), `,"then":`)
			if strings.Contains(query, "as_of") { // by then points will have lapsed
				want, _, _ = strings.Cut(want, `,"loyalty":`)
				got, _, _ = strings.Cut(got, `,"loyalty":`)
			}
			if live.Code == 200 && got != want {
				rt.Fatalf("%s:\n%s\nlive:\n%s", query, got, want)
			}
		}
	})
}

// Every entry of a history says what its event made of the fields: taking off
// what they were and adding what they became leads from each document to the next.
func TestEveryEntrySaysWhatChanged(t *testing.T) {
	events := examples(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := randomHistory(t, rapid.Uint64().Draw(rt, "seed"), events)
		r.project()
		path := "/v1/customers/" + someone(1).String()
		all := r.opened()
		var h readapi.History
		r.get(path + "/history?limit=500").status(200).json(&h)
		if len(h.Events) != len(all) {
			rt.Fatalf("%d entries of %d events", len(h.Events), len(all))
		}
		checkChanges(rt, all, h.Events)

		// Pages say the same as the whole.
		var paged []readapi.Entry
		for next := ""; ; {
			var page readapi.History
			r.get(path + "/history?limit=3" + next).status(200).json(&page)
			paged = append(paged, page.Events...)
			if page.NextCursor == "" {
				break
			}
			next = "&cursor=" + url.QueryEscape(page.NextCursor)
		}
		if diff := cmp.Diff(h.Events, paged); diff != "" {
			rt.Fatal(diff)
		}
		var replay struct {
			Steps []struct{ Event readapi.Entry }
		}
		r.get(path + "/replay?limit=500").status(200).json(&replay)
		for i, s := range replay.Steps {
			if diff := cmp.Diff(h.Events[i], s.Event); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

// leaves counts the plain values of a document by their path, the places in lists left out.
func leaves(t interface{ Fatal(...any) }, stored []byte) map[string]int {
	counts := map[string]int{}
	if stored == nil {
		return counts
	}
	var doc any
	if err := json.Unmarshal(stored, &doc); err != nil {
		t.Fatal(err)
	}
	count(counts, "", doc, 1)
	return counts
}

func count(counts map[string]int, path string, v any, n int) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if path == "" && name == "revision" || slices.Contains([]string{"lookup", "claim", "event", "event_id", "request", "approval", "refusal", "completion", "lifted_by"}, name) {
				continue
			}
			count(counts, path+"."+name, value, n)
		}
	case []any:
		for _, value := range v {
			count(counts, path+"[]", value, n)
		}
	default:
		text, _ := json.Marshal(v)
		key := path + "=" + string(text)
		if counts[key] += n; counts[key] == 0 {
			delete(counts, key)
		}
	}
}

func checkChanges(t *rapid.T, events []eventschema.Event, entries []readapi.Entry) {
	at := map[string]int{}
	for i, e := range entries {
		for _, c := range e.Changes {
			if string(c.Was) == string(c.Became) {
				t.Fatalf("%s: %s was and became %s", e.Type, c.Field, c.Was)
			}
			path := "." + withoutPlaces(c.Field)
			for _, side := range []struct {
				value json.RawMessage
				n     int
			}{{c.Was, -1}, {c.Became, 1}} {
				var v any
				if err := json.Unmarshal(side.value, &v); err != nil {
					t.Fatal(err)
				}
				if v != nil {
					count(at, path, v, side.n)
				}
			}
		}
		if diff := cmp.Diff(leaves(t, shown(t, events[:i+1])), at); diff != "" {
			t.Fatalf("after %s (-document +changes):\n%s\n%+v", e.Type, diff, e.Changes)
		}
	}
}

// withoutPlaces empties the brackets of a path.
func withoutPlaces(path string) string {
	var b strings.Builder
	inside := false
	for _, c := range path {
		switch {
		case c == ']':
			inside = false
		case inside:
			continue
		case c == '[':
			inside = true
		}
		b.WriteRune(c)
	}
	return b.String()
}

// A comparison says what differs between two pasts, and names only events that
// one of them has and the other has not.
func TestACompareOfTwoPasts(t *testing.T) {
	zone, _ := time.LoadLocation("Europe/Berlin")
	events := examples(t)
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		r := randomHistory(t, seed, events)
		src := rand.New(rand.NewPCG(seed, 3))
		r.project()
		var sides [2]*bound
		query := url.Values{}
		for i, name := range []string{"from", "to"} {
			b := r.bound(src, zone)
			if b.revision != nil && b.asOf != nil {
				b.asOf = nil
			}
			switch {
			case b.revision != nil:
				query.Set(name, itoa(*b.revision))
			case b.asOf != nil:
				query.Set(name, b.query.Get("as_of"))
			case name == "from":
				b.anything = b.query.Get("known_at") != ""
			}
			if known := b.query.Get("known_at"); known != "" {
				query.Set(name+"_known", known)
			}
			sides[i] = b
		}
		var docs [2]map[string]int
		var has [2]map[uuid.UUID]bool
		for i, b := range sides {
			var of []eventschema.Event
			has[i] = map[uuid.UUID]bool{}
			nothing := i == 0 && b.revision == nil && b.asOf == nil && !b.anything
			for _, e := range r.opened() {
				if b.has(e) && !nothing {
					of, has[i][e.ID] = append(of, e), true
				}
			}
			docs[i] = leaves(rt, shown(rt, of))
		}
		var d readapi.Diff
		r.get("/v1/customers/" + someone(1).String() + "/diff?" + query.Encode()).status(200).json(&d)
		at := docs[0]
		for _, c := range d.Changes {
			for _, side := range []struct {
				value json.RawMessage
				n     int
			}{{c.Was, -1}, {c.Became, 1}} {
				var v any
				if err := json.Unmarshal(side.value, &v); err != nil {
					rt.Fatal(err)
				}
				if v != nil {
					count(at, "."+withoutPlaces(c.Field), v, side.n)
				}
			}
			if c.EventCount == 0 || len(c.Events) != c.EventCount {
				rt.Fatalf("%v: %s: events %v of %d", query, c.Field, c.Events, c.EventCount)
			}
			alone := slices.ContainsFunc(c.Events, func(id uuid.UUID) bool { return has[0][id] != has[1][id] })
			for _, id := range c.Events {
				if alone && has[0][id] == has[1][id] {
					rt.Fatalf("%v: %s: event %v is of both pasts", query, c.Field, id)
				}
			}
		}
		if diff := cmp.Diff(docs[1], at); diff != "" {
			rt.Fatalf("%v (-want +got):\n%s", query, diff)
		}
	})
}

func members(t interface{ Fatal(...any) }, object []byte) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(object, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

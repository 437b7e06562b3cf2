package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"golang.org/x/sync/errgroup"
)

// BenchmarkLongStream measures what a customer with many events costs, over the
// embedded node and the official client, beside a bare read of that stream and
// the same command on a customer with ten events.
func BenchmarkLongStream(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { longStream(b, n) })
	}
}

func longStream(b *testing.B, n int) {
	l := openLong(b, n, allRoles...)
	path := "/v1/customers/" + l.id.String()
	late := url.QueryEscape(l.at(n - 50).Format(time.RFC3339Nano))
	middle := url.QueryEscape(l.at(n / 2).Format(time.RFC3339Nano))

	b.Run("bare read", func(b *testing.B) {
		for b.Loop() {
			read := 0
			for _, err := range l.store.Read(b.Context(), customer.Stream(l.id), 0) {
				if err != nil {
					b.Fatal(err)
				}
				read++
			}
			if read < n {
				b.Fatal(read)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	for _, query := range []struct{ name, path string }{
		{"state", path},
		{"history first page", path + "/history"},
		{"history last page", path + "/history?recorded_from=" + late},
		{"history of a field", path + "/history?field=name.organisation"},
		{"as_of middle", path + "?as_of=" + middle},
		{"known_at middle", path + "?known_at=" + middle},
		{"revision last", path + fmt.Sprint("?revision=", n)},
		{"diff last hundred", path + fmt.Sprintf("/diff?from=%d&to=%d", max(0, n-100), n)},
		{"diff second half", path + fmt.Sprintf("/diff?from=%d&to=%d", n/2, n)},
		{"replay page", path + fmt.Sprintf("/replay?from=%d", max(0, n-50))},
		{"verify", path + "/history/verify"},
	} {
		b.Run(query.name, func(b *testing.B) {
			for b.Loop() {
				l.get(b, query.path)
			}
		})
	}
	b.Run("command until it shows", func(b *testing.B) {
		l.order(b, l.writer)
		for b.Loop() {
			position := l.order(b, l.writer)
			l.get(b, path+fmt.Sprint("?min_position=", position))
		}
	})
}

// BenchmarkLongStreamCommand measures the write side alone: a warm command is to
// cost the same on every stream, a cold one what reading the stream costs.
func BenchmarkLongStreamCommand(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000, 100_000} {
		l := openLong(b, n, "commands")
		b.Run(fmt.Sprint("warm/", n), func(b *testing.B) {
			l.order(b, l.writer)
			for b.Loop() {
				l.order(b, l.writer)
			}
		})
		b.Run(fmt.Sprint("cold/", n), func(b *testing.B) {
			for b.Loop() {
				l.order(b, &commands.Writer{Log: l.store, Keys: l.writer.Keys, World: l.writer.World})
			}
		})
	}
}

// long is a server within this process, with one customer of many events.
type long struct {
	*engine
	id     uuid.UUID
	began  time.Time
	orders int
}

// at is when an event occurred and was recorded.
func (l *long) at(revision int) time.Time { return l.began.Add(time.Duration(revision) * time.Minute) }

func openLong(b *testing.B, n int, roles ...string) *long {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := serveCmd{Data: b.TempDir(), Roles: roles, Calendar: "manual", Partitions: 4}
	e, err := c.open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	g, running := errgroup.WithContext(ctx)
	e.start(g, running)
	b.Cleanup(func() {
		cancel()
		g.Wait()
		if err := e.close(); err != nil {
			b.Error(err)
		}
	})
	l := &long{engine: e, id: uuid.New(), began: time.Date(2024, 1, 1, 9, 0, 0, 0, time.UTC)}
	l.fill(b, n)
	return l
}

// fill writes the stream straight into the log: of ten events two are an order
// and its payment, the rest is what happens to a profile.
func (l *long) fill(b *testing.B, n int) {
	b.Helper()
	r := commands.Request{Command: uuid.New(), Name: "register-customer", New: true, Actor: eventschema.Actor{Kind: "user", ID: "bench"}}
	began := l.began
	if _, err := commands.Execute(b.Context(), l.writer, r, customer.Register{
		Subject: l.writer.World.Subject(l.id), Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "web"}, RegisteredAt: &began,
	}); err != nil {
		b.Fatal(err)
	}
	id, wrapped, _, err := keySource{l.store}.Key(b.Context(), l.id)
	if err != nil {
		b.Fatal(err)
	}
	key, err := l.writer.Keys.Unwrap(id, wrapped)
	if err != nil {
		b.Fatal(err)
	}
	var chain eventschema.Chain
	next := uint64(0)
	for raw, err := range l.store.Read(b.Context(), customer.Stream(l.id), 0) {
		if err != nil {
			b.Fatal(err)
		}
		chain, _ = eventschema.ChainOf(raw)
		next = raw.Revision + 1
	}
	last, err := eventschema.Events.Meta(eventschema.Raw{Metadata: []byte("{}")})
	if err != nil {
		b.Fatal(err)
	}
	position := uint64(0)
	var batch []eventschema.Raw
	for next < uint64(n) || len(batch) > 0 {
		if len(batch) == 500 || next >= uint64(n) {
			if position, err = l.store.Append(b.Context(), customer.Stream(l.id), int64(batch[0].Revision)-1, batch); err != nil {
				b.Fatal(err)
			}
			batch = nil
			continue
		}
		at := l.at(int(next))
		m := last
		m.Customer, m.Command, m.OccurredAt, m.RecordedAt, m.BusinessDate = l.id, uuid.New(), at, at, domain.DateOf(at, time.UTC)
		m.Correlation, m.Actor, m.Channel, m.Digest = m.Command, r.Actor, "api", make([]byte, 32)
		raw, after, err := eventschema.Events.Seal(chain, customer.Stream(l.id), next, m, l.fact(int(next), at), key)
		if err != nil {
			b.Fatal(err)
		}
		chain, next, batch = after, next+1, append(batch, raw)
	}
	for deadline := time.Now().Add(5 * time.Minute); l.has("projections"); {
		w := httptest.NewRecorder()
		l.handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), "GET", fmt.Sprintf("/v1/customers/%v?min_position=%d", l.id, position), nil))
		if w.Code == 200 {
			return
		}
		if time.Now().After(deadline) {
			b.Fatal(w.Body)
		}
	}
}

func (l *long) fact(i int, at time.Time) any {
	order := fmt.Sprint("order-", i/10)
	switch i % 10 {
	case 0:
		return customer.OrderRecorded{OrderID: order, Total: domain.Money{AmountMinor: int64(i%9000 + 1), Currency: "USD"}, Channel: "web", PlacedAt: at, PlacedOn: domain.DateOf(at, time.UTC)}
	case 1:
		return customer.OrderPaid{OrderID: order, PaidAt: at}
	case 2:
		return customer.TagAdded{Tag: fmt.Sprint("tag-", i/10%50), At: at}
	case 3:
		return customer.TagRemoved{Tag: fmt.Sprint("tag-", i/10%50), At: at}
	case 4, 5, 6:
		return customer.AttributeSet{Key: fmt.Sprint("size_", i%50), Type: "text", Value: fmt.Sprint("value ", i), At: at}
	default:
		return customer.ProfileUpdated{Fields: []string{"name.family"}, Changes: []customer.Change{{Field: "name.family", Was: fmt.Sprint("Berg ", i-1), Became: fmt.Sprint("Berg ", i)}}}
	}
}

func (l *long) get(b *testing.B, path string) {
	b.Helper()
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), "GET", path, nil))
	if w.Code != 200 {
		b.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
}

// order executes a command and returns the position it reached.
func (l *long) order(b *testing.B, w *commands.Writer) uint64 {
	b.Helper()
	l.orders++
	r := commands.Request{Command: uuid.New(), Name: "record-order", Actor: eventschema.Actor{Kind: "user", ID: "bench"}}
	done, err := commands.Execute(b.Context(), w, r, customer.RecordOrder{
		Subject: l.writer.World.Subject(l.id), OrderID: fmt.Sprint("live-", l.orders), PlacedAt: time.Now().Add(-time.Hour),
		Total: domain.Money{AmountMinor: 100, Currency: "USD"},
	})
	if err != nil {
		b.Fatal(err)
	}
	return done.Position
}

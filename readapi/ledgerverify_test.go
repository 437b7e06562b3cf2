package readapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/readapi"
)

// at decides a command at noon of a day and appends what it brings about together.
func (c *club) at(of uuid.UUID, day domain.Date, cmd domain.Command[customer.State, customer.Event]) {
	c.t.Helper()
	now := day.Start(c.zone).Add(12 * time.Hour).UTC()
	c.clock = now
	cmd.(interface{ SetSubject(domain.Subject) }).SetSubject(domain.Subject{Customer: of, Now: now, Latest: now, Zone: c.zone})
	w := c.world.With(uuid.Nil, calendar.DayClosed{Date: day - 1})
	if k, ok := cmd.(interface{ SetWorld(*world.World) }); ok {
		k.SetWorld(w)
	}
	events, err := domain.Decide(c.states[of], cmd)
	if err != nil || len(events) == 0 {
		c.t.Fatalf("%T: %v, %v", cmd, events, err)
	}
	command := id(0xcc, c.commands)
	for _, e := range events {
		state := c.states[of]
		c.customer(of, e, func(m *eventschema.Meta) { m.Command, m.Correlation = command, command })
		c.states[of] = state.Evolve(e)
	}
}

// ledgerOf is a club with one member: points of three orders, of which some are held,
// redeemed, given back, lapsed, owed and paid.
func ledgerOf(t testing.TB) (*club, uuid.UUID) {
	c, of := newClub(t), someone(1)
	c.programme(aPoint(func(p *programme.Policy) { p.Expiry.Months = 1 }), metals)
	c.joins(of, "")
	march := func(day int) domain.Date { return domain.NewDate(2026, 3, day) }
	order := func(name string, day domain.Date, euros int64) {
		at := day.Start(c.zone).Add(10 * time.Hour).UTC()
		c.at(of, day, &customer.RecordOrder{OrderID: name, Total: domain.Money{AmountMinor: 100 * euros, Currency: "EUR"}, PlacedAt: at, PaidAt: &at})
	}
	order("A", march(1), 100)
	order("B", march(10), 50)
	c.at(of, march(11), &customer.HoldPoints{HoldID: "h", Points: 30})
	c.at(of, march(11), &customer.RedeemPoints{RedemptionID: "x", Points: 90})
	c.at(of, march(32), &customer.RedeemPoints{RedemptionID: "y", Points: 10})
	c.at(of, march(33), &customer.RecordRefund{RefundID: "r", OrderID: "B", Amount: domain.Money{AmountMinor: 5000, Currency: "EUR"}})
	order("C", march(34), 200)
	c.project()
	return c, of
}

func TestThePointsOfACustomerAreRecomputed(t *testing.T) {
	c, of := ledgerOf(t)
	path := "/v1/customers/" + of.String() + "/ledger/verify"
	var v readapi.LedgerVerification
	c.get(path).status(200).json(&v)
	held := len(c.events)
	account := c.states[of].Loyalty
	if !v.OK || v.FirstBad != nil || v.ReadModel != "" || v.Lots != len(account.Lots) || v.Balance != account.Balance() || v.Compared == nil || *v.Compared != int64(v.Events)-1 {
		t.Fatalf("%+v", v)
	}
	if v.Balance.Spendable == 0 || held == 0 {
		t.Fatalf("nothing is there: %+v", v.Balance)
	}
	c.get("/v1/customers/" + someone(9).String() + "/ledger/verify").status(404)

	// What the read model does not know yet is not held against it.
	c.at(of, domain.NewDate(2026, 4, 4), &customer.RedeemPoints{RedemptionID: "z", Points: 1})
	c.get(path).status(200).json(&v)
	if !v.OK || v.Compared == nil || *v.Compared != int64(v.Events)-2 {
		t.Fatalf("%+v", v)
	}
	c.project()

	// A document that somebody changed is found out.
	other := c.states[of].Loyalty
	other.Sums.Earned++
	planted(c, of, other)
	c.get(path).status(200).json(&v)
	if v.OK || v.FirstBad != nil || !strings.Contains(v.ReadModel, "the sums") {
		t.Fatalf("%+v", v)
	}

	// With events that are wrong there is nothing to compare.
	c.fact(of, customer.PointsExpired{LotID: "none", Points: 1, ExpiredAt: domain.NewDate(2026, 4, 5).Start(time.UTC)})
	c.project()
	wrong := c.get(path).status(200)
	if text := wrong.Body.String(); !strings.Contains(text, "first_bad") || strings.Contains(text, "compared_revision") {
		t.Fatalf("%s", text)
	}
}

// planted puts another account into the read model.
func planted(c *club, of uuid.UUID, account customer.Account) {
	c.t.Helper()
	text, err := json.Marshal(loyalty.Document{Account: account})
	if err != nil {
		c.t.Fatal(err)
	}
	g, partition := projections.Generation{View: loyalty.Name, Number: 1}, projections.PartitionOf(of, partitions)
	_, _, at, err := c.store.Document(c.t.Context(), g, partition, of)
	if err == nil {
		err = c.store.Commit(c.t.Context(), partition, []projections.Change{{Generation: g, From: at, To: at, Documents: map[uuid.UUID][]byte{of: text}}})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Nobody can write the log by hand and make the chain fit: the points do not.
func TestAnExportWithAChainMadeToFitIsRefused(t *testing.T) {
	c, of := ledgerOf(t)
	log := c.get("/v1/log").status(200).Body.Bytes()
	history := c.get("/v1/customers/"+of.String()+"/history", "Accept", "application/x-ndjson").status(200).Body.Bytes()
	for _, export := range [][]byte{log, history} {
		v, err := readapi.VerifyExport(bytes.NewReader(export))
		if err != nil || !v.OK || v.Ledgers != 1 {
			t.Fatalf("%+v %v", v, err)
		}
		v, err = readapi.VerifyExport(bytes.NewReader(forge(t, export, "", nil)))
		if err != nil || !v.OK || v.Ledgers != 1 {
			t.Fatalf("made anew without a change: %+v %v", v, err)
		}
	}
	for _, f := range []struct {
		name, event, code string
		nth               int
		changes           []string // what stands there, and what is put there
	}{
		{"over-allocation", "customer.points_redeemed", "lot_overdrawn", 1, []string{`"points":70}`, `"points":71}`, `"points":20}`, `"points":19}`}},
		{"the wrong order of lots", "customer.points_redeemed", "lot_order", 1, []string{`"points":70}`, `"points":50}`, `"points":20}`, `"points":40}`}},
		{"spending a lapsed lot", "customer.points_redeemed", "lot_lapsed", 2, []string{`order:B:base`, `order:A:base`}},
		{"an altered expiry", "customer.points_earned", "expiry", 1, []string{`"expires_at":"2026-03-31T22:00:00Z"`, `"expires_at":"2026-06-30T22:00:00Z"`}},
		{"points that do not follow from the inputs", "customer.points_earned", "points", 2, []string{`"points":50,"earned_at"`, `"points":55,"earned_at"`}},
		{"inputs that do not follow from the order", "customer.points_earned", "inputs", 2, []string{`"quantity":5000`, `"quantity":5500`, `"points":50,"earned_at"`, `"points":55,"earned_at"`}},
		{"a deficit's share left out", "customer.points_earned", "deficit_share", 3, []string{`"deficit_paid":30,`, ``}},
		{"an expiry booked early", "customer.points_expired", "due", 1, []string{`"expired_at":"2026-03-31T22:00:00Z"`, `"expired_at":"2026-03-30T22:00:00Z"`}},
	} {
		for _, export := range [][]byte{log, history} {
			nth := f.nth
			var forged eventschema.Raw
			v, err := readapi.VerifyExport(bytes.NewReader(forge(t, export, f.event, func(raw *eventschema.Raw) {
				if nth--; nth != 0 {
					return
				}
				text := string(raw.Data)
				for i := 0; i < len(f.changes); i += 2 {
					if !strings.Contains(text, f.changes[i]) {
						t.Fatalf("%s: %s is not in %s", f.name, f.changes[i], text)
					}
					text = strings.Replace(text, f.changes[i], f.changes[i+1], 1)
				}
				raw.Data = []byte(text)
				forged = *raw
			})))
			bad := v.FirstBad
			if err != nil || v.OK || bad == nil || bad.Code != f.code || bad.Revision != forged.Revision || bad.Stream != forged.Stream || bad.Line == 0 || !strings.HasPrefix(bad.Type, f.event) {
				t.Errorf("%s: %v, %v", f.name, bad, err)
			}
		}
	}
	// What had to follow a refund and does not is found at the end of the file too.
	v, err := readapi.VerifyExport(bytes.NewReader(forge(t, log, "customer.points_earn_reversed", func(raw *eventschema.Raw) { raw.Type = "" })))
	if err != nil || v.OK || v.FirstBad.Code != "reversal_missing" {
		t.Errorf("%+v %v", v.FirstBad, err)
	}
}

// Points that go to somebody else are those that were held, and no more.
func TestATransferIsProvenAcrossCustomers(t *testing.T) {
	c, from, to := newClub(t), someone(1), someone(2)
	c.programme(aPoint(func(p *programme.Policy) { p.Transfer.Allowed = true }), metals)
	day, transfer := domain.NewDate(2026, 3, 1), id(0xaa, 1)
	c.joins(from, "")
	c.joins(to, "")
	at := day.Start(c.zone).Add(10 * time.Hour).UTC()
	c.at(from, day, &customer.RecordOrder{OrderID: "A", Total: domain.Money{AmountMinor: 10000, Currency: "EUR"}, PlacedAt: at, PaidAt: &at})
	c.at(to, day, &customer.EnrolInProgram{})
	c.at(from, day, &customer.HoldForTransfer{TransferID: transfer, To: to, Points: 40})
	is := c.states[from].Transfer(transfer)
	c.at(to, day, &customer.TakeTransfer{TransferID: transfer, From: from, Points: 40, Lots: is.Lots, HeldAt: is.At})
	c.at(from, day, &customer.SendTransfer{TransferID: transfer, To: to, TakenAt: c.states[to].Transfer(transfer).At})

	log := c.get("/v1/log").status(200).Body.Bytes()
	if v, err := readapi.VerifyExport(bytes.NewReader(log)); err != nil || !v.OK || v.Ledgers != 2 {
		t.Fatalf("%+v %v", v, err)
	}
	for name, change := range map[string]func(*eventschema.Raw){
		"more than was held": func(raw *eventschema.Raw) {
			raw.Data = []byte(strings.ReplaceAll(string(raw.Data), `"points":40`, `"points":41`))
		},
		"for longer": func(raw *eventschema.Raw) {
			raw.Data = []byte(strings.Replace(string(raw.Data), `"expires_at":"2027-`, `"expires_at":"2028-`, 1))
		},
		"never received": func(raw *eventschema.Raw) { raw.Type = "" },
	} {
		v, err := readapi.VerifyExport(bytes.NewReader(forge(t, log, "customer.points_transferred_in", change)))
		if err != nil || v.OK || v.FirstBad.Code != "transfer" {
			t.Errorf("%s: %v %v", name, v.FirstBad, err)
		}
	}
}

// forge returns an export in which events of a type were changed, and every chain
// value, id and digest after it was made to fit. An event without a type is left out.
func forge(t testing.TB, export []byte, wire string, change func(*eventschema.Raw)) []byte {
	t.Helper()
	var out []byte
	var last [32]byte
	chains, next, dropped := map[string]eventschema.Chain{}, map[string]uint64{}, 0
	for line := range bytes.Lines(export) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(line, &members); err != nil {
			t.Fatal(err)
		}
		body := bytes.TrimSuffix(line, []byte("\n"))
		body = body[:bytes.LastIndex(body, []byte(`,"line":"`))]
		switch {
		case members["stream"] != nil && members["id"] != nil:
			var e struct {
				ID                           uuid.UUID
				Stream, Type, Data, Metadata string
				Position                     uint64
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			raw := eventschema.Raw{Stream: e.Stream, Revision: next[e.Stream], Type: e.Type, Data: []byte(e.Data), Metadata: []byte(e.Metadata)}
			if wire != "" && strings.HasPrefix(e.Type, wire) {
				if change(&raw); raw.Type == "" {
					dropped++
					continue
				}
			}
			chain := eventschema.NextChain(chains[e.Stream], raw)
			old, _ := eventschema.ChainOf(raw)
			raw.Metadata = bytes.Replace(raw.Metadata, []byte(old.String()), []byte(chain.String()), 1)
			meta, err := eventschema.Events.Meta(raw)
			if err != nil {
				t.Fatal(err)
			}
			chains[e.Stream], next[e.Stream] = chain, raw.Revision+1
			made, err := json.Marshal(readapi.ExportedEvent{
				ID: eventschema.EventID(meta.Command, chain), Stream: e.Stream, Revision: raw.Revision, Position: e.Position, Type: raw.Type,
				Data: string(raw.Data), Metadata: string(raw.Metadata),
			})
			if err != nil {
				t.Fatal(err)
			}
			body = made[:len(made)-1]
		case members["end"] != nil:
			var end struct{ End readapi.ExportEnd }
			if err := json.Unmarshal(line, &end); err != nil {
				t.Fatal(err)
			}
			if end.End.Events -= dropped; end.End.Chain != "" {
				for _, chain := range chains {
					end.End.Chain = chain.String()
				}
			}
			made, err := json.Marshal(map[string]any{"end": end.End})
			if err != nil {
				t.Fatal(err)
			}
			body = made[:len(made)-1]
		}
		last = sha256.Sum256(append(last[:], body...))
		out = append(append(append(out, body...), `,"line":"`...), hex.EncodeToString(last[:])...)
		out = append(out, "\"}\n"...)
	}
	return out
}

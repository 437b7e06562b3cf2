package readapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
)

var (
	asker    = domain.Actor{Kind: "user", ID: "e-17"}
	approver = domain.Actor{Kind: "user", ID: "e-18"}
)

// ask has the erasure of a customer asked for.
func (s *shop) ask(c uuid.UUID, deadline string) {
	s.t.Helper()
	on, err := domain.ParseDate(deadline)
	if err != nil {
		s.t.Fatal(err)
	}
	s.customer(c, customer.ErasureRequested{Scope: customer.ScopeAll, Requester: customer.RequesterCustomer, Evidence: "letter", RequestedBy: asker, RequestedAt: s.clock, Deadline: on})
}

func (s *shop) approve(c uuid.UUID) {
	s.customer(c, customer.ErasureApproved{ApprovedBy: approver, ApprovedAt: s.clock})
}

// erase destroys the key of a customer and says so.
func (s *shop) erase(c uuid.UUID) {
	s.t.Helper()
	if err := s.log.Destroy(s.t.Context(), datakey.Stream(c)); err != nil {
		s.t.Fatal(err)
	}
	id := s.wrapped[c].KeyID
	s.wrapped[c], s.keys[c] = datakey.Created{}, eventschema.Erased
	s.customer(c, customer.PersonalDataErased{
		Requester: customer.RequesterCustomer, RequestedAt: s.clock, RequestedBy: asker, ApprovedAt: s.clock, ApprovedBy: approver,
		EventCount: int64(s.streams[customer.Stream(c)].next), ChainHead: s.streams[customer.Stream(c)].chain.String(),
		KeyIDs: []string{id}, ReadModels: []string{"keys", "profile"}, ErasedAt: s.clock,
	})
}

func (s *shop) complete(c uuid.UUID) {
	s.customer(c, customer.ErasureCompleted{Store: customer.StoreCompacted, ReadModels: customer.RedisInMemory, CompletedAt: s.clock})
}

func TestTheErasureIsShown(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	path := "/v1/customers/" + c.String() + "/erasure"
	s.register(c, customer.Name{Given: "Ann"}, "web")
	s.project()
	show := func() (a readapi.Erasure) {
		t.Helper()
		s.project()
		s.get(path).status(200).json(&a)
		return a
	}
	if a := show(); a.Erasure != nil || a.LegalHolds == nil || a.CustomerID != c || a.Position != s.position {
		t.Errorf("nobody asked: %+v", a)
	}
	s.customer(c, customer.LegalHoldPlaced{HoldID: "LG-1", Ground: "legal_claim", PlacedBy: asker, PlacedAt: s.clock})
	s.ask(c, "2026-04-01")
	if a := show(); a.Erasure.State != "requested" || a.Erasure.Deadline.String() != "2026-04-01" || a.Erasure.RequestedBy != asker || len(a.LegalHolds) != 1 || a.LegalHolds[0].HoldID != "LG-1" {
		t.Errorf("asked for: %+v", a)
	}
	s.customer(c, customer.LegalHoldLifted{HoldID: "LG-1", Ground: "settled", LiftedBy: asker, LiftedAt: s.clock})
	s.approve(c)
	if a := show(); a.Erasure.State != "approved" || a.Erasure.ApprovedBy != approver || len(a.LegalHolds) != 0 || a.Erasure.Certificate != nil {
		t.Errorf("approved: %+v", a)
	}
	s.erase(c)
	if a := show(); a.Erasure.State != "erased" || a.Erasure.Certificate.EventCount != 5 || a.Erasure.Certificate.CompletedAt.IsZero() == false {
		t.Errorf("erased: %+v", a)
	}
	s.complete(c)
	a := show()
	if a.Erasure.State != "completed" || a.Erasure.Certificate.Store != customer.StoreCompacted || a.Erasure.Certificate.Event == uuid.Nil {
		t.Errorf("completed: %+v", a)
	}
	// The certificate is what the history verifies to.
	var head eventschema.Chain
	for raw, err := range s.log.Read(t.Context(), customer.Stream(c), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if int64(raw.Revision) < a.Erasure.Certificate.EventCount {
			head, _ = eventschema.ChainOf(raw)
		}
	}
	if head.String() != a.Erasure.Certificate.ChainHead {
		t.Errorf("the chain's head is %s, certified %s", head, a.Erasure.Certificate.ChainHead)
	}
	if p := s.get("/v1/customers/" + someone(9).String() + "/erasure").status(404).problem(); p.Code != "customer_not_found" {
		t.Errorf("%+v", p)
	}
	s.get(path + "?color=red").status(400)
}

func TestErasuresAreListedByDeadline(t *testing.T) {
	s := newShop(t)
	for n, deadline := range map[uint64]string{1: "2026-05-01", 2: "2026-04-01", 3: "2026-04-15", 4: "2026-06-01", 5: "", 6: "2026-03-09", 7: "2026-03-10", 8: "2026-03-11"} {
		s.register(someone(n), customer.Name{Given: fmt.Sprint("P", n)}, "web")
		if deadline != "" {
			s.ask(someone(n), deadline)
		}
	}
	s.customer(someone(4), customer.ErasureRefused{Ground: "legal_claim", RefusedBy: approver, RefusedAt: s.clock})
	for n := uint64(6); n <= 8; n++ {
		s.approve(someone(n))
	}
	s.erase(someone(7))
	s.erase(someone(8))
	s.complete(someone(8))
	s.project()
	for state, want := range map[string][]uint64{
		"requested": {2, 3, 1}, "refused": {4}, "approved": {6}, "erased": {7}, "completed": {8},
	} {
		var got []string
		next := ""
		for page := 0; page == 0 || next != ""; page++ {
			var list struct {
				Customers []struct {
					CustomerID uuid.UUID `json:"customer_id"`
				}
				NextCursor string `json:"next_cursor"`
			}
			path := "/v1/customers?limit=2&erasure=" + state
			if next != "" {
				path += "&cursor=" + next
			}
			s.get(path).status(200).json(&list)
			for _, c := range list.Customers {
				got = append(got, c.CustomerID.String())
			}
			next = list.NextCursor
		}
		var ids []string
		for _, n := range want {
			ids = append(ids, someone(n).String())
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("%s:\n%s", state, diff)
		}
	}
	s.get("/v1/customers?erasure=maybe").status(400)

	open, at, ok, err := readapi.OpenErasures(t.Context(), s.store)
	if err != nil || !ok || at != s.position || !slices.Equal(open, []uuid.UUID{someone(6), someone(7)}) {
		t.Errorf("open erasures are %v at %d, %v, %v", open, at, ok, err)
	}
}

func TestEverythingAboutACustomerIsExported(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	path := "/v1/customers/" + c.String() + "/export"
	s.register(c, customer.Name{Given: "Ann", Family: "Archer"}, "web")
	s.link(c, "till", "C-4711")
	s.order(c, "o-2", "2026-01-20", 300)
	s.order(c, "o-1", "2026-01-05", 8900)
	s.customer(c, customer.OrderPaid{OrderID: "o-1", PaidAt: s.clock})
	s.customer(c, customer.RefundRecorded{RefundID: "r-1", OrderID: "o-1", Amount: domain.Money{AmountMinor: 900, Currency: "EUR"}, Reason: "lid cracked", RefundedAt: s.clock})
	s.customer(c, customer.OrderCancelled{OrderID: "o-2", Reason: "twice", CancelledAt: s.clock}, func(m *eventschema.Meta) { m.Reason = "phoned" })
	s.project()

	var x struct {
		Format   string
		Revision int64
		Position uint64
		Events   []readapi.Entry
		Customer struct{ Name customer.Name }
		Orders   []readapi.ExportedOrder
		Digest   string
	}
	a := s.get(path).status(200)
	a.json(&x)
	body := a.Body.Bytes()
	covered, _, _ := bytes.Cut(body, []byte(`,"digest":`))
	if sum := sha256.Sum256(covered); x.Digest != hex.EncodeToString(sum[:]) {
		t.Errorf("the digest %s is not that of the export, %x", x.Digest, sum)
	}
	if x.Format != readapi.FormatCustomer || x.Revision != 6 || x.Position != s.position || len(x.Events) != 7 || x.Customer.Name.Family != "Archer" {
		t.Errorf("%s", body)
	}
	if len(x.Orders) != 2 || x.Orders[0].OrderID != "o-1" || !x.Orders[0].Paid || x.Orders[0].RefundedMinor != 900 || !x.Orders[1].Cancelled {
		t.Errorf("orders: %+v", x.Orders)
	}
	for _, said := range []string{"Ann", "C-4711", "lid cracked", "twice", "phoned"} {
		if !strings.Contains(string(body), said) {
			t.Errorf("the export does not say %q", said)
		}
	}
	if !strings.HasPrefix(a.Header().Get("Content-Disposition"), "attachment") || a.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.Header())
	}
	export, err := s.api.Export(t.Context(), c)
	if err != nil || export != (customer.Export{Revision: 6, Digest: x.Digest}) {
		t.Errorf("%+v, %v", export, err)
	}

	// A revision gives the same bytes for ever, whatever comes after.
	s.customer(c, customer.PersonalDataExported{Format: customer.FormatJSON, Revision: 6, Digest: x.Digest, ExportedAt: s.clock})
	s.project()
	if again := s.get(path + "?revision=6").status(200); !bytes.Equal(again.Body.Bytes(), body) {
		t.Errorf("revision 6 was\n%s\nand is\n%s", body, again.Body)
	}
	if early := s.get(path + "?revision=0").status(200); !strings.Contains(early.Body.String(), `"orders":[]`) || strings.Contains(early.Body.String(), "C-4711") {
		t.Errorf("revision 0: %s", early.Body)
	}
	for query, status := range map[string]int{"?revision=8": 400, "?revision=-1": 400, "?revision=x": 400, "?min_position=1": 200, "?limit=1": 400} {
		s.get(path + query).status(status)
	}
	missing := "/v1/customers/" + someone(9).String() + "/export"
	for _, query := range []string{"", "?revision=0"} {
		if p := s.get(missing + query).status(404).problem(); p.Code != "customer_not_found" {
			t.Errorf("%+v", p)
		}
	}
	if _, err := s.api.Export(t.Context(), someone(9)); err == nil {
		t.Error("nobody can be exported")
	}

	// After the erasure there is nothing to hand out, and nothing shows anything.
	s.ask(c, "2026-04-01")
	s.approve(c)
	s.erase(c)
	s.project()
	gone := s.get(path).status(410)
	if p := gone.problem(); p.Code != "customer_erased" || gone.Header().Get("Content-Disposition") != "" {
		t.Errorf("%+v %v", p, gone.Header())
	}
	one := "/v1/customers/" + c.String()
	for _, path := range []string{one, one + "/history", one + "/replay", one + "?as_of=2026-03-01", "/v1/customers", one + "/erasure"} {
		for _, said := range []string{"Ann", "Archer", "C-4711", "lid cracked", "twice", "phoned", "letter"} {
			if a := s.get(path).status(200); strings.Contains(a.Body.String(), said) {
				t.Errorf("GET %s still says %q: %s", path, said, a.Body)
			}
		}
	}
	for _, query := range []string{"q=ann", "external_id=till:C-4711"} {
		if a := s.get("/v1/customers?" + query).status(200); strings.Contains(a.Body.String(), c.String()) {
			t.Errorf("still found by %s: %s", query, a.Body)
		}
	}
}

func TestARestrictionIsShown(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	s.register(c, customer.Name{Given: "Ann"}, "web")
	s.customer(c, customer.ProcessingRestricted{Ground: "accuracy_contested", Note: "says so", RestrictedAt: s.clock})
	s.project()
	if body := s.get("/v1/customers/" + c.String()).status(200).Body.String(); !strings.Contains(body, `"restricted":true`) || !strings.Contains(body, "accuracy_contested") {
		t.Errorf("the customer does not say that it is restricted: %s", body)
	}
}

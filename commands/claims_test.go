package commands_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

var shopID = customer.ExternalID{System: "shop", ID: "4711"}

func holderOf(err error) string {
	var refusal *domain.Error
	if errors.As(err, &refusal) && errors.Is(err, customer.ErrExternalIDTaken) {
		return refusal.Holder
	}
	return ""
}

func TestFiftyRegistrationsOfOneExternalIDMakeOneCustomer(t *testing.T) {
	registerFifty(t, new(memlog.Log))
}

func registerFifty(t *testing.T, log commands.Log) {
	c := new(clock)
	processes := []*commands.Writer{writer(log, c), writer(log, c)}
	const n = 50
	ids, errs := make([]uuid.UUID, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		ids[i] = uuid.New()
		wg.Go(func() { _, errs[i] = register(t, processes[i%2], ids[i], shopID) })
	}
	wg.Wait()
	winner := ""
	for i, err := range errs {
		if err == nil {
			if winner != "" {
				t.Fatalf("%s and %s both hold it", winner, ids[i])
			}
			winner = ids[i].String()
		}
	}
	for i, err := range errs {
		if err != nil && (winner == "" || holderOf(err) != winner) {
			t.Errorf("registration %d: %v; the holder is %s", i, err, winner)
		}
		want := 0
		if err == nil {
			want = 2
		}
		if got := count(t, log, customer.Stream(ids[i])); got != want {
			t.Errorf("customer %d has %d events, want %d", i, got, want)
		}
	}
}

func TestRegisteringAgainIsAnsweredFromTheLog(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	c := new(clock)
	id, r := uuid.New(), request("register-customer")
	r.New = true
	cmd := customer.Register{
		Subject: domain.Subject{Customer: id, Now: noon}, Source: customer.Source{Channel: "shop"}, ExternalIDs: []customer.ExternalID{shopID},
	}
	first, err := commands.Execute(t.Context(), writer(log, c), r, cmd)
	if err != nil {
		t.Fatal(err)
	}
	before := log.Log.(*memlog.Log).Len()
	log.reads.Store(0)
	log.appends.Store(0)
	again, err := commands.Execute(t.Context(), writer(log, c), r, cmd)
	if err != nil || again.Position != first.Position {
		t.Fatalf("%+v, %v; want %+v", again, err, first)
	}
	if now := log.Log.(*memlog.Log).Len(); now != before {
		t.Errorf("%d more events", now-before)
	}
	if n := log.reads.Load() + log.appends.Load(); n > 3 {
		t.Errorf("%d calls of the log, want 3 at most", n)
	}
}

func TestLinkingAnExternalID(t *testing.T) {
	var log memlog.Log
	w, a, b := writer(&log, new(clock)), uuid.New(), uuid.New()
	mustRegister(t, w, a)
	mustRegister(t, w, b)
	link := func(id uuid.UUID) (commands.Result, error) {
		return commands.Execute(t.Context(), w, request("link-external-id"),
			customer.LinkExternalID{Subject: w.World.Subject(id), System: shopID.System, ID: shopID.ID})
	}
	if r, err := link(a); err != nil || !r.Changed {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err := link(a); err != nil || r.Changed {
		t.Errorf("linked again: %+v, %v", r, err)
	}
	if _, err := link(b); holderOf(err) != a.String() {
		t.Errorf("linked to another: %v", err)
	}
	if _, err := link(uuid.New()); !errors.Is(err, customer.ErrNotFound) {
		t.Errorf("linked to nobody: %v", err)
	}
}

// A customer who claimed the name and then slept finds, on waking, that somebody
// else has it.
func TestALapsedClaimGoesToTheNextAndTheSleeperDecidesAgain(t *testing.T) {
	for name, registered := range map[string]bool{"before registering": false, "before linking": true} {
		t.Run(name, func(t *testing.T) {
			log := &faulty{Log: &memlog.Log{}}
			c := new(clock)
			sleeper, other := writer(log, c), writer(log.Log, c)
			a, b := uuid.New(), uuid.New()
			if registered {
				mustRegister(t, sleeper, a)
			}
			asleep, wake := make(chan struct{}), make(chan struct{})
			log.before = func(stream string) error {
				if stream == customer.Stream(a) {
					log.before = nil
					close(asleep)
					<-wake
				}
				return nil
			}
			outcome := make(chan error, 1)
			go func() {
				if registered {
					_, err := commands.Execute(t.Context(), sleeper, request("link-external-id"),
						customer.LinkExternalID{Subject: sleeper.World.Subject(a), System: shopID.System, ID: shopID.ID})
					outcome <- err
					return
				}
				_, err := register(t, sleeper, a, shopID)
				outcome <- err
			}()
			<-asleep
			if _, err := register(t, other, b, shopID); holderOf(err) != a.String() {
				t.Fatalf("the claim stands: %v", err)
			}
			c.Set(noon.Add(2 * time.Minute))
			if _, err := register(t, other, b, shopID); err != nil {
				t.Fatalf("the claim has lapsed: %v", err)
			}
			close(wake)
			if err := <-outcome; holderOf(err) != b.String() {
				t.Errorf("the sleeper: %v; want taken by %s", err, b)
			}
			holds := 0
			for _, id := range []uuid.UUID{a, b} {
				for raw, err := range log.Log.Read(t.Context(), customer.Stream(id), 0) {
					if err != nil {
						t.Fatal(err)
					}
					if strings.HasPrefix(raw.Type, "customer.external_id_linked") {
						holds++
					}
				}
			}
			if holds != 1 {
				t.Errorf("%d customers hold the name", holds)
			}
		})
	}
}

func TestAConfirmedNameNeverLapses(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	a, b := uuid.New(), uuid.New()
	if _, err := register(t, writer(&log, c), a, shopID); err != nil {
		t.Fatal(err)
	}
	c.Set(noon.Add(24 * time.Hour))
	if _, err := register(t, writer(&log, c), b, shopID); holderOf(err) != a.String() {
		t.Errorf("%v; want taken by %s", err, a)
	}
	if n := count(t, &log, customer.Stream(a)); n != 2 {
		t.Errorf("the holder has %d events, want 2", n)
	}
}

// A customer whose registration broke off after the claim can register later,
// under another command.
func TestABrokenRegistrationCanBeRepeated(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	c := new(clock)
	a := uuid.New()
	log.before = func(stream string) error {
		if stream == customer.Stream(a) {
			return errors.New("gone")
		}
		return nil
	}
	if _, err := register(t, writer(log, c), a, shopID); !errors.Is(err, commands.ErrUnavailable) {
		t.Fatal(err)
	}
	log.before = nil
	if _, err := register(t, writer(log, c), a, shopID); err != nil {
		t.Errorf("at once: %v", err)
	}
}

// A lapsed claim that was given up, but not taken yet, is to be had again by
// the first claimant too.
func TestAGivenUpClaimIsHadAgainByWhoComesFirst(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	c := new(clock)
	a, b := uuid.New(), uuid.New()
	log.before = func(stream string) error {
		if stream == customer.Stream(a) {
			return errors.New("gone")
		}
		return nil
	}
	if _, err := register(t, writer(log, c), a, shopID); err == nil {
		t.Fatal("it should have broken off")
	}
	c.Set(noon.Add(2 * time.Minute))
	reservations := 0
	log.before = func(stream string) error { // b tells a, and breaks off before it takes over
		if strings.HasPrefix(stream, "reservation-") {
			if reservations++; reservations == 3 { // new, new again, over
				return errors.New("gone")
			}
		}
		return nil
	}
	if _, err := register(t, writer(log, c), b, shopID); !errors.Is(err, commands.ErrUnavailable) {
		t.Fatalf("it should have broken off: %v", err)
	}
	log.before = nil
	if n := count(t, log.Log, customer.Stream(a)); n != 1 {
		t.Fatalf("the first claimant has %d events, want 1", n)
	}
	if _, err := register(t, writer(log, c), a, shopID); err != nil {
		t.Errorf("the first claimant again: %v", err)
	}
	if _, err := register(t, writer(log, c), b, shopID); holderOf(err) != a.String() {
		t.Errorf("the second: %v", err)
	}
	_, _, err := eventschema.VerifyChain(log.Log.Read(t.Context(), customer.Stream(a), 0))
	if err != nil {
		t.Error(err)
	}
}

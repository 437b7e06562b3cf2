package commands_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

const adaMail = "ada@example.com"

func TestFiftyRegistrationsOfOneEmailMakeOneCustomer(t *testing.T) {
	registerFiftyOverHTTP(t, new(memlog.Log))
}

func TestFiftyRegistrationsOfOneEmailThroughTheNode(t *testing.T) {
	registerFiftyOverHTTP(t, node(t))
}

// Fifty people at the counter of two servers, all with one e-mail address, each
// written in a way of its own, and each with a phone number of their own.
func registerFiftyOverHTTP(t *testing.T, log commands.Log) {
	servers := []*server{serveLog(t, log, deployment.Wall), serveLog(t, log, deployment.Wall)}
	const n = 50
	answers := make([]answer, n)
	var wg sync.WaitGroup
	for i := range n {
		mail := strings.ToUpper(adaMail[:i%3]) + adaMail[i%3:]
		body := fmt.Sprintf(`{"customer_id":"018e4a7e-5b1c-7c3a-9d2f-0000000000%02x","source":{"channel":"shop"},
			"contact_points":[{"type":"email","value":%q},{"type":"phone","value":"+49 30 9018%02d"}]}`, i, mail, i)
		wg.Go(func() {
			a := servers[i%2].Post("/v1/customers", body)
			answers[i] = decode(t, a)
			answers[i].Status = a.Status
		})
	}
	wg.Wait()
	winner := ""
	for _, a := range answers {
		if a.Status == http.StatusCreated {
			if winner != "" {
				t.Fatal("two customers have one e-mail address")
			}
			winner = a.CustomerID.String()
		}
	}
	for i, a := range answers {
		id := fmt.Sprintf("018e4a7e-5b1c-7c3a-9d2f-0000000000%02x", i)
		if id == winner {
			continue
		}
		if a.Status != http.StatusConflict || a.Code != "email_taken" || a.Holder != winner || !strings.Contains(a.Detail, winner) ||
			len(a.Errors) != 1 || a.Errors[0].Pointer != "/contact_points/0/value" {
			t.Errorf("registration %d: %d %s, held by %q, %q; want %q", i, a.Status, a.Code, a.Holder, a.Detail, winner)
		}
		if got := count(t, log, "customer-"+id); got != 0 {
			t.Errorf("customer %d has %d events", i, got)
		}
	}
	// What the forty-nine claimed beside is free again at once.
	for i := range n {
		a := servers[0].Post("/v1/customers", fmt.Sprintf(`{"source":{"channel":"shop"},"contact_points":[{"type":"phone","value":"+49 30 9018%02d"}]}`, i))
		if own := fmt.Sprintf("018e4a7e-5b1c-7c3a-9d2f-0000000000%02x", i) == winner; (a.Status == http.StatusCreated) == own {
			t.Errorf("the phone number of registration %d: %d %s", i, a.Status, a.Body)
		}
	}
}

func point(kind, value string) customer.NewContactPoint {
	return customer.NewContactPoint{ContactPointID: kind, Type: kind, Value: value}
}

func registerAt(t *testing.T, w *commands.Writer, id uuid.UUID, points ...customer.NewContactPoint) error {
	t.Helper()
	r := request("register-customer")
	r.New = true
	cmd := customer.Register{Subject: w.World.Subject(id), Source: customer.Source{Channel: "shop"}, Name: customer.Name{Given: "Ada"}, ContactPoints: points}
	w.World.Tell(&cmd)
	_, err := commands.Execute(t.Context(), w, r, cmd)
	return err
}

func add(t *testing.T, w *commands.Writer, id uuid.UUID, p customer.NewContactPoint) error {
	t.Helper()
	cmd := customer.AddContactPoint{Subject: w.World.Subject(id), NewContactPoint: p}
	w.World.Tell(&cmd)
	_, err := commands.Execute(t.Context(), w, request("add-contact-point"), cmd)
	return err
}

func remove(t *testing.T, w *commands.Writer, id uuid.UUID, pointID string) {
	t.Helper()
	r, err := commands.Execute(t.Context(), w, request("remove-contact-point"), customer.RemoveContactPoint{Subject: w.World.Subject(id), ContactPointID: pointID})
	if err != nil || !r.Changed {
		t.Fatal(r, err)
	}
}

// takenBy returns who holds the e-mail address, phone number or external id that
// an error is about.
func takenBy(err error) string {
	var refusal *domain.Error
	if errors.As(err, &refusal) && strings.HasSuffix(refusal.Code, "_taken") {
		return refusal.Holder
	}
	return ""
}

// last returns who holds a name, as its stream says.
func last(t *testing.T, log commands.Log, kind, value string) (s reservation.State) {
	t.Helper()
	stream := reservation.Stream(kind, keyring().Lookup(kind, value))
	for raw, err := range log.Read(t.Context(), stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		s = s.Evolve(e.Data.(reservation.Event))
	}
	return s
}

// A registration that is refused for its second name gives the first one back.
func TestARefusedRegistrationGivesBackWhatItClaimed(t *testing.T) {
	var log memlog.Log
	w, other := writer(&log, new(clock)), writer(&log, new(clock))
	a, b, c := uuid.New(), uuid.New(), uuid.New()
	if err := registerAt(t, w, a, point("phone", "+4930901820")); err != nil {
		t.Fatal(err)
	}
	err := registerAt(t, w, b, point("phone", "+4930901820"), point("email", adaMail))
	if takenBy(err) != a.String() {
		t.Fatal(err)
	}
	if s := last(t, &log, "email", adaMail); s.Held {
		t.Errorf("the e-mail address: %+v", s)
	}
	if s := last(t, &log, "phone", "+4930901820"); s.Customer != a {
		t.Errorf("the phone number: %+v", s)
	}
	if err := registerAt(t, other, c, point("email", adaMail)); err != nil {
		t.Errorf("the e-mail address is free: %v", err)
	}
	if n := count(t, &log, customer.Stream(b)); n != 0 {
		t.Errorf("%d events of who was refused", n)
	}
}

// A command that finds out late that there is nothing to do, or that it is
// refused, gives back as well; but never what another process, of the same customer,
// claims meanwhile.
func TestACommandNeverGivesBackWhatAnotherConfirmed(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	c := new(clock)
	slow, fast := writer(log, c), writer(log.Log, c)
	a, b := uuid.New(), uuid.New()
	mustRegister(t, slow, a)
	log.before = func(stream string) error { // the other process is faster
		if stream == customer.Stream(a) {
			log.before = nil
			return add(t, fast, a, point("email", adaMail))
		}
		return nil
	}
	if err := add(t, slow, a, point("email", adaMail)); err != nil {
		t.Fatal(err)
	}
	if s := last(t, log.Log, "email", adaMail); !s.Held || s.Customer != a {
		t.Errorf("%+v", s)
	}
	if err := registerAt(t, fast, b, point("email", adaMail)); takenBy(err) != a.String() {
		t.Error(err)
	}
}

// Between any two claims, and between the last and the confirmation, the process may
// go away: whoever comes first after the lapse has the names.
func TestACrashBetweenSeveralClaimsHealsByItself(t *testing.T) {
	for crash := range 4 { // claim, claim, data key, registration
		log := &faulty{Log: &memlog.Log{}}
		c := new(clock)
		a, b := uuid.New(), uuid.New()
		appends := 0
		log.before = func(string) error {
			if appends++; appends > crash {
				return errors.New("gone")
			}
			return nil
		}
		points := []customer.NewContactPoint{point("email", adaMail), point("phone", "+4930901820")}
		if err := registerAt(t, writer(log, c), a, points...); !errors.Is(err, commands.ErrUnavailable) {
			t.Fatalf("%d: %v", crash, err)
		}
		log.before = nil
		if err := registerAt(t, writer(log, c), b, points...); crash > 0 && takenBy(err) != a.String() || crash == 0 && err != nil {
			t.Fatalf("%d: before the lapse: %v", crash, err)
		}
		if crash == 0 {
			continue
		}
		c.Set(noon.Add(2 * time.Minute))
		if err := registerAt(t, writer(log, c), b, points...); err != nil {
			t.Errorf("%d: after the lapse: %v", crash, err)
		}
		if err := registerAt(t, writer(log, c), a, points...); takenBy(err) != b.String() {
			t.Errorf("%d: the first again: %v", crash, err)
		}
	}
}

func TestARemovedContactPointIsFreeAtOnce(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	w := writer(&log, c)
	a, b := uuid.New(), uuid.New()
	mail := point("email", adaMail)
	if err := errors.Join(registerAt(t, w, a, mail), registerAt(t, w, b)); err != nil {
		t.Fatal(err)
	}
	if err := add(t, w, b, mail); takenBy(err) != a.String() {
		t.Fatal(err)
	}
	remove(t, w, a, "email")
	if err := add(t, w, a, mail); err != nil {
		t.Errorf("who removed it adds it again: %v", err)
	}
	remove(t, w, a, "email")
	if s := last(t, &log, "email", adaMail); s.Held {
		t.Errorf("%+v", s)
	}
	if err := add(t, w, b, mail); err != nil {
		t.Errorf("it is free: %v", err)
	}
	if err := add(t, w, a, mail); takenBy(err) != b.String() {
		t.Errorf("it is somebody else's now: %v", err)
	}
	for _, id := range []uuid.UUID{a, b} {
		if _, _, err := eventschema.VerifyChain(log.Read(t.Context(), customer.Stream(id), 0)); err != nil {
			t.Error(err)
		}
	}
}

// The process goes away after the removal and before the release: the name is
// free all the same, without a wait, and is never two customers'.
func TestARemovalThatWasNotSaidBesideTheNameHealsByItself(t *testing.T) {
	for who, others := range map[string]bool{"somebody else comes first": true, "who removed it comes first": false} {
		t.Run(who, func(t *testing.T) {
			log := &faulty{Log: &memlog.Log{}}
			c := new(clock)
			w := writer(log, c)
			a, b := uuid.New(), uuid.New()
			mail := point("email", adaMail)
			if err := errors.Join(registerAt(t, w, a, mail), registerAt(t, w, b)); err != nil {
				t.Fatal(err)
			}
			log.before = func(stream string) error {
				if strings.HasPrefix(stream, "reservation-") {
					return errors.New("gone")
				}
				return nil
			}
			remove(t, w, a, "email")
			log.before = nil
			if s := last(t, log.Log, "email", adaMail); s.Customer != a {
				t.Fatalf("it should have broken off: %+v", s)
			}
			first, second := a, b
			if others {
				first, second = b, a
			}
			if err := add(t, writer(log, c), first, mail); err != nil {
				t.Errorf("the first: %v", err)
			}
			if err := add(t, writer(log, c), second, mail); takenBy(err) != first.String() {
				t.Errorf("the second: %v", err)
			}
		})
	}
}

// Who removed a name adds it again, and sleeps before the confirmation; somebody
// else, who saw that it was removed, comes between.
func TestWhoAddsAgainAndSleepsDecidesAgain(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	c := new(clock)
	sleeper, other := writer(log, c), writer(log.Log, c)
	a, b := uuid.New(), uuid.New()
	mail := point("email", adaMail)
	if err := errors.Join(registerAt(t, sleeper, a, mail), registerAt(t, other, b)); err != nil {
		t.Fatal(err)
	}
	remove(t, sleeper, a, "email")
	log.before = func(stream string) error {
		if stream == customer.Stream(a) {
			log.before = nil
			if err := add(t, other, b, mail); takenBy(err) != a.String() {
				t.Errorf("the claim stands: %v", err)
			}
			c.Set(noon.Add(2 * time.Minute))
			if err := add(t, other, b, mail); err != nil {
				t.Errorf("the claim has lapsed: %v", err)
			}
		}
		return nil
	}
	if err := add(t, sleeper, a, mail); takenBy(err) != b.String() {
		t.Errorf("the sleeper: %v", err)
	}
	if s := last(t, log.Log, "email", adaMail); s.Customer != b {
		t.Errorf("%+v", s)
	}
}

func TestAnUnlinkedExternalIDIsFreeAtOnce(t *testing.T) {
	var log memlog.Log
	w := writer(&log, new(clock))
	a, b := uuid.New(), uuid.New()
	if _, err := register(t, w, a, shopID); err != nil {
		t.Fatal(err)
	}
	if _, err := commands.Execute(t.Context(), w, request("unlink-external-id"),
		customer.UnlinkExternalID{Subject: w.World.Subject(a), System: shopID.System, ID: shopID.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := register(t, w, b, shopID); err != nil {
		t.Error(err)
	}
	if s := last(t, &log, reservation.KindExternalID, shopID.ReservedName().Value); s.Customer != b {
		t.Errorf("%+v", s)
	}
}

// What several may have is claimed by nobody. When the policy changes, who has it
// keeps it, and from then on one may have it more.
func TestThePolicyMaySharePhoneNumbers(t *testing.T) {
	s := serve(t, deployment.Wall)
	publish := func(shared string) {
		t.Helper()
		a := s.Post("/v1/policies/contact/publish-policy", `{"policy":{"name":"x","channels":["email","phone"],"purposes":[{"name":"service","basis":"contract"}],"shared":[`+shared+`]}}`)
		if a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	phone := func(want int) string {
		t.Helper()
		a := s.Post("/v1/customers", `{"source":{"channel":"shop"},"contact_points":[{"contact_point_id":"p","type":"phone","value":"030 901820","region":"DE"}]}`)
		if a.Status != want {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if want != http.StatusCreated {
			return ""
		}
		return "/v1/customers/" + decode(t, a).CustomerID.String()
	}
	held := func() uuid.UUID { return last(t, s.log, "phone", "+4930901820").Customer }
	publish(`"phone"`)
	first, second := phone(201), phone(201)
	if held() != uuid.Nil {
		t.Error("somebody claimed it")
	}
	publish("")
	third := phone(201)
	phone(409)
	if "/v1/customers/"+held().String() != third {
		t.Errorf("%s holds it, want %s", held(), third)
	}
	for _, path := range []string{first, second, third} { // those who had it keep it
		a := s.Post(path+"/add-contact-point", `{"type":"phone","value":"+49 30 901820"}`)
		if v := decode(t, a); a.Status != 200 || v.Changed {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := s.Post(first+"/remove-contact-point", `{"contact_point_id":"p"}`); a.Status != 200 || held() == uuid.Nil {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Post(first+"/add-contact-point", `{"type":"phone","value":"+49 30 901820"}`); a.Status != 409 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	publish(`"phone"`)
	if a := s.Post(first+"/add-contact-point", `{"type":"phone","value":"+49 30 901820"}`); a.Status != 201 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// An objection to contact outlives the erasure of who objected: whoever comes
// with one of their names is bound by it, until they lift it themselves.
func TestAnObjectionStaysWithTheName(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	w := writer(log, new(clock))
	a := uuid.New()
	points := []customer.NewContactPoint{point("email", adaMail), point("wechat", "ada"), point("other", "pigeon 7")}
	lookup := func(kind, value string) string { return keyring().Lookup(kind, value) }
	if err := registerAt(t, w, a, points...); err != nil {
		t.Fatal(err)
	}
	names := [][2]string{{"email", adaMail}, {"wechat", "ada"}, {"other", "pigeon 7"}, {reservation.KindExternalID, shopID.ReservedName().Value}}
	for range 2 { // once
		for _, n := range names {
			if err := w.Release(t.Context(), request("release"), n[0], lookup(n[0], n[1]), a, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := log.Log.(*memlog.Log).Len(); n != 1+1+4+3 { // claim, key, registration and points, releases of what is one person's
		t.Errorf("%d events", n)
	}
	objected := func(id uuid.UUID) (kinds []string) {
		t.Helper()
		for raw, err := range log.Log.Read(t.Context(), customer.Stream(id), 0) {
			if err != nil {
				t.Fatal(err)
			}
			e, err := eventschema.Events.Open(raw, eventschema.Erased)
			if err != nil {
				t.Fatal(err)
			}
			switch e := e.Data.(type) {
			case customer.ContactPointAdded:
				if e.Objected {
					kinds = append(kinds, e.Type)
				}
			case customer.ExternalIDLinked:
				if e.Objected {
					kinds = append(kinds, reservation.KindExternalID)
				}
			}
		}
		return kinds
	}
	for id, c := range map[uuid.UUID]struct {
		register func(uuid.UUID) error
		want     []string
	}{
		uuid.New(): {func(id uuid.UUID) error { return registerAt(t, w, id, points...) }, []string{"email", "wechat"}},
		uuid.New(): {func(id uuid.UUID) error { _, err := register(t, w, id, shopID); return err }, []string{reservation.KindExternalID}},
		uuid.New(): {func(id uuid.UUID) error { return registerAt(t, w, id, point("email", "bob@example.com")) }, nil},
	} {
		if err := c.register(id); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, objected(id)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, want := range c.want { // it comes along as often as the name is given on
			if want == "email" {
				remove(t, w, id, "email")
			}
		}
	}
	if s := last(t, log.Log, "email", adaMail); s.Held || !s.Objected {
		t.Errorf("who still objects gave it back: %+v", s)
	}
}

func TestContactPointsOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t)
	step := func(command, body string, status int, events ...string) answer {
		t.Helper()
		a := s.Post(at+"/"+command, body)
		v := decode(t, a)
		var got []string
		for _, e := range v.Events {
			got = append(got, strings.TrimPrefix(e.Type, "customer."))
		}
		if diff := cmp.Diff(events, got); diff != "" || a.Status != status || v.Changed != (len(events) > 0) {
			t.Errorf("%s %s: %d %s\n%s", command, body, a.Status, a.Body, diff)
		}
		return v
	}
	refused := func(command, body string, status int, code, pointer string) {
		t.Helper()
		a := s.Post(at+"/"+command, body)
		v := decode(t, a)
		if a.Status != status || v.Code != code || pointer != "" && (len(v.Errors) != 1 || v.Errors[0].Pointer != pointer) {
			t.Errorf("%s %s: %d %s, want %s %s", command, body, a.Status, a.Body, code, pointer)
		}
	}
	step("add-contact-point", `{"contact_point_id":"m1","type":"email","value":"Ada@Example.com","label":"private","primary":true,"verification":{"method":"link","evidence":"clicked"}}`, 201,
		"contact_point_added", "contact_point_verified", "contact_point_made_primary")
	step("add-contact-point", `{"type":"email","value":"ada@example.com"}`, 200)
	step("add-contact-point", `{"contact_point_id":"p1","type":"phone","value":"030 901820","region":"DE"}`, 201, "contact_point_added")
	step("add-contact-point", `{"type":"post","address":{"street":"Lindenstr. 5","city":"Berlin","country":"DE"}}`, 201, "contact_point_added")
	step("verify-contact-point", `{"contact_point_id":"p1","method":"call"}`, 200, "contact_point_verified")
	step("set-primary-contact-point", `{"contact_point_id":"p1"}`, 200, "contact_point_made_primary")
	step("mark-contact-point-invalid", `{"contact_point_id":"p1","bounce_code":"no_such_number"}`, 200, "contact_point_invalidated")
	step("remove-contact-point", `{"contact_point_id":"p1"}`, 200, "contact_point_removed")
	step("link-external-id", `{"system":"shop","id":"4711"}`, 200, "external_id_linked")
	step("unlink-external-id", `{"system":"shop","id":"4711"}`, 200, "external_id_unlinked")
	refused("add-contact-point", `{"contact_point_id":"m1","type":"email","value":"other@example.com"}`, 409, "contact_point_exists", "")
	refused("add-contact-point", `{"type":"email","value":"x"}`, 422, "validation_failed", "/value")
	refused("add-contact-point", `{"type":"email","values":"x"}`, 422, "validation_failed", "/values")
	refused("add-contact-point", `{"type":"post","address":{"street":"x","country":"Germany"}}`, 422, "validation_failed", "/address/country")
	refused("verify-contact-point", `{"contact_point_id":"x","method":"call"}`, 404, "contact_point_not_found", "")
	refused("set-primary-contact-point", `{"contact_point_id":"p1"}`, 404, "contact_point_not_found", "")
	refused("mark-contact-point-invalid", `{"contact_point_id":"m1"}`, 422, "validation_failed", "/bounce_code")
	refused("remove-contact-point", `{}`, 422, "validation_failed", "/contact_point_id")
	refused("unlink-external-id", `{"system":"shop","id":"4711"}`, 404, "external_id_not_found", "")
	step("mark-contact-point-invalid", `{"contact_point_id":"m1","bounce_code":"5.1.1"}`, 200, "contact_point_invalidated")
	refused("set-primary-contact-point", `{"contact_point_id":"m1"}`, 409, "contact_point_invalid", "")
	at = s.register(t)
	refused("add-contact-point", `{"type":"email","value":"ada@example.COM"}`, 409, "email_taken", "/value")
}

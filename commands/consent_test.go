package commands_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

// told is what a command's answer says: its status and the types of its events, or
// the code of the refusal and the fields in it.
func told(t testing.TB, a webtest.Answer) string {
	t.Helper()
	v := decode(t, a)
	text := fmt.Sprint(a.Status)
	if a.Status >= 400 {
		text += " " + v.Code
		for _, e := range v.Errors {
			text += " " + e.Pointer
		}
		return text
	}
	if !v.Changed {
		text += " unchanged"
	}
	for _, e := range v.Events {
		text += " " + strings.TrimPrefix(e.Type, "customer.")
	}
	return text
}

const reachable = `{"name":{"given":"Ada"},"source":{"channel":"shop"},"time_zone":"Europe/Berlin",
	"contact_points":[{"type":"email","value":"ada@example.com"}],
	"consents":[{"purpose":"survey","channel":"*","granted_at":"2026-02-01T00:00:00Z"}]}`

func TestConsentAndContactOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	a := s.Post("/v1/customers", reachable)
	if got := told(t, a); got != "201 registered contact_point_added consent_granted" {
		t.Fatal(got)
	}
	at := "/v1/customers/" + decode(t, a).CustomerID.String() + "/"
	for _, step := range []struct{ command, body, want string }{
		{"record-contact", `{"purpose":"marketing","channel":"email"}`, "409 contact_not_allowed /purpose"},
		{"record-contact", `{"purpose":"marketing","channel":"phone","contacted_at":"2026-02-28T23:30:00Z"}`, "409 contact_not_allowed /channel /purpose /contacted_at"},
		{"grant-consent", `{"purpose":"marketing","channel":"email","evidence":"form 7"}`, "200 consent_granted"},
		{"grant-consent", `{"purpose":"marketing","channel":"email"}`, "200 unchanged"},
		{"grant-consent", `{"purpose":"spam","channel":"pigeon","expires_at":"2026-01-01T00:00:00Z"}`, "422 validation_failed /purpose /channel /expires_at"},
		{"record-contact", `{"contact_id":"m1","purpose":"marketing","channel":"email"}`, "201 contact_recorded"},
		{"record-contact", `{"contact_id":"m1","purpose":"marketing","channel":"email"}`, "200 unchanged"},
		{"record-contact", `{"contact_id":"m1","purpose":"survey","channel":"email"}`, "409 contact_exists"},
		{"set-channel-preference", `{"channels":["email","post"],"language":"de","frequency_cap":{"contacts":2,"days":30}}`, "200 channel_preference_set"},
		{"set-channel-preference", `{"channels":["email","post"],"language":"de","frequency_cap":{"contacts":2,"days":30}}`, "200 unchanged"},
		{"set-channel-preference", `{}`, "422 validation_failed "},
		{"record-contact", `{"purpose":"survey","channel":"email"}`, "201 contact_recorded"},
		{"record-contact", `{"purpose":"survey","channel":"email"}`, "409 contact_not_allowed /contacted_at"},
		{"record-contact", `{"purpose":"transaction","channel":"email"}`, "201 contact_recorded"},
		{"suppress-contact", `{"scope":"channel","channel":"email","reason":"too much of it"}`, "201 contact_suppressed"},
		{"suppress-contact", `{"scope":"channel","channel":"email"}`, "200 unchanged"},
		{"suppress-contact", `{"scope":"channel"}`, "422 validation_failed /channel"},
		{"lift-suppression", `{"id":"channel:email"}`, "200 suppression_lifted"},
		{"lift-suppression", `{"id":"channel:email"}`, "200 unchanged"},
		{"lift-suppression", `{"id":"nobody"}`, "404 suppression_not_found"},
		{"suppress-contact", `{"scope":"all","legal":true,"id":"court-7"}`, "201 contact_suppressed"},
		{"grant-consent", `{"purpose":"survey","channel":"sms"}`, "409 contact_suppressed"},
		{"lift-suppression", `{"id":"court-7"}`, "403 suppression_legal"},
		{"withdraw-consent", `{"purpose":"marketing","via":"link"}`, "200 consent_withdrawn"},
		{"withdraw-consent", `{"purpose":"marketing","via":"link"}`, "200 unchanged"},
		{"withdraw-consent", `{}`, "200 consent_withdrawn"},
	} {
		if got := told(t, s.Post(at+step.command, step.body)); got != step.want {
			t.Errorf("%s %s: %s, want %s", step.command, step.body, got, step.want)
		}
	}
	// Who has the role lifts what the law demanded.
	if a := s.Post("/v1/staff/enrol-employee", `{"employee_id":"ann","name":"Ann","roles":["legal"]}`); a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	} else if err := s.writer.World.WaitFor(t.Context(), decode(t, a).Position); err != nil {
		t.Fatal(err)
	}
	if got := told(t, s.Post(at+"lift-suppression", `{"id":"court-7"}`, "Rapport-Actor", "user:ann")); got != "200 suppression_lifted" {
		t.Error(got)
	}
	// Every refusal says all that is wrong.
	v := decode(t, s.Post(at+"record-contact", `{"purpose":"marketing","channel":"phone"}`))
	var reasons []string
	for _, e := range v.Errors {
		code, _, _ := strings.Cut(e.Detail, ":")
		reasons = append(reasons, code)
	}
	if diff := cmp.Diff([]string{"channel_unavailable", "consent_withdrawn", "frequency_cap"}, reasons); diff != "" {
		t.Errorf("%s\n%s", v.Detail, diff)
	}
}

// The quiet hours are those of the clocks where the customer lives.
func TestItIsQuietWhereTheCustomerLives(t *testing.T) {
	s := serve(t, deployment.Wall) // it is noon in London, 13:00 in Berlin
	for zone, want := range map[string]string{"": "201 contact_recorded", "Asia/Tokyo": "409 contact_not_allowed /contacted_at", "America/New_York": "409 contact_not_allowed /contacted_at"} {
		body := `{"name":{"given":"Ada"},"source":{"channel":"shop"},"time_zone":"` + zone + `"}`
		a := s.Post("/v1/customers", strings.Replace(body, `,"time_zone":""`, "", 1))
		at := "/v1/customers/" + decode(t, a).CustomerID.String() + "/"
		if got := told(t, s.Post(at+"record-contact", `{"purpose":"service","channel":"visit"}`)); got != want {
			t.Errorf("%s: %s, want %s", zone, got, want)
		}
	}
}

// A link to unsubscribe works for ever: it answers 200 also for who was erased, and
// for whose data may not be used.
func TestUnsubscribingAlwaysWorks(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t)
	id := uuid.MustParse(strings.TrimPrefix(at, "/v1/customers/"))
	unsubscribe := func(want string) {
		t.Helper()
		if got := told(t, s.Post(at+"/withdraw-consent", `{"purpose":"marketing","channel":"email","via":"link"}`, "Rapport-Reason", "he clicked")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := told(t, s.Post(at+"/restrict-processing", `{"ground":"accuracy_contested"}`)); got != "200 processing_restricted" {
		t.Fatal(got)
	}
	unsubscribe("200 consent_withdrawn")
	unsubscribe("200 unchanged")
	if got := told(t, s.Post(at+"/suppress-contact", `{"scope":"all"}`)); got != "201 contact_suppressed" {
		t.Error(got)
	}
	for command, body := range map[string]string{
		"grant-consent": `{"purpose":"marketing","channel":"email"}`, "set-channel-preference": `{"language":"de"}`,
		"record-contact": `{"purpose":"transaction","channel":"visit"}`, "lift-suppression": `{"id":"all"}`,
	} {
		if got := told(t, s.Post(at+"/"+command, body)); got != "423 processing_restricted" {
			t.Errorf("%s: %s", command, got)
		}
	}

	approve(t, s.writer, id)
	unsubscribe("200 unchanged")
	if err := s.log.Destroy(t.Context(), datakey.Stream(id)); err != nil {
		t.Fatal(err)
	}
	execute(t, s.writer, request("erase"), customer.Erase{Subject: s.writer.World.Subject(id), EventCount: 6, ChainHead: "ab", KeyIDs: []string{"k"}})
	unsubscribe("200 unchanged")
	everything := s.Post(at+"/withdraw-consent", `{}`)
	if got := told(t, everything); got != "200 unchanged" {
		t.Error(got)
	}
	for command, body := range map[string]string{
		"grant-consent": `{"purpose":"marketing","channel":"email"}`, "set-channel-preference": `{"language":"de"}`,
		"record-contact": `{"purpose":"transaction","channel":"visit"}`, "lift-suppression": `{"id":"all"}`, "suppress-contact": `{"scope":"all"}`,
	} {
		if got := told(t, s.Post(at+"/"+command, body)); got != "410 customer_erased" {
			t.Errorf("%s: %s", command, got)
		}
	}
	cold := writer(s.log, new(clock))
	if result, err := commands.Execute(t.Context(), cold, request("withdraw-consent"), customer.WithdrawConsent{Subject: cold.World.Subject(id)}); err != nil || result.Changed {
		t.Errorf("%+v, %v", result, err)
	}
}

// Nobody is contacted more often than they may be, whoever asks at the same time.
func TestTheFrequencyCapHoldsUnderConcurrency(t *testing.T) {
	s := serve(t, deployment.Wall)
	id := uuid.MustParse(strings.TrimPrefix(s.register(t), "/v1/customers/"))
	writers := []*commands.Writer{s.writer, writer(s.log, s.clock)}
	answers := make(chan error)
	for n := range 24 {
		go func() {
			w := writers[n%2]
			cmd := customer.RecordContact{Subject: w.World.Subject(id), Purpose: "service", Channel: "visit"}
			s.writer.World.Tell(&cmd)
			_, err := commands.Execute(t.Context(), w, request("record-contact"), cmd)
			answers <- err
		}()
	}
	made := 0
	for range 24 {
		if err := <-answers; err == nil {
			made++
		} else if !errors.Is(err, customer.ErrContactNotAllowed) && !errors.Is(err, commands.ErrContended) {
			t.Error(err)
		}
	}
	if made != 4 {
		t.Errorf("%d contacts were made, 4 are allowed", made)
	}
}

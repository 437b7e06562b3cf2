package commands_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

// What is said of a pair is said once and for ever, in a stream of its own.
func TestRejectDuplicate(t *testing.T) {
	s := serve(t, deployment.Wall)
	const (
		low, high, nobody = "018e4a7e-5b1c-7c3a-9d2f-00000000000a", "018e4a7e-5b1c-7c3a-9d2f-00000000000b", "018e4a7e-5b1c-7c3a-9d2f-00000000000c"
	)
	var revision string // of the customer registered last
	for _, id := range []string{high, low} {
		a := s.Post("/v1/customers", strings.Replace(ada, "{", `{"customer_id":"`+id+`",`, 1))
		if a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		revision = a.Header.Get("ETag")
	}
	const path = "/v1/duplicates/reject-duplicate"
	pair := func(a, b string) string { return `{"a":"` + a + `","b":"` + b + `","reason":"household"}` }

	a := s.Post(path, pair(high, low))
	if got := decode(t, a); a.Status != http.StatusOK || !got.Changed || len(got.Events) != 1 || got.Events[0].Type != "duplicate.rejected" || got.Revision != 0 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	a = s.Post(path, pair(low, high))
	if got := decode(t, a); a.Status != http.StatusOK || got.Changed {
		t.Errorf("said again: %d %s", a.Status, a.Body)
	}
	for name, c := range map[string]struct {
		body, code string
		status     int
		pointer    string
	}{
		"themselves":  {pair(low, low), "validation_failed", 422, "/b"},
		"unknown":     {pair(low, nobody), "customer_not_found", 404, ""},
		"unknown too": {pair(nobody, low), "customer_not_found", 404, ""},
		"nobody":      {`{}`, "validation_failed", 422, "/a"},
		"no id":       {`{"a":"x","b":"` + low + `"}`, "validation_failed", 422, "/a"},
	} {
		before := s.log.Len()
		a := s.Post(path, c.body)
		p := decode(t, a).Problem
		if a.Status != c.status || p.Code != c.code || c.pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != c.pointer) {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		if s.log.Len() != before {
			t.Errorf("%s: a refusal was stored", name)
		}
	}
	// The streams of the two are none the longer for it.
	if a := s.Post("/v1/customers/"+low+"/update-profile", `{"locale":"de"}`, "If-Match", revision); a.Status != http.StatusOK {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// Who waits too long for their turn is told to come again.
func TestAPairThatIsBusyIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowly{Log: new(memlog.Log)}
		w, a, b := writer(slow, new(clock)), uuid.UUID{15: 1}, uuid.UUID{15: 2}
		mustRegister(t, w, a)
		mustRegister(t, w, b)
		client := webtest.NewClient(t, web.Router((&commands.API{Writer: w}).Routes(), web.Config{Title: "Rapport"}))
		slow.once = func() { // a command about one of the two is under way, and takes its time
			if answer := client.Post("/v1/duplicates/reject-duplicate", `{"a":"`+a.String()+`","b":"`+b.String()+`"}`); answer.Status != http.StatusServiceUnavailable {
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		}
		_, _ = commands.Execute(t.Context(), w, request("update-profile"), domain.Command[customer.State, customer.Event](rename(w, a, "Grace")))
	})
}

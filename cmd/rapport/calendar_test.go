package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/internal/client"
)

// Who waits for bookings waits for every job, and then for the read models to
// show what the jobs found booked.
func TestSettled(t *testing.T) {
	t.Parallel()
	behind := `{"jobs":[{"name":"stage-keeper","position":0,"through":0,"failing":false},{"name":"loyalty-keeper","position":9,"through":0,"failing":true}]}`
	other := `{"jobs":[{"name":"stage-keeper","position":9,"through":12,"failing":false},{"name":"loyalty-keeper","position":8,"through":15,"failing":false}]}`
	there := `{"jobs":[{"name":"stage-keeper","position":9,"through":12,"failing":false},{"name":"loyalty-keeper","position":10,"through":15,"failing":false}]}`
	for name, c := range map[string]struct {
		answers []string // of /v1/jobs; after the last the caller gives up
		asks    string
		err     string
	}{
		"all is booked": {answers: []string{behind, other, there}, asks: "/v1/jobs /v1/jobs /v1/jobs /v1/rfm/calibration?min_position=15"},
		"not in time":   {answers: []string{behind}, asks: "/v1/jobs /v1/jobs", err: "not all is booked yet by stage-keeper ("},
		"no jobs there": {answers: []string{""}, asks: "/v1/jobs", err: "runs no jobs"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var asked []string // a handler is over before the next request is sent, and before Close returns
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := len(asked)
				asked = append(asked, r.URL.String())
				w.Header().Set("Content-Type", "application/json")
				switch {
				case r.URL.Path != "/v1/jobs":
					fmt.Fprint(w, `{"state":"applied"}`)
				case n == len(c.answers):
					cancel()
				case c.answers[n] == "":
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(503)
					fmt.Fprint(w, `{"code":"jobs_elsewhere","detail":"This process runs no jobs; ask one that does."}`)
				default:
					fmt.Fprint(w, c.answers[n])
				}
			}))
			err := settled(ctx, &client.Client{Server: s.URL}, 9)
			s.Close()
			if got := strings.Join(asked, " "); got != c.asks {
				t.Errorf("asked %s, want %s", got, c.asks)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %s", err, c.err)
			}
		})
	}
}

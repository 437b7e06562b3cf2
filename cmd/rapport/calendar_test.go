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
		"all is booked": {answers: []string{behind, other, there}, asks: "/v1/jobs /v1/jobs /v1/jobs /v1/rfm/calibration?min_position=15 /v1/value/calibration?min_position=15"},
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

// Who closes a day waits for the scores, and from where they stand for the
// percentiles and the segments.
func TestFollowed(t *testing.T) {
	t.Parallel()
	answers := map[string][]string{
		"/v1/rfm/calibration": {
			`{"code":"projection_behind"}`, `{"state":"pending","position":9}`, `{"state":"applied","population":3,"position":14}`,
		},
		"/v1/value/calibration": {
			`{"code":"projection_behind"}`, `{"state":"pending","sweeping":0}`, `{"state":"applied","sweeping":2}`, `{"state":"failed","sweeping":0}`,
		},
	}
	for name, c := range map[string]struct {
		answers int // until the caller gives up
		asked   int
		err     string
	}{
		"all follow":            {answers: 7, asked: 7},
		"the segments do not":   {answers: 6, asked: 7, err: "scored, but the segments do not follow yet"},
		"the scores do not":     {answers: 2, asked: 3, err: "the scores do not follow yet"},
		"the server gives none": {answers: -1, asked: 1, err: "out of order"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var asked []string
			of := map[string]int{}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.String())
				n := of[r.URL.Path]
				of[r.URL.Path]++
				w.Header().Set("Content-Type", "application/problem+json")
				switch {
				case c.answers < 0:
					w.WriteHeader(500)
					fmt.Fprint(w, `{"code":"out_of_order","detail":"out of order"}`)
				case len(asked) > c.answers:
					cancel()
				case n == 0:
					w.WriteHeader(503)
					fmt.Fprint(w, answers[r.URL.Path][0])
				default:
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, answers[r.URL.Path][n])
				}
			}))
			state, err := followed(ctx, &client.Client{Server: s.URL}, 9)
			s.Close()
			if len(asked) != c.asked || c.asked == 7 && asked[6] != "/v1/value/calibration?min_position=14" {
				t.Errorf("asked %v", asked)
			}
			if c.err == "" && (err != nil || state.Population != 3) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%+v, %v, want %s", state, err, c.err)
			}
		})
	}
}

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// The demo loads its population through the ordinary commands, refuses none of
// it, and shows what there is to see; over data that is kept it does so again.
func TestDemo(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for range 2 {
		var out, errs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		code := run(ctx, []string{"demo", "--once", "--customers", "90", "--listen", "127.0.0.1:0", "--data", data}, &out, &errs)
		cancel()
		if code != exitDone {
			t.Fatalf("exit code %d\n%s%s", code, &out, &errs)
		}
		for _, want := range []string{"Champions", "/v1/duplicates?min_score=80", "/contactability?purpose=marketing", "/lifecycle/funnel?", "/redeem-points", "/v1/loyalty/liability", "/v1/owners/lin/portfolio", "segments explain slipping-regulars ", "/v1/segments/preview", "not known", "/v1/clusters/shoppers", "?as_of=", "/approve-erasure"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, &out)
			}
		}
		if !strings.Contains(errs.String(), "90 customers and ") {
			t.Errorf("%s", &errs)
		}
	}
	// What the population tells of itself is there, and the one who came twice is found.
	s := serve(t, data, "--calendar", "manual")
	var pairs answer
	eventually(t, func() string {
		if pairs = s.call("GET", "/v1/duplicates", ""); pairs.status != 200 {
			return string(pairs.body)
		}
		return ""
	})
	if strings.Count(string(pairs.body), `"score":`) == 0 {
		t.Errorf("nobody came twice: %s", pairs.body)
	}
	owned := s.call("GET", "/v1/owners/lin/portfolio", "")
	if owned.status != 200 || !strings.Contains(string(owned.body), `"customer_id"`) {
		t.Errorf("%d %s", owned.status, owned.body)
	}
}

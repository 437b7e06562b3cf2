package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The points of all members, in the format that was asked for.
func TestLoyaltyPrints(t *testing.T) {
	t.Parallel()
	const rows = `{"customer":"a,b","points":3,"pending":2,"held":1,"deficit":0,"earned":9,"tier":"gold"}` + "\n" +
		`{"customer":"c","points":0,"pending":0,"held":0,"deficit":7,"earned":0,"tier":""}` + "\n"
	const csv = "customer,points,pending,held,earned,tier\n\"a,b\",3,2,1,9,gold\nc,0,0,0,0,\n"
	for name, c := range map[string]struct {
		args []string
		asks string
		out  string
		code int
	}{
		"csv":          {args: []string{"--source", "till", "--as-of", "2026-01-31"}, asks: "?as_of=2026-01-31&source=till", out: csv},
		"json":         {args: []string{"--format", "json", "--known-at", "2026-01-31"}, asks: "?known_at=2026-01-31", out: rows},
		"no such form": {args: []string{"--format", "xml"}, code: exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			asked := ""
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked += r.URL.String(); r.Header.Get("Accept") != ndjson {
					t.Errorf("%v", r.Header)
				}
				w.Header().Set("Content-Type", ndjson)
				fmt.Fprint(w, rows)
			}))
			var out, errors bytes.Buffer
			code := run(t.Context(), append([]string{"loyalty", "--server", s.URL}, c.args...), &out, &errors)
			s.Close()
			want := ""
			if c.code == exitDone {
				want = "/v1/loyalty/export" + c.asks
			}
			if code != c.code || out.String() != c.out || asked != want {
				t.Errorf("exit code %d, asked %q\n%s%s", code, asked, &out, &errors)
			}
		})
	}
}

package readapi_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rapport-crm/rapport/readapi"
)

func benchmarkGet(b *testing.B, s *shop, path string, header ...string) {
	b.ReportAllocs()
	r := httptest.NewRequest("GET", path, http.NoBody)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for b.Loop() {
		w := httptest.NewRecorder()
		s.http.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkCustomer(b *testing.B) {
	benchmarkGet(b, town(b), "/v1/customers/"+someone(1).String())
}

func BenchmarkCustomers(b *testing.B) {
	benchmarkGet(b, city(b, 200), "/v1/customers?limit=50")
}

func BenchmarkExportRFM(b *testing.B) {
	benchmarkGet(b, city(b, 1000), "/v1/rfm/export?source=till", "Accept", "text/csv")
}

func BenchmarkVerifyExport(b *testing.B) {
	s := city(b, 1000)
	file := s.get("/v1/log").Body.Bytes()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if v, err := readapi.VerifyExport(bytes.NewReader(file)); err != nil || !v.OK {
			b.Fatal(v, err)
		}
	}
	b.ReportMetric(float64(len(s.events))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

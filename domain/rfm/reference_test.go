package rfm

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain"
)

// Every row of the independently computed results is reached from the raw orders.
func TestTheReferenceResultsAreReachedFromTheOrders(t *testing.T) {
	cdnow := orders{"cdnow_sample.csv.gz", "sample_id", "date", "amount"}
	packaged := orders{"rfm_data_orders.csv.gz", "customer_id", "order_date", "revenue"}
	custom := Default("USD")
	custom.Method = Thresholds
	custom.Cuts = &Cuts{
		RecencyDays:   []int64{115, 181, 297, 482},
		Frequency:     []int64{4, 5, 6, 8},
		MonetaryMinor: []int64{25600, 38200, 50600, 66600},
	}
	for _, tc := range []struct {
		orders   orders
		asOf     string
		policy   Policy
		expected string
		rows     int
	}{
		{cdnow, "1998-06-30", Default("USD"), "cdnow_sample_rfm_19980630.csv", 2357},
		{cdnow, "1997-09-30", Default("USD"), "cdnow_sample_rfm_19970930.csv", 2357},
		{packaged, "2006-12-31", Default("USD"), "rfm_orders_default.csv", 995},
		{packaged, "2006-12-31", custom, "rfm_orders_custom.csv", 995},
	} {
		t.Run(tc.expected, func(t *testing.T) {
			values := tc.orders.read(t, tc.asOf)
			var population []Values
			for _, v := range values {
				population = append(population, *v)
			}
			cuts := Calibrate(&tc.policy, Of(population))

			want := table(t, filepath.Join("expected", tc.expected))
			if len(want) != tc.rows || len(values) != tc.rows {
				t.Fatalf("%d rows expected, %d customers computed, want %d", len(want), len(values), tc.rows)
			}
			for _, row := range want {
				v := values[row["customer_id"]]
				if v == nil {
					t.Fatalf("%s has no orders", row["customer_id"])
				}
				s := cuts.Score(*v)
				got := map[string]string{
					"recency_days":      strconv.FormatInt(v.RecencyDays, 10),
					"transaction_count": strconv.FormatInt(v.Frequency, 10),
					"r":                 strconv.Itoa(s.R), "f": strconv.Itoa(s.F), "m": strconv.Itoa(s.M),
					"rfm_score": strconv.Itoa(s.Number()),
				}
				for _, name := range LabelTables() {
					p := Policy{Labels: LabelTable(name), Otherwise: "Others"}
					got[name] = p.Label(s)
				}
				for column, g := range got {
					if row[column] != g {
						t.Errorf("%s: %s is %s, want %s", row["customer_id"], column, g, row[column])
					}
				}
				if minor(t, row["amount"]) != v.MonetaryMinor {
					t.Errorf("%s: amount %d, want %s", row["customer_id"], v.MonetaryMinor, row["amount"])
				}
			}
		})
	}
}

// In the whole cohort one customer's amount is exactly a cut point, 32.35. Binary
// floating point misses it; the upper interval is theirs.
func TestAnAmountOnACutPointBelongsToTheUpperInterval(t *testing.T) {
	values := orders{"cdnow_master.csv.gz", "customer_id", "date", "amount"}.read(t, "1998-06-30")
	var population []Values
	for _, v := range values {
		population = append(population, *v)
	}
	p := Default("USD")
	v := values["00502"]
	if s := Calibrate(&p, Of(population)).Score(*v); v.MonetaryMinor != 3235 || s.M != 3 {
		t.Fatalf("%+v scores %+v, want m = 3", *v, s)
	}
}

// orders names a file of orders and its columns.
type orders struct{ file, customer, date, amount string }

func (o orders) read(t *testing.T, asOf string) map[string]*Values {
	end, err := domain.ParseDate(asOf)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]*Values{}
	for _, row := range table(t, o.file) {
		day, err := domain.ParseDate(row[o.date])
		if err != nil {
			t.Fatal(err)
		}
		if day > end {
			continue
		}
		v := values[row[o.customer]]
		if v == nil {
			v = &Values{RecencyDays: int64(end - day)}
			values[row[o.customer]] = v
		}
		v.RecencyDays = min(v.RecencyDays, int64(end-day))
		v.Frequency++
		v.MonetaryMinor += minor(t, row[o.amount])
	}
	return values
}

// minor reads an amount of up to two decimals as cents.
func minor(t *testing.T, amount string) int64 {
	whole, cents, _ := strings.Cut(amount, ".")
	n, err := strconv.ParseInt(whole+(cents + "00")[:2], 10, 64)
	if err != nil || len(cents) > 2 {
		t.Fatalf("amount %q", amount)
	}
	return n
}

// table reads a CSV file of the reference data, as rows by column name.
func table(t *testing.T, name string) []map[string]string {
	folder := os.Getenv("RAPPORT_SHARED_DATA")
	if folder == "" {
		folder = "../../../shared/data"
	}
	f, err := os.Open(filepath.Join(folder, name))
	if os.IsNotExist(err) {
		t.Skipf("the reference data is not here (%v); set RAPPORT_SHARED_DATA to its folder", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]map[string]string, 0, len(records)-1)
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, column := range records[0] {
			row[column] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}

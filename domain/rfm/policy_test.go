package rfm

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
)

func TestEveryShippedPolicyMayBePublished(t *testing.T) {
	names := map[string]bool{}
	for _, currency := range []string{"USD", "EUR", "JPY", "KWD"} {
		for _, p := range Shipped(currency) {
			if err := p.Validate(); err != nil {
				t.Errorf("%s in %s: %v", p.Name, currency, err)
			}
			names[p.Name] = true
		}
	}
	if len(names) != len(Shipped("EUR")) {
		t.Errorf("names are not unique: %v", names)
	}
}

func TestAWrongPolicyIsRefusedByTheNameOfTheField(t *testing.T) {
	thresholds := func(p *Policy) { *p = Shipped("USD")[3] }
	for _, tc := range []struct {
		name    string
		change  func(*Policy)
		pointer string
	}{
		{"no name", func(p *Policy) { p.Name = " " }, "/policy/name"},
		{"long name", func(p *Policy) { p.Name = strings.Repeat("ä", 101) }, "/policy/name"},
		{"unknown currency", func(p *Policy) { p.Currency = "XYZ" }, "/policy/currency"},
		{"lower-case currency", func(p *Policy) { p.Currency = "usd" }, "/policy/currency"},
		{"one bin", func(p *Policy) { p.Bins = 1 }, "/policy/bins"},
		{"ten bins", func(p *Policy) { p.Bins = 10 }, "/policy/bins"},
		{"unknown method", func(p *Policy) { p.Method = "guess" }, "/policy/method"},
		{"quantiles with cuts", func(p *Policy) { p.Cuts = &Cuts{} }, "/policy/cuts"},
		{"thresholds without cuts", func(p *Policy) { p.Method = Thresholds }, "/policy/cuts"},
		{"too few cuts", func(p *Policy) { thresholds(p); p.Cuts.RecencyDays = []int64{1, 2, 3} }, "/policy/cuts/recency_days"},
		{"equal cuts", func(p *Policy) { thresholds(p); p.Cuts.Frequency = []int64{1, 2, 2, 3} }, "/policy/cuts/frequency/2"},
		{"falling cuts", func(p *Policy) { thresholds(p); p.Cuts.MonetaryMinor = []int64{5, 4, 6, 7} }, "/policy/cuts/monetary_minor/1"},
		{"huge cut", func(p *Policy) { thresholds(p); p.Cuts.MonetaryMinor[3] = MaxAmount + 1 }, "/policy/cuts/monetary_minor/3"},
		{"negative window", func(p *Policy) { p.WindowDays = -1 }, "/policy/window_days"},
		{"unknown orders", func(p *Policy) { p.Orders = "" }, "/policy/orders"},
		{"unknown amounts", func(p *Policy) { p.Amounts = "nett" }, "/policy/amounts"},
		{"no other label", func(p *Policy) { p.Otherwise = "" }, "/policy/otherwise"},
		{"label without name", func(p *Policy) { p.Labels[1].Name = "" }, "/policy/labels/1/name"},
		{"label without rule", func(p *Policy) { p.Labels[1].Codes = nil }, "/policy/labels/1"},
		{"label with both", func(p *Policy) { p.Labels[1].Recency = &Range{1, 5} }, "/policy/labels/1"},
		{"code of other bins", func(p *Policy) { p.Labels[0].Codes[2] = "556" }, "/policy/labels/0/codes/2"},
		{"code of two digits", func(p *Policy) { p.Labels[0].Codes[0] = "55" }, "/policy/labels/0/codes/0"},
		{"range missing", func(p *Policy) { p.Labels[0] = Label{Name: "A", Recency: &Range{1, 5}, Monetary: &Range{1, 5}} }, "/policy/labels/0/frequency"},
		{"range upside down", func(p *Policy) { p.Labels[0] = Label{"A", nil, &Range{1, 5}, &Range{3, 2}, &Range{1, 5}} }, "/policy/labels/0/frequency"},
		{"range outside", func(p *Policy) { p.Labels[0] = Label{"A", nil, &Range{1, 5}, &Range{1, 5}, &Range{0, 5}} }, "/policy/labels/0/monetary"},
		{"example it fails", func(p *Policy) { p.Examples[3].Label = "Champions" }, "/policy/examples/3/label"},
		{"example outside", func(p *Policy) { p.Examples[0].F = 6 }, "/policy/examples/0/f"},
	} {
		p := Default("USD")
		tc.change(&p)
		err := p.Validate()
		var refusal *domain.Error
		if !errors.As(err, &refusal) || len(refusal.Fields) != 1 || refusal.Fields[0].Pointer != tc.pointer {
			t.Errorf("%s: %v, want one problem at %s", tc.name, err, tc.pointer)
		}
	}
}

func TestEveryProblemOfAPolicyIsNamedAtOnce(t *testing.T) {
	var refusal *domain.Error
	if err := (&Policy{}).Validate(); !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	var pointers []string
	for _, f := range refusal.Fields {
		pointers = append(pointers, f.Pointer)
	}
	want := []string{"/policy/name", "/policy/currency", "/policy/bins", "/policy/method", "/policy/orders", "/policy/amounts", "/policy/otherwise"}
	if diff := cmp.Diff(want, pointers); diff != "" {
		t.Fatal(diff)
	}
}

func TestTheFirstLabelThatMatchesWins(t *testing.T) {
	p := Policy{Bins: 5, Otherwise: "Rest", Labels: []Label{
		{Name: "Code", Codes: []string{"555"}},
		{Name: "Range", Recency: &Range{4, 5}, Frequency: &Range{4, 5}, Monetary: &Range{4, 5}},
		{Name: "Later", Codes: []string{"444"}},
	}}
	for code, want := range map[string]string{"555": "Code", "444": "Range", "445": "Range", "111": "Rest"} {
		s, err := ParseScores(code, 5)
		if err != nil || p.Label(s) != want || s.Code() != code {
			t.Errorf("%s is %q, %v; want %q", code, p.Label(s), err, want)
		}
	}
}

func TestSegment11NamesAllCodesOnce(t *testing.T) {
	seen := map[string]string{}
	for _, l := range LabelTable(Segment11) {
		for _, code := range l.Codes {
			if other, twice := seen[code]; twice {
				t.Errorf("%s is %s and %s", code, other, l.Name)
			}
			seen[code] = l.Name
		}
	}
	if len(seen) != 125 {
		t.Errorf("%d codes", len(seen))
	}
	if LabelTable("segment_x") != nil {
		t.Error("an unknown table has labels")
	}
}

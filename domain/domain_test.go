package domain_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/rapport-crm/rapport/domain"
	"pgregory.net/rapid"
)

func TestMinorUnits(t *testing.T) {
	for code, want := range map[string]int{
		"EUR": 2, "USD": 2, "JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "VND": 0, "KWD": 3, "BHD": 3, "TND": 3, "CLF": 4, "UYW": 4,
		"SLE": 2, "VED": 2, "ZWG": 2, "XCG": 2, "DEM": 2, "ITL": 0,
	} {
		if got, ok := domain.MinorUnits(code); !ok || got != want {
			t.Errorf("%s has %d decimals, %v; want %d", code, got, ok, want)
		}
	}
	for _, code := range []string{"", "eur", "Eur", "EURO", "EUX", "XAU", "XDR", "GGP", "€"} {
		if _, ok := domain.MinorUnits(code); ok {
			t.Errorf("%q is a currency", code)
		}
	}
	if unit, ok := domain.MajorUnit("KWD"); unit != 1000 || !ok {
		t.Errorf("one dinar is %d fils", unit)
	}
}

func TestProductsNeverOverflow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64}))
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		want := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		fits := a >= 0 && b >= 0 && want.IsInt64()
		if got, ok := domain.MulMinor(a, b); ok != fits || ok && got != want.Int64() {
			t.Errorf("%d × %d = %d, %v", a, b, got, ok)
		}
	})
}

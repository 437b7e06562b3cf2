package rfm

import (
	"math/big"
	"strings"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// maxRate bounds the text of a rate, so that it is cheap to compute with.
const maxRate = 40

// convert returns an amount in another currency at a decimal rate per major
// unit, rounded to the nearest minor unit, half away from zero.
func convert(m domain.Money, rate, into string) (domain.Money, bool) {
	from, knownFrom := domain.MinorUnits(m.Currency)
	to, knownTo := domain.MinorUnits(into)
	if !knownFrom || !knownTo || len(rate) > maxRate || strings.Trim(rate, "0123456789.") != "" {
		return domain.Money{}, false
	}
	r, ok := new(big.Rat).SetString(rate)
	if !ok || r.Sign() <= 0 {
		return domain.Money{}, false
	}
	r.Mul(r, new(big.Rat).SetFrac(power(to), power(from)))
	r.Mul(r, new(big.Rat).SetInt64(m.AmountMinor))
	minor, ok := round(r)
	return domain.Money{AmountMinor: minor, Currency: into}, ok
}

// share returns whole × part / of, rounded half away from zero; all of it where
// there is nothing to share by.
func share(whole, part, of int64) int64 {
	if of == 0 || part == of {
		return whole
	}
	r := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(whole), big.NewInt(part)), big.NewInt(of))
	minor, _ := round(r)
	return minor
}

func power(digits int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
}

// round reports false, and the nearest bound, for what is beyond all amounts.
func round(r *big.Rat) (int64, bool) {
	twice := new(big.Int).Mul(r.Num(), big.NewInt(2))
	half := new(big.Int).Set(r.Denom())
	if r.Sign() < 0 {
		half.Neg(half)
	}
	q := new(big.Int).Quo(twice.Add(twice, half), new(big.Int).Mul(r.Denom(), big.NewInt(2)))
	limit := big.NewInt(rfm.MaxAmount)
	if q.CmpAbs(limit) > 0 {
		return int64(r.Sign()) * rfm.MaxAmount, false
	}
	return q.Int64(), true
}

// add returns a sum of amounts that stops at the greatest there is.
func add(a, b int64) int64 {
	return clamp(clamp(a) + clamp(b))
}

func clamp(v int64) int64 { return max(-rfm.MaxAmount, min(v, rfm.MaxAmount)) }

package domain

import (
	"math/big"
	"strings"
)

// MaxSumMinor bounds sums of money, in minor units.
const MaxSumMinor = 1 << 59

// maxRate bounds the text of a rate, so that it is cheap to compute with.
const maxRate = 40

// Convert returns an amount in another currency at a decimal rate per major unit,
// rounded to the nearest minor unit, half away from zero. It reports false for a
// currency or a rate that is none, and for what is beyond MaxSumMinor.
func (m Money) Convert(rate, into string) (Money, bool) {
	from, knownFrom := MinorUnits(m.Currency)
	to, knownTo := MinorUnits(into)
	if !knownFrom || !knownTo || len(rate) > maxRate || strings.Trim(rate, "0123456789.") != "" {
		return Money{}, false
	}
	r, ok := new(big.Rat).SetString(rate)
	if !ok || r.Sign() <= 0 {
		return Money{}, false
	}
	r.Mul(r, new(big.Rat).SetFrac(power(to), power(from)))
	r.Mul(r, new(big.Rat).SetInt64(m.AmountMinor))
	minor, ok := round(r)
	return Money{AmountMinor: minor, Currency: into}, ok
}

// ShareMinor returns whole × part / of, rounded half away from zero; all of it
// where there is nothing to share by.
func ShareMinor(whole, part, of int64) int64 {
	if of == 0 || part == of {
		return whole
	}
	r := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(whole), big.NewInt(part)), big.NewInt(of))
	minor, _ := round(r)
	return minor
}

// AddMinor returns a sum of amounts that stops at MaxSumMinor, and at as much
// below zero.
func AddMinor(a, b int64) int64 {
	return ClampMinor(ClampMinor(a) + ClampMinor(b))
}

// ClampMinor returns the nearest amount within MaxSumMinor.
func ClampMinor(v int64) int64 { return max(-MaxSumMinor, min(v, MaxSumMinor)) }

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
	limit := big.NewInt(MaxSumMinor)
	if q.CmpAbs(limit) > 0 {
		return int64(r.Sign()) * MaxSumMinor, false
	}
	return q.Int64(), true
}

package domain

import (
	"math/bits"
	"strconv"
	"strings"
)

// Money is an amount in the minor unit of an ISO 4217 currency: 1299 EUR is
// 12.99 euro, 1299 JPY is 1,299 yen.
type Money struct {
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
}

// Major writes the amount in major units with all its decimals, without the currency:
// 8900 USD is "89.00".
func (m Money) Major() string {
	digits, _ := MinorUnits(m.Currency)
	sign := ""
	n := uint64(m.AmountMinor)
	if m.AmountMinor < 0 {
		sign, n = "-", -n
	}
	s := strconv.FormatUint(n, 10)
	if digits == 0 {
		return sign + s
	}
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// MaxAmountMinor bounds every single amount, so that sums of many of them stay
// far from the end of an int64.
const MaxAmountMinor = 1_000_000_000_000_000

// MulMinor multiplies a quantity and a price that are not negative; ok is false
// if the product does not fit, or one of them is negative.
func MulMinor(quantity, price int64) (product int64, ok bool) {
	if quantity < 0 || price < 0 {
		return 0, false
	}
	high, low := bits.Mul64(uint64(quantity), uint64(price))
	return int64(low), high == 0 && low <= 1<<63-1
}

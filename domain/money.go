package domain

import "math/bits"

// Money is an amount in the minor unit of an ISO 4217 currency: 1299 EUR is
// 12.99 euro, 1299 JPY is 1,299 yen.
type Money struct {
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
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

package domain

// Money is an amount in the minor unit of an ISO 4217 currency: 1299 EUR is
// 12.99 euro, 1299 JPY is 1,299 yen.
type Money struct {
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
}

package readapi

// LoyaltyTypes is how the types of all events begin that accounts follow from.
func LoyaltyTypes() []string { return loyaltyTypes() }

// OrderTypes is how the types of all events begin that scores follow from.
func OrderTypes() []string { return orderTypes() }

// JudgeAtOnce bounds how many customers of a past are in memory at the same time.
func JudgeAtOnce(n int) (before int) {
	before, againAtOnce = againAtOnce, n
	return before
}

// SetVisits sets how many orders are looked at to find the events behind scores, and
// returns what sets it back.
func SetVisits(n int) func() {
	was := visits
	visits = n
	return func() { visits = was }
}

package readapi

// LoyaltyTypes is how the types of all events begin that accounts follow from.
func LoyaltyTypes() []string { return loyaltyTypes() }

// OrderTypes is how the types of all events begin that scores follow from.
func OrderTypes() []string { return orderTypes() }

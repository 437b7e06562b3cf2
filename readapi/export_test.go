package readapi

// LoyaltyTypes is how the types of all events begin that accounts follow from.
func LoyaltyTypes() []string { return loyaltyTypes() }

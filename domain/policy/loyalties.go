package policy

import "github.com/rapport-crm/rapport/domain/loyalty"

// Loyalties returns the versions of the loyalty programme, ascending by the date
// from which they hold.
func (s Set) Loyalties() []loyalty.Version {
	versions := make([]loyalty.Version, 0, len(s[KindLoyalty]))
	for _, p := range s[KindLoyalty] {
		if p.Loyalty != nil {
			versions = append(versions, loyalty.Version{From: p.EffectiveFrom, Version: p.Version, Policy: p.Loyalty})
		}
	}
	return versions
}

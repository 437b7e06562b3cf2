package policy

import "github.com/rapport-crm/rapport/domain/tier"

// Tiers returns the versions of the tier policy, ascending by the date from which
// they hold; none where no ladder was published.
func (s Set) Tiers() []tier.Version {
	versions := make([]tier.Version, 0, len(s[KindTier]))
	for _, p := range s[KindTier] {
		if p.Tier != nil {
			versions = append(versions, tier.Version{From: p.EffectiveFrom, Version: p.Version, Policy: p.Tier})
		}
	}
	return versions
}

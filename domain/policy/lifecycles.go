package policy

import "github.com/rapport-crm/rapport/domain/lifecycle"

// Lifecycles returns the versions of the lifecycle policy, ascending by the date
// from which they hold.
func (s Set) Lifecycles() []lifecycle.Version {
	versions := make([]lifecycle.Version, 0, len(s[KindLifecycle]))
	for _, p := range s[KindLifecycle] {
		if p.Lifecycle != nil {
			versions = append(versions, lifecycle.Version{From: p.EffectiveFrom, Version: p.Version, Policy: p.Lifecycle})
		}
	}
	return versions
}

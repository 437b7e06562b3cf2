package portfolio

import "github.com/rapport-crm/rapport/domain"

// Policy says how customers change hands.
type Policy struct {
	Name string `json:"name"`
	// ClaimCoolDownDays is how many business days after its release a customer
	// cannot be claimed by the employee who owned it before.
	ClaimCoolDownDays int `json:"claim_cool_down_days"`
}

// Default returns the policy a deployment begins with.
func Default() Policy { return Policy{Name: "standard", ClaimCoolDownDays: 30} }

// Validate says what is wrong with the policy, field by field.
func (p Policy) Validate() error {
	var e domain.Problems
	e.Required("/policy/name", p.Name, 100)
	if p.ClaimCoolDownDays < 0 || p.ClaimCoolDownDays > 3660 {
		e.Add("/policy/claim_cool_down_days", "must be between 0 and 3660")
	}
	return e.Err()
}

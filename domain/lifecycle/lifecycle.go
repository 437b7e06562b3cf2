// Package lifecycle is the stages a customer goes through: which there are, which
// moves are allowed, what a policy says of moves that nobody makes, and how the
// five stages read as four.
package lifecycle

// Stages, in the order in which most customers see them.
const (
	Potential    = "potential"    // known, has not bought
	Converting   = "converting"   // on the way to the first order
	Active       = "active"       // buys
	AtRisk       = "at_risk"      // has not bought for longer than is good
	Churned      = "churned"      // lost
	Reactivating = "reactivating" // lost, and being won back
)

// Stages is every stage, in order.
var Stages = []string{Potential, Converting, Active, AtRisk, Churned, Reactivating}

var moves = map[string][]string{
	Potential:    {Converting, Active, Churned},
	Converting:   {Active, Churned},
	Active:       {AtRisk, Churned},
	AtRisk:       {Active, Churned},
	Churned:      {Reactivating, Active},
	Reactivating: {Active, Churned},
}

// Next returns the stages to which a customer of a stage may move.
func Next(stage string) []string { return moves[stage] }

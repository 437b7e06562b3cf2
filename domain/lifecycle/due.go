package lifecycle

import (
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// Known says whether there is a stage of that name.
func Known(stage string) bool { return slices.Contains(Stages, stage) }

// Allowed says whether a customer may move from one stage to another.
func Allowed(from, to string) bool { return slices.Contains(moves[from], to) }

// Version is a policy with the business date from which it holds, until the next
// one does.
type Version struct {
	From    domain.Date
	Version int
	Policy  *Policy
}

// Move is a move that nobody makes: it happens when a customer was idle for long
// enough.
type Move struct {
	To      string
	On      domain.Date // the business day that begins with it
	After   int         // idle days
	Version int         // of the policy that says so
}

// Due returns the move that is made of a customer of a stage if nothing happens.
// idle is the date from which idle days count, after the business date on which
// the stage was entered; versions ascend by date. Which policy decides is that of
// the day of the move, so that the move is the same whether every day is looked
// at when it begins, or many at once later. false: there is none.
//
// A customer who is being won back is lost again after as many days without an
// order as put an active one at risk.
func Due(stage string, idle, after domain.Date, versions []Version) (Move, bool) {
	for i, v := range versions {
		m := Move{Version: v.Version}
		switch stage {
		case Active:
			m.To, m.After = AtRisk, v.Policy.AtRiskAfterDays
		case AtRisk:
			m.To, m.After = Churned, v.Policy.ChurnedAfterDays
		case Reactivating:
			m.To, m.After = Churned, v.Policy.AtRiskAfterDays
		default:
			return Move{}, false
		}
		m.On = max(idle+domain.Date(m.After), v.From, after)
		if i+1 == len(versions) || m.On < versions[i+1].From {
			return m, true
		}
	}
	return Move{}, false
}

// Idle returns the stage that a number of idle days says.
func (p Policy) Idle(days int) string {
	switch {
	case days < p.AtRiskAfterDays:
		return Active
	case days < p.ChurnedAfterDays:
		return AtRisk
	}
	return Churned
}

// The stages that four are made of. Potential is the same in both.
const (
	Acquisition = "acquisition" // on the way to the first order
	Development = "development" // buys, and is not yet one to be kept
	Retained    = "retention"   // buys for long enough to be kept, or is to be kept from going, or won back
)

// FourStages is every stage of the four-stage view, in order.
var FourStages = []string{Potential, Acquisition, Development, Retained}

// FourStage returns what a stage is in the four-stage view. An active customer is
// in development until both their paid orders and the days since the first of
// them are what the policy asks for. Who is at risk, lost or being won back has
// bought before and is a matter of retention, however little they bought.
func FourStage(stage string, orders, daysSinceFirst int, p Policy) string {
	switch {
	case stage == Converting:
		return Acquisition
	case stage == Active && (orders < p.Retention.Orders || daysSinceFirst < p.Retention.Days):
		return Development
	case stage == Active, stage == AtRisk, stage == Churned, stage == Reactivating:
		return Retained
	}
	return stage
}

package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
)

// Care is how the customer was thought of: at their moments, and once a year.
type Care struct {
	Done    []CareAction   `json:"done,omitempty"`           // the latest, as they were recorded
	Rewards []AnnualReward `json:"annual_rewards,omitempty"` // likewise
}

// CareAction is a moment that was acted on.
type CareAction struct {
	Occasion   string      `json:"occasion"`
	Year       int         `json:"year"`
	On         domain.Date `json:"on"` // the date of the moment
	Channel    string      `json:"channel"`
	LegalBasis string      `json:"legal_basis"`
	GiftPoints int64       `json:"gift_points,omitempty"`
	At         time.Time   `json:"at"`
	EventID    uuid.UUID   `json:"event_id,omitzero"`
	// ConsentEventID is the consent, or other basis on record, that let it be done.
	ConsentEventID uuid.UUID `json:"consent_event_id,omitzero"`
}

// AnnualReward is what a member was given for a year.
type AnnualReward struct {
	Kind      string       `json:"kind"`
	Period    int          `json:"period"`
	Value     RewardValue  `json:"value"`
	GrantedBy domain.Actor `json:"granted_by"`
	GrantedAt time.Time    `json:"granted_at"`
	EventID   uuid.UUID    `json:"event_id,omitzero"`
}

// What is shown is bounded; the write side knows all of it.
const (
	maxCareActions   = 200
	maxAnnualRewards = 50
)

// Fold brings it up to date with an event. told is what the customer said of being
// contacted, up to the event.
func (x *Care) Fold(r Record, told Permissions) {
	switch e := r.Event.(type) {
	case CareActionDone:
		done := CareAction{
			Occasion: e.Occasion, Year: e.Year, On: e.On, Channel: e.Channel, LegalBasis: e.LegalBasis,
			GiftPoints: e.GiftPoints, At: e.At, EventID: r.ID,
		}
		if said := told.deciding(e.Purpose, e.Channel, e.At); said != nil && e.ConsentedAt != nil && said.At.Equal(*e.ConsentedAt) {
			done.ConsentEventID = said.EventID
		}
		x.Done = append(x.Done[max(0, len(x.Done)+1-maxCareActions):], done)
	case AnnualRewardGranted:
		x.Rewards = append(x.Rewards[max(0, len(x.Rewards)+1-maxAnnualRewards):], AnnualReward{
			Kind: e.Kind, Period: e.Period, Value: e.Value, GrantedBy: e.GrantedBy, GrantedAt: e.GrantedAt, EventID: r.ID,
		})
	}
}

// Of returns what was done for an occasion of a year, as far as it is shown.
func (x *Care) Of(occasion string, year int) (CareAction, bool) {
	for i := len(x.Done) - 1; i >= 0; i-- {
		if d := x.Done[i]; d.Occasion == occasion && d.Year == year {
			return d, true
		}
	}
	return CareAction{}, false
}

// yearly is something that there is once a year.
type yearly struct {
	what string
	year int
}

// cared is everything that was ever done for the customer, for the write side.
type cared struct {
	actions map[yearly]CareActionDone
	rewards map[yearly]AnnualRewardGranted
}

func (x *cared) fold(e Event) {
	switch e := e.(type) {
	case CareActionDone:
		if x.actions == nil {
			x.actions = map[yearly]CareActionDone{}
		}
		e.Note = ""
		x.actions[yearly{e.Occasion, e.Year}] = e
	case AnnualRewardGranted:
		if x.rewards == nil {
			x.rewards = map[yearly]AnnualRewardGranted{}
		}
		e.Note = ""
		x.rewards[yearly{e.Kind, e.Period}] = e
	}
}

// Why a command of care is refused.
var (
	ErrNoCarePolicy     = &domain.Error{Kind: domain.Conflict, Code: "care_policy_missing"}
	ErrCareUnknown      = &domain.Error{Kind: domain.Conflict, Code: "care_unknown"}
	ErrCareDone         = &domain.Error{Kind: domain.Conflict, Code: "care_done"}
	ErrCareNotDue       = &domain.Error{Kind: domain.Conflict, Code: "care_not_due"}
	ErrCareNoBirthDate  = &domain.Error{Kind: domain.Conflict, Code: "care_no_birth_date"}
	ErrCareNotMember    = &domain.Error{Kind: domain.Conflict, Code: "care_not_member"}
	ErrRewardGranted    = &domain.Error{Kind: domain.Conflict, Code: "annual_reward_granted"}
	ErrRewardNotAllowed = &domain.Error{Kind: domain.Conflict, Code: "annual_reward_not_allowed"}
)

// The years that moments and rewards may be of.
const (
	firstYear = 1900
	lastYear  = 2200
)

func checkYear(p *domain.Problems, pointer string, year int) {
	if year < firstYear || year > lastYear {
		p.Add(pointer, "must be between %d and %d", firstYear, lastYear)
	}
}

// BirthDate returns the customer's date of birth, false if it is not known.
func (p *Profile) BirthDate() (domain.Date, bool) {
	if p.Demographics.BirthDate == "" {
		return 0, false
	}
	d, err := domain.ParseDate(p.Demographics.BirthDate)
	return d, err == nil
}

// moment returns the date of an occasion in a year, and why there is none.
func (s State) moment(of domain.Subject, o care.Occasion, year int) (domain.Date, error) {
	var since domain.Date
	switch o.Kind {
	case care.Birthday:
		born, ok := s.BirthDate()
		if !ok {
			return 0, ErrCareNoBirthDate.With("the customer's date of birth is not known; update-demographics says it")
		}
		since = born
	case care.Anniversary:
		joined, ok := memberSince(s)
		if !ok {
			return 0, ErrCareNotMember.With("the customer is not a member of the loyalty programme")
		}
		since = of.DateOf(joined)
	}
	on, ok := o.On(year, since)
	if !ok {
		return 0, ErrCareNotDue.With("%s has no date in %d", o.ID, year)
	}
	return on, nil
}

// memberSince returns since when the customer is a member of the loyalty programme,
// false if they are not.
func memberSince(s State) (time.Time, bool) { return s.Loyalty.JoinedAt, s.Loyalty.Joined }

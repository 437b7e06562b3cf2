package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// CareActionDone says that a moment of the customer was acted on: their birthday,
// the anniversary of their membership, or a festival. It is a contact as well, and
// counts like one.
type CareActionDone struct {
	Occasion string      `json:"occasion"` // of the care policy
	Year     int         `json:"year"`     // of a festival of another calendar: that calendar's
	On       domain.Date `json:"on"`       // the date of the moment
	Channel  string      `json:"channel"`
	Purpose  string      `json:"purpose"`
	// LegalBasis is what let the contact be made; ConsentedAt is when the consent
	// was given, or the other basis recorded, that decided. Absent: the purpose
	// itself has the basis.
	LegalBasis  string     `json:"legal_basis"`
	ConsentedAt *time.Time `json:"consented_at,omitempty"`
	Free        bool       `json:"free,omitempty"`        // does not count for the frequency cap
	WindowDays  int        `json:"window_days,omitempty"` // of the frequency cap that was looked at
	GiftPoints  int64      `json:"gift_points,omitempty"` // given with it
	Note        string     `json:"note,omitempty" personal:"true"`
	At          time.Time  `json:"at"`
}

// AnnualRewardGranted says what a member was given for a year.
type AnnualRewardGranted struct {
	Kind      string       `json:"kind"`   // one of care.RewardKinds
	Period    int          `json:"period"` // the year
	Value     RewardValue  `json:"value"`
	Note      string       `json:"note,omitempty" personal:"true"`
	GrantedBy domain.Actor `json:"granted_by"`
	GrantedAt time.Time    `json:"granted_at"`
}

// RewardValue is what an annual reward is: points, an amount of money, or a gift.
type RewardValue struct {
	Points int64         `json:"points,omitempty"`
	Amount *domain.Money `json:"amount,omitempty"`
	Gift   string        `json:"gift,omitempty"` // a code
}

// same says whether two values are the same.
func (v RewardValue) same(w RewardValue) bool {
	return v.Points == w.Points && equal(v.Amount, w.Amount) && v.Gift == w.Gift
}

func (CareActionDone) customerEvent()      {}
func (AnnualRewardGranted) customerEvent() {}

// Occurred implements domain.Dated.
func (e CareActionDone) Occurred() time.Time      { return e.At }
func (e AnnualRewardGranted) Occurred() time.Time { return e.GrantedAt }

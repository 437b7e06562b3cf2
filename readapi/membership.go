package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// Membership is where a customer stands in the loyalty programme, in short.
type Membership struct {
	Member      bool      `json:"member"`
	MemberSince time.Time `json:"member_since,omitzero"`
	Spendable   int64     `json:"spendable"` // points
	Tier        string    `json:"tier,omitempty"`
}

// appendMembership appends where a customer stands in the loyalty programme, if they
// ever were a member.
func (a *API) appendMembership(ctx context.Context, dst []byte, d *loyalty.Document, w *projections.World, m moment) ([]byte, error) {
	if !d.Kept() {
		return dst, nil
	}
	l, err := a.accountLook(ctx, d, w, m)
	if err != nil {
		return dst, err
	}
	account := l.account(&d.Account)
	is := Membership{account.Joined, account.JoinedAt, account.Balance().Spendable, ""}
	if account.Joined {
		is.Tier = l.level(&account)
	}
	b, err := json.Marshal(is)
	return append(append(dst, `,"loyalty":`...), b...), err
}

// accountLook is when the account of one customer is looked at: at the time that a
// moment names, or business now. That is never before the account itself, and the
// account's own time before the first day is closed by hand.
func (a *API) accountLook(ctx context.Context, d *loyalty.Document, w *projections.World, m moment) (*pointsLook, error) {
	l := &pointsLook{world: w, past: m}
	if !m.present() {
		l.then = m.shown()
	}
	if err := a.setNow(ctx, l); err != nil {
		return nil, err
	}
	switch {
	case m.asOf != nil:
		l.at = m.asOf.UTC()
	case l.at.Before(d.Clock):
		l.at = d.Clock.UTC()
	}
	if !l.at.IsZero() {
		l.today = domain.DateOf(l.at, l.zone)
	}
	return l, nil
}

func loyaltyDocument(stored []byte) (*loyalty.Document, error) {
	d := new(loyalty.Document)
	if stored == nil {
		return d, nil
	}
	if err := goccy.Unmarshal(stored, d); err != nil { // as the view reads it
		return nil, fmt.Errorf("loyalty document: %w", err)
	}
	return d, nil
}

// accountFields is what a history shows of an account: what is booked.
type accountFields struct {
	Member      bool      `json:"member"`
	MemberSince time.Time `json:"member_since,omitzero"`
	customer.Balance
	Tier           string              `json:"tier,omitempty"`
	TierValidUntil *time.Time          `json:"tier_valid_until,omitempty"`
	NextLapse      *nextLapse          `json:"next_lapse,omitempty"`
	Proposals      []customer.Proposal `json:"proposals,omitempty"`
}

// nextLapse is the points that lapse first.
type nextLapse struct {
	At     time.Time `json:"at"`
	Points int64     `json:"points"`
}

func fieldsOf(a *customer.Account) accountFields {
	f := accountFields{
		Member: a.Joined, MemberSince: a.JoinedAt, Balance: a.Balance(),
		Tier: a.Tier.Level, TierValidUntil: a.Tier.ValidUntil, Proposals: a.Proposals,
	}
	for i := range a.Lots { // the first to lapse come first
		end := a.Lots[i].ExpiresAt
		if end == nil || f.NextLapse != nil && !end.Equal(f.NextLapse.At) {
			break
		}
		if f.NextLapse == nil {
			f.NextLapse = &nextLapse{At: *end}
		}
		f.NextLapse.Points += a.Lots[i].Remaining
	}
	return f
}

package customer

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// WithdrawConsent says that the customer does not want to be contacted for a purpose
// on a channel; without them, for any purpose and on any channel. It is a withdrawal
// of what they consented to and an objection to what needs no consent. It is never
// refused for what it asks, also when nobody ever consented, the policy does not know
// the purpose, or the customer was erased.
type WithdrawConsent struct {
	domain.Subject `json:"-"`

	Purpose string `json:"purpose,omitempty"` // every purpose if absent or *
	Channel string `json:"channel,omitempty"` // every channel if absent or *
	// Via is the way by which they said so, such as link, reply, phone or letter.
	Via         string     `json:"via,omitempty" jsonschema:"maxLength=64"`
	WithdrawnAt *time.Time `json:"withdrawn_at,omitempty"` // now if absent or in the future
}

// AfterErasure implements domain.AfterErasure: a link to unsubscribe works for ever.
func (WithdrawConsent) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (WithdrawConsent) WhileRestricted() {}

// Stream implements domain.Command.
func (c WithdrawConsent) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (WithdrawConsent) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c WithdrawConsent) Decide(s State) ([]Event, error) {
	if s.Erased {
		return nil, nil
	}
	if c.Purpose == "" {
		c.Purpose = Every
	}
	if c.Channel == "" {
		c.Channel = Every
	}
	var p domain.Problems
	checkWord(&p, "/purpose", c.Purpose)
	checkWord(&p, "/channel", c.Channel)
	checkWord(&p, "/via", c.Via)
	dated := c.WithdrawnAt != nil && (c.Latest.IsZero() || !c.WithdrawnAt.After(c.Latest))
	if !dated {
		c.WithdrawnAt = nil
	}
	at := c.At(&p, "/withdrawn_at", c.WithdrawnAt, time.Time{}, "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if s.consent(c.Purpose, c.Channel) == nil && len(s.Consents) >= maxConsents {
		c.Purpose, c.Channel = Every, Every // there is no room for less
	}
	latest := s.lastGrant(c.Purpose, c.Channel)
	if !dated && at.Before(latest) {
		at = latest // who says no now takes back what was dated later
	}
	if s.withdrawn(c.Purpose, c.Channel, at, latest, dated) {
		return nil, nil
	}
	return []Event{ConsentWithdrawn{Purpose: c.Purpose, Channel: c.Channel, Via: c.Via, WithdrawnAt: at}}, nil
}

// checkWord notes that a text is not a code: those are stored in the clear and
// outlive an erasure.
func checkWord(p *domain.Problems, pointer, code string) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:"
	if code != Every && (len(code) > 64 || strings.Trim(code, letters) != "") {
		p.Add(pointer, "must have at most 64 letters, digits and _ - . :")
	}
}

// lastGrant returns when something was granted last that a withdrawal would end.
func (x Permissions) lastGrant(purpose, channel string) (latest time.Time) {
	for _, c := range x.Consents {
		if !overlaps(c.Purpose, purpose) || !overlaps(c.Channel, channel) {
			continue
		}
		i := slices.IndexFunc(c.Facts, func(f ConsentFact) bool { return !f.Withdrawn })
		if i >= 0 && c.Facts[i].At.After(latest) {
			latest = c.Facts[i].At
		}
	}
	return latest
}

// withdrawn says whether a withdrawal says nothing new: the same or more was said
// at that instant, or, where it is not dated, was said and no grant came since.
func (x Permissions) withdrawn(purpose, channel string, at, latest time.Time, dated bool) bool {
	return slices.ContainsFunc(x.Consents, func(c Consent) bool {
		return covers(c.Purpose, purpose) && covers(c.Channel, channel) && slices.ContainsFunc(c.Facts, func(f ConsentFact) bool {
			return f.Withdrawn && (f.At.Equal(at) || !dated && !f.At.Before(latest))
		})
	})
}

package customer

import (
	"fmt"
	"slices"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/world"
)

// SetChannelPreference says how the customer likes to be contacted. It says all of
// it: what is absent is left to the policy of contacts.
type SetChannelPreference struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Channels     []string       `json:"channels,omitempty" jsonschema:"maxItems=100"` // the best first
	Language     string         `json:"language,omitempty"`                           // BCP 47
	QuietHours   *contact.Hours `json:"quiet_hours,omitempty"`                        // in the customer's time zone, instead of the policy's
	FrequencyCap *contact.Cap   `json:"frequency_cap,omitempty"`                      // instead of the policy's
}

// Stream implements domain.Command.
func (c SetChannelPreference) Stream() string { return Stream(c.Customer) }

// Uses names the policy that the command is decided by.
func (c SetChannelPreference) Uses() []domain.PolicyRef { return contactRef(c.Known, c.Today()) }

// Refuses lists the refusals that are the command's own.
func (SetChannelPreference) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNoContactPolicy}
}

// Decide implements domain.Command.
func (c SetChannelPreference) Decide(s State) ([]Event, error) {
	rules, err := contactRules(c.Known, c.Today())
	if err != nil {
		return nil, err
	}
	var p domain.Problems
	c.check(&p, *rules.Contact)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if old := s.Preference; old != nil && slices.Equal(old.Channels, c.Channels) && old.Language == c.Language &&
		equal(old.QuietHours, c.QuietHours) && equal(old.FrequencyCap, c.FrequencyCap) {
		return nil, nil
	}
	return []Event{ChannelPreferenceSet{
		Channels: c.Channels, Language: c.Language, QuietHours: c.QuietHours, FrequencyCap: c.FrequencyCap,
	}}, nil
}

func (c SetChannelPreference) check(p *domain.Problems, rules contact.Policy) {
	if len(c.Channels) == 0 && c.Language == "" && c.QuietHours == nil && c.FrequencyCap == nil {
		p.Add("", "says nothing: channels, language, quiet_hours or frequency_cap is required")
	}
	if len(c.Channels) > 100 {
		p.Add("/channels", "must have at most 100 entries")
		return
	}
	for i, channel := range c.Channels {
		pointer := fmt.Sprintf("/channels/%d", i)
		checkChannel(p, pointer, channel, rules)
		if slices.Contains(c.Channels[:i], channel) {
			p.Add(pointer, "is listed twice")
		}
	}
	if c.Language != "" {
		checkLocale(p, "/language", c.Language)
	}
	if c.QuietHours != nil {
		c.QuietHours.Check(p, "/quiet_hours")
	}
	if c.FrequencyCap != nil {
		c.FrequencyCap.Check(p, "/frequency_cap")
	}
}

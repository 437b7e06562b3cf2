package customer

import "github.com/rapport-crm/rapport/domain"

// UpdateProfile changes fields of the profile. An absent field stays as it is,
// an empty one is cleared.
type UpdateProfile struct {
	domain.Subject `json:"-"`

	Name     *NamePatch `json:"name,omitempty"`
	Locale   *string    `json:"locale,omitempty"`
	Currency *string    `json:"currency,omitempty"`
	TimeZone *string    `json:"time_zone,omitempty"`
}

// NamePatch is the part of UpdateProfile that changes the name.
type NamePatch struct {
	Given        *string `json:"given,omitempty"`
	Family       *string `json:"family,omitempty"`
	Display      *string `json:"display,omitempty"`
	Organisation *string `json:"organisation,omitempty"`
}

// Stream implements domain.Command.
func (c UpdateProfile) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (UpdateProfile) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c UpdateProfile) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	var e ProfileUpdated
	change := func(name string, to *string) {
		if was := *s.field(name); to != nil && was != *to {
			e.Fields = append(e.Fields, name)
			e.Changes = append(e.Changes, Change{name, was, *to})
		}
	}
	if n := c.Name; n != nil {
		change("name.given", n.Given)
		change("name.family", n.Family)
		change("name.display", n.Display)
		change("name.organisation", n.Organisation)
	}
	change("locale", c.Locale)
	change("currency", c.Currency)
	change("time_zone", c.TimeZone)
	if len(e.Fields) == 0 {
		return nil, nil
	}
	return []Event{e}, nil
}

func (c UpdateProfile) check() error {
	var p domain.Problems
	if n := c.Name; n != nil {
		checkName(&p, Name{text(n.Given), text(n.Family), text(n.Display), text(n.Organisation)})
	}
	checkProfile(&p, text(c.Locale), text(c.Currency), text(c.TimeZone), c.Subject)
	return p.Err()
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

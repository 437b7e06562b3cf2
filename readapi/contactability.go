package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Contactability says for what and how a customer may be contacted, and why.
type Contactability struct {
	CustomerID    uuid.UUID `json:"customer_id"`
	At            time.Time `json:"at"`             // the time asked about
	TimeZone      string    `json:"time_zone"`      // whose clocks say when it is quiet: the customer's, else the business's
	PolicyVersion int       `json:"policy_version"` // of the policy of contacts in force on that day
	Allowed       bool      `json:"allowed"`        // at least one of the contacts is
	// Contacts are the purposes as the policy lists them, and of each the channels as
	// the customer ranks them.
	Contacts []PossibleContact `json:"contacts"`
	Stamp
}

// PossibleContact is a purpose and a channel, and all that speaks for and against it.
type PossibleContact struct {
	Purpose string `json:"purpose"`
	Channel string `json:"channel"`
	// ContactPointID is the contact point to use: of the valid ones that serve the
	// channel the primary one, else the first that was verified, else the first.
	ContactPointID string `json:"contact_point_id,omitempty"`
	customer.Answer
}

// businessNow returns the time of the business, as far as a world knows of it, and
// its zone: the clock, or under a manual calendar the first instant of the day after
// the last one closed.
func (a *API) businessNow(ctx context.Context, w *projections.World) (time.Time, *time.Location, error) {
	a.past.mu.Lock()
	zone, manual, known := a.past.zone, a.past.manual(), a.past.created.LogID != ""
	a.past.mu.Unlock()
	if !known { // the first time
		t, err := a.timeline(ctx)
		if err != nil {
			return time.Time{}, nil, err
		}
		zone, manual = t.zone, t.manual()
	}
	if manual && w.Closed != nil {
		return (*w.Closed + 1).Start(zone).UTC(), zone, nil
	}
	if a.Clock != nil {
		return a.Clock().UTC(), zone, nil
	}
	return time.Now().UTC(), zone, nil
}

func (a *API) contactability(w http.ResponseWriter, r *http.Request) error {
	var purpose, channel string
	var at *time.Time
	id, s, err := a.about(r, func(p *params) { purpose, channel, at = p.text("purpose"), p.text("channel"), p.time("at") }, profile.Name)
	if err != nil {
		return err
	}
	now, zone, err := a.businessNow(r.Context(), s.world)
	if err != nil {
		return err
	}
	if at == nil {
		at = &now
	}
	d, err := a.profileAt(r.Context(), id, s.docs[0], *at, now)
	if err != nil {
		return err
	}
	rules, ok := s.world.Policy(policy.KindContact, domain.DateOf(*at, zone))
	if !ok || rules.Contact == nil {
		return customer.ErrNoContactPolicy.With("No policy of contacts is in force on %s.", domain.DateOf(*at, zone))
	}
	zone = zoneOfCustomer(d, zone)
	answer := Contactability{
		CustomerID: id, At: at.UTC(), TimeZone: zone.String(), PolicyVersion: rules.Version,
		Contacts: []PossibleContact{}, Stamp: stamp(s.position, s.world),
	}
	purposes, channels := []string{purpose}, []string{channel}
	if purpose == "" {
		purposes = rules.Contact.PurposeNames()
	}
	if channel == "" {
		channels = d.Permissions.Channels(*rules.Contact)
	}
	for _, purpose := range purposes {
		for _, channel := range channels {
			contact := possibleContact(d, rules, purpose, channel, *at, zone)
			answer.Allowed = answer.Allowed || contact.Allowed
			answer.Contacts = append(answer.Contacts, contact)
		}
	}
	return writeJSON(w, answer.Stamp, answer)
}

// possibleContact asks whether a customer may be contacted at a time, by the version of
// the policy of contacts that is in force then.
func possibleContact(d *profile.Document, rules policy.Published, purpose, channel string, at time.Time, zone *time.Location) PossibleContact {
	contact := PossibleContact{Purpose: purpose, Channel: channel, Answer: d.Permissions.MayContact(customer.Question{
		Purpose: purpose, Channel: channel, At: at, Policy: *rules.Contact, Version: rules.Version,
		Zone: zone, Contacts: d.Contacts, Rights: d.Rights,
	})}
	if point := d.Contacts.First(channel); point != nil {
		contact.ContactPointID = point.ID
	}
	return contact
}

// zoneOfCustomer is where a customer's clocks hang: their own zone, else the business's.
func zoneOfCustomer(d *profile.Document, business *time.Location) *time.Location {
	if own, err := time.LoadLocation(d.TimeZone); err == nil && d.TimeZone != "" {
		return own
	}
	return business
}

// recent is how old a time may be that is still taken for the present: a caller who
// asks about their own now needs no look into the past.
const recent = 5 * time.Minute

// profileAt returns the customer as it is known, or, of the past, as it was then.
func (a *API) profileAt(ctx context.Context, id uuid.UUID, stored []byte, at, now time.Time) (*profile.Document, error) {
	if stored == nil {
		return nil, ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	if at.Before(now.Add(-recent)) {
		docs, _, err := a.then(ctx, id, moment{asOf: &at})
		if err != nil {
			return nil, err
		}
		if then, err := docs.profile.document(); err != nil {
			return nil, err
		} else if then == nil {
			return nil, ErrCustomerNotFound.With("no customer with the id %v was known then", id)
		}
		return &docs.profile.doc, nil
	}
	d := new(profile.Document)
	if err := json.Unmarshal(stored, d); err != nil {
		return nil, fmt.Errorf("profile of %v: %w", id, err)
	}
	return d, nil
}

// time returns an RFC 3339 time, nil if it is absent. A day has no one hour, so
// that a date is none.
func (p *params) time(name string) *time.Time {
	s := p.text(name)
	if s == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		p.bad(name, "%q is not an RFC 3339 time such as 2026-03-01T10:00:00Z; a plus sign in it is written %%2B", s)
		return nil
	}
	return &t
}

// consentFilter asks whose consent stands for a purpose and a channel. The zero
// value asks nothing.
type consentFilter struct {
	purpose, channel string
	now              time.Time
}

func readConsentFilter(p *params) (f consentFilter) {
	s := p.text("consent")
	if s == "" {
		return f
	}
	var ok bool
	if f.purpose, f.channel, ok = strings.Cut(s, ":"); !ok || f.purpose == "" || f.channel == "" ||
		f.purpose == customer.Every || f.channel == customer.Every {
		p.bad("consent", "is not of the form purpose:channel")
	}
	return f
}

// stretches walks those who granted something for the channel, and then the others
// who did for every channel.
func (f consentFilter) stretches(in func(index, prefix string) stretch) []stretch {
	every := in(profile.IndexConsent, profile.ConsentKey(f.purpose, customer.Every)+"\x00")
	every.only = func(c *candidate) bool { return !c.item.(*listed).profile.GrantedExactly(f.purpose, f.channel) }
	return []stretch{in(profile.IndexConsent, profile.ConsentKey(f.purpose, f.channel)+"\x00"), every}
}

func (f consentFilter) wants(d *profile.Document) bool {
	return f.purpose == "" || d.Permissions.Consented(f.purpose, f.channel, f.now)
}

var consentParams = []web.Param{
	query("consent", "string", "", "Whose consent, or other legal basis on record, stands now for a purpose and a channel: purpose:channel. Whether they may be contacted at this moment is for contactability to say."),
}

func (a *API) contactabilityRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/customers/{customer_id}/contactability", Tag: "customers",
		Summary: "Say whether a customer may be contacted, and why",
		Detail: "Every purpose and channel asked for, with all that forbids, allows or advises it, the events behind each reason and the version of the policy. " +
			"Of a time in the past the customer is taken as they were then, by what is known now. Without `at` it is business now; " +
			"under a manual calendar that is the first instant of the day after the last one closed.",
		Params: slices.Concat([]web.Param{customerParam,
			query("purpose", "string", "", "Only this purpose; every purpose of the policy if absent."),
			query("channel", "string", "", "Only this channel; every channel of the policy if absent, as the customer ranks them."),
			query("at", "string", "date-time", "The time of the contact."),
		}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "What may be done, and why.", Body: Contactability{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, customer.ErrNoContactPolicy.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.contactability,
	}}
}

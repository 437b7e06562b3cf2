package customer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// RecordCareAction records that a moment of the customer was acted on, or asks for
// leave to do so now. There is one action for an occasion of a year. It is a contact:
// one that must not be made is refused with every reason.
type RecordCareAction struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Occasion string     `json:"occasion"` // of the care policy
	Year     int        `json:"year" jsonschema:"minimum=1900,maximum=2200"`
	Channel  string     `json:"channel"`
	MomentAt *time.Time `json:"moment_at,omitempty"` // when it was acted on; now if absent
	Note     string     `json:"note,omitempty" jsonschema:"maxLength=2000"`

	// Locate returns a time zone by its name, nil if there is none; where it is
	// missing, the business zone is everybody's.
	Locate func(name string) *time.Location `json:"-"`
}

// Stream implements domain.Command.
func (c RecordCareAction) Stream() string { return Stream(c.Customer) }

// Uses names the policies that the command is decided by.
func (c RecordCareAction) Uses() []domain.PolicyRef {
	refs := contactRef(c.Known, c.on())
	p, ok := c.Policy(policy.KindCare, c.on())
	if !ok {
		return refs
	}
	refs = append(refs, p.Ref())
	if o, err := c.occasion(); err == nil && o.GiftPoints > 0 {
		refs = append(refs, pointPolicies(c.Subject, c.Known, c.Today())...)
	}
	return refs
}

// on is the date whose policies decide.
func (c RecordCareAction) on() domain.Date {
	if c.MomentAt != nil {
		return c.DateOf(*c.MomentAt)
	}
	return c.Today()
}

// Refuses lists the refusals that are the command's own.
func (RecordCareAction) Refuses() []*domain.Error {
	return []*domain.Error{
		ErrNotFound, ErrCareDone, ErrNoCarePolicy, ErrCareUnknown, ErrCareNoBirthDate, ErrCareNotMember, ErrCareNotDue,
		ErrNoContactPolicy, ErrContactNotAllowed, ErrOwnAccount,
	}
}

// Decide implements domain.Command. What was done already is nothing to do, whatever
// the policies say now.
func (c RecordCareAction) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/occasion", c.Occasion, maxShort)
	checkYear(&p, "/year", c.Year)
	p.Required("/channel", c.Channel, maxShort)
	p.Text("/note", c.Note, maxText)
	at := c.At(&p, "/moment_at", c.MomentAt, time.Time{}, "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if done, ok := s.cared.actions[yearly{c.Occasion, c.Year}]; ok {
		if done.Channel != c.Channel || c.MomentAt != nil && !done.At.Equal(at) {
			return nil, ErrCareDone.With("%s of %d was acted on by %s on %s; there is one action for an occasion of a year", c.Occasion, c.Year, done.Channel, c.DateOf(done.At))
		}
		return nil, nil
	}
	o, err := c.occasion()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(o.Channels, c.Channel) {
		p.Add("/channel", "is none of those that the policy has for %s: %s", o.ID, strings.Join(o.Channels, ", "))
		return nil, p.Err()
	}
	on, err := s.moment(c.Subject, o, c.Year)
	if err != nil {
		return nil, err
	}
	if today := c.localDate(s, o, at); !o.Due(on, today) {
		return nil, ErrCareNotDue.With("%s of %d is on %s: it may be acted on from %s to %s, and the date is %s", o.ID, c.Year, on,
			on-domain.Date(o.LeadDays), on+domain.Date(o.FollowDays), today)
	}
	e, err := c.permitted(s, o, at)
	if err != nil {
		return nil, err
	}
	e.On = on
	return c.withGift(s, o, e)
}

// withGift returns the events of an action, with the points that a member is given.
func (c RecordCareAction) withGift(s State, o care.Occasion, e CareActionDone) ([]Event, error) {
	if o.GiftPoints == 0 {
		return []Event{e}, nil
	}
	b := newBooker(c.Subject, c.Known, s, e.At)
	v, err := b.enrolled()
	if err != nil { // there is nothing to give points of, or nobody to give them to
		return []Event{e}, nil
	}
	if ownRecord(c.Subject, c.Known) {
		return nil, ErrOwnAccount.With("the account is that of %s, and %s gives points; somebody else has to do it", c.Actor, o.ID)
	}
	e.GiftPoints = o.GiftPoints
	source := LotSource{Kind: LotCare, Ref: fmt.Sprintf("%s:%d", c.Occasion, c.Year)}
	b.grant(v, PointsGranted{GrantedBy: c.Actor}, source, o.GiftPoints)
	return slices.Concat(b.due, []Event{e}, b.taken()), nil
}

// occasion returns the occasion of the policy in force.
func (c RecordCareAction) occasion() (care.Occasion, error) {
	rules, ok := c.Policy(policy.KindCare, c.on())
	if !ok || rules.Care == nil {
		return care.Occasion{}, ErrNoCarePolicy.With("no policy of care is in force on %s; publish one", c.on())
	}
	o, ok := rules.Care.Occasion(c.Occasion)
	if !ok {
		return o, ErrCareUnknown.With("version %d of the policy of care has no occasion %q", rules.Version, c.Occasion)
	}
	return o, nil
}

// localDate is the date of the action: a birthday is where the customer lives, the
// rest where the business is.
func (c RecordCareAction) localDate(s State, o care.Occasion, at time.Time) domain.Date {
	if zone := c.zone(s.TimeZone); o.Kind == care.Birthday && zone != nil {
		return domain.DateOf(at, zone)
	}
	return c.DateOf(at)
}

// permitted returns the event of a contact that may be made.
func (c RecordCareAction) permitted(s State, o care.Occasion, at time.Time) (CareActionDone, error) {
	rules, err := contactRules(c.Known, c.on())
	if err != nil {
		return CareActionDone{}, err
	}
	answer := s.MayContact(Question{
		Purpose: o.Purpose, Channel: c.Channel, At: at, Policy: *rules.Contact, Version: rules.Version,
		Zone: c.zone(s.TimeZone), Contacts: s.Contacts, Rights: s.Rights,
	})
	if err := answer.Err(); err != nil {
		var refusal *domain.Error
		if !errors.As(err, &refusal) {
			return CareActionDone{}, err
		}
		for i, f := range refusal.Fields { // named as they are here
			switch f.Pointer {
			case "/purpose":
				refusal.Fields[i].Pointer = "/occasion"
			case "/contacted_at":
				refusal.Fields[i].Pointer = "/moment_at"
			}
		}
		return CareActionDone{}, refusal
	}
	purpose, _ := rules.Contact.Purpose(o.Purpose)
	e := CareActionDone{
		Occasion: c.Occasion, Year: c.Year, Channel: c.Channel, Purpose: o.Purpose, LegalBasis: answer.Basis(),
		Free: purpose.Free, Note: c.Note, At: at,
	}
	if said := s.deciding(o.Purpose, c.Channel, at); said != nil && !said.Withdrawn && !said.expired(at) {
		e.ConsentedAt = new(said.At)
	}
	if most, _, _ := s.mostContacts(*rules.Contact); most != nil {
		e.WindowDays = most.Days
	}
	return e, nil
}

// zone is where the customer's clocks hang.
func (c RecordCareAction) zone(name string) *time.Location {
	return RecordContact{Subject: c.Subject, Locate: c.Locate}.zone(name)
}

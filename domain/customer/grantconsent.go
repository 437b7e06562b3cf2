package customer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// GrantConsent says that the customer may be contacted for a purpose on a channel.
// It may be dated back; what was said later decides all the same.
type GrantConsent struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Grant
}

// Grant is a consent, or another legal basis, as a request names it.
type Grant struct {
	Purpose     string     `json:"purpose"`
	Channel     string     `json:"channel"` // or * for every channel
	LegalBasis  string     `json:"legal_basis,omitempty" jsonschema:"enum=consent,enum=contract,enum=legal_obligation,enum=legitimate_interest,enum=vital_interest,enum=public_task,default=consent"`
	TextVersion string     `json:"text_version,omitempty"` // what the customer agreed to; required for a consent where the policy lists texts
	Evidence    string     `json:"evidence,omitempty"`
	GrantedAt   *time.Time `json:"granted_at,omitempty"` // now if absent
	ExpiresAt   *time.Time `json:"expires_at,omitempty"` // exclusive; never if absent
}

// Why a command about contacts is refused.
var (
	ErrNoContactPolicy   = &domain.Error{Kind: domain.Conflict, Code: "contact_policy_missing"}
	ErrContactSuppressed = &domain.Error{Kind: domain.Conflict, Code: "contact_suppressed"}
	ErrTooManyConsents   = &domain.Error{Kind: domain.Conflict, Code: "too_many_consents"}
)

// contactRules returns the policy of contacts in force on a date.
func contactRules(k world.Known, on domain.Date) (policy.Published, error) {
	p, ok := k.Policy(policy.KindContact, on)
	if !ok || p.Contact == nil {
		return p, ErrNoContactPolicy.With("no policy of contacts is in force; publish one")
	}
	return p, nil
}

// contactRef names the policy of contacts in force on a date.
func contactRef(k world.Known, on domain.Date) []domain.PolicyRef {
	p, ok := k.Policy(policy.KindContact, on)
	if !ok {
		return nil
	}
	return []domain.PolicyRef{p.Ref()}
}

// Stream implements domain.Command.
func (c GrantConsent) Stream() string { return Stream(c.Customer) }

// Uses names the policy that the command is decided by.
func (c GrantConsent) Uses() []domain.PolicyRef { return contactRef(c.Known, c.Today()) }

// Refuses lists the refusals that are the command's own.
func (GrantConsent) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNoContactPolicy, ErrContactSuppressed, ErrTooManyConsents}
}

// Decide implements domain.Command.
func (c GrantConsent) Decide(s State) ([]Event, error) {
	rules, err := contactRules(c.Known, c.Today())
	if err != nil {
		return nil, err
	}
	var p domain.Problems
	e := c.check(&p, "", c.Subject, *rules.Contact, c.At(&p, "/granted_at", c.GrantedAt, time.Time{}, ""))
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if err := s.takes(e, c.Now); err != nil {
		return nil, err
	}
	if c.GrantedAt == nil {
		if f := s.deciding(e.Purpose, e.Channel, forever); f != nil && f.Withdrawn && !f.At.Before(e.GrantedAt) {
			e.GrantedAt = f.At.Add(time.Millisecond) // who says yes now does so after the no that was dated later
		}
	}
	if s.granted(e, c.GrantedAt == nil) {
		return nil, nil
	}
	return []Event{e}, nil
}

// check notes what is wrong with the grant and returns what is stored of it.
func (g Grant) check(p *domain.Problems, pointer string, of domain.Subject, rules contact.Policy, at time.Time) ConsentGranted {
	e := ConsentGranted{
		Purpose: g.Purpose, Channel: g.Channel, LegalBasis: g.LegalBasis, TextVersion: g.TextVersion,
		Evidence: g.Evidence, GrantedAt: at,
	}
	if e.LegalBasis == "" {
		e.LegalBasis = contact.Consent
	}
	purpose := checkPurpose(p, pointer+"/purpose", g.Purpose, rules)
	if g.Channel == "" {
		p.Add(pointer+"/channel", "is required; %s is every channel", Every)
	} else if g.Channel != Every {
		checkChannel(p, pointer+"/channel", g.Channel, rules)
	}
	p.OneOf(pointer+"/legal_basis", e.LegalBasis, contact.Bases...)
	p.Text(pointer+"/evidence", g.Evidence, maxText)
	switch texts := purpose.Texts; {
	case len(texts) == 0:
		p.Text(pointer+"/text_version", g.TextVersion, maxShort)
	case g.TextVersion != "":
		p.OneOf(pointer+"/text_version", g.TextVersion, texts...)
	case e.LegalBasis == contact.Consent:
		p.Add(pointer+"/text_version", "is required: one of %s", strings.Join(texts, ", "))
	}
	if g.ExpiresAt != nil {
		until := g.ExpiresAt.UTC()
		e.ExpiresAt = &until
		switch {
		case !until.After(at):
			p.Add(pointer+"/expires_at", "must be after the grant at %s", at.Format(time.RFC3339Nano))
		case !until.After(of.Now):
			p.Add(pointer+"/expires_at", "lies in the past: business time is %s", of.Now.Format(time.RFC3339))
		}
	}
	return e
}

// checkPurpose notes that a policy does not know a purpose, and returns it.
func checkPurpose(p *domain.Problems, pointer, name string, rules contact.Policy) contact.Purpose {
	purpose, ok := rules.Purpose(name)
	switch {
	case name == "":
		p.Add(pointer, "is required")
	case !ok:
		p.Add(pointer, "is not a purpose of the policy of contacts: %s", strings.Join(rules.PurposeNames(), ", "))
	}
	return purpose
}

// checkChannel notes that a policy does not know a channel.
func checkChannel(p *domain.Problems, pointer, name string, rules contact.Policy) {
	switch {
	case name == "":
		p.Add(pointer, "is required")
	case !slices.Contains(rules.Channels, name):
		p.Add(pointer, "is not a channel of the policy of contacts: %s", strings.Join(rules.Channels, ", "))
	}
}

// takes refuses a grant that the law forbids now, or that there is no room for.
func (x *Permissions) takes(e ConsentGranted, now time.Time) error {
	for _, s := range x.Suppressions {
		if s.Legal && s.active(now) && s.about(e.Purpose, e.Channel) {
			return ErrContactSuppressed.With("the law forbids it: suppression %q stands until it is lifted", s.ID)
		}
	}
	if len(x.Consents) >= maxConsents && x.consent(e.Purpose, e.Channel) == nil {
		return ErrTooManyConsents.With("there are consents for %d pairs of purpose and channel; grant one for every channel instead", maxConsents)
	}
	return nil
}

// granted says whether a grant says nothing new: the same was said at that instant,
// or stands, where it was not dated.
func (x Permissions) granted(e ConsentGranted, undated bool) bool {
	same := func(f ConsentFact) bool {
		return !f.Withdrawn && f.LegalBasis == e.LegalBasis && f.TextVersion == e.TextVersion &&
			(f.ExpiresAt == nil) == (e.ExpiresAt == nil) && (f.ExpiresAt == nil || f.ExpiresAt.Equal(*e.ExpiresAt))
	}
	c := x.consent(e.Purpose, e.Channel)
	if c == nil {
		return false
	}
	if undated && e.Evidence == "" {
		f := x.deciding(e.Purpose, e.Channel, e.GrantedAt)
		return f == c.at(e.GrantedAt) && f != nil && same(*f)
	}
	return slices.ContainsFunc(c.Facts, func(f ConsentFact) bool { return f.At.Equal(e.GrantedAt) && same(f) })
}

// consents returns the grants that come with a registration.
func (c Register) consents(at time.Time) (events []Event, err error) {
	if len(c.Consents) == 0 {
		return nil, nil
	}
	var p domain.Problems
	if len(c.Consents) > maxGrants {
		p.Add("/consents", "must have at most %d entries", maxGrants)
		return nil, p.Err()
	}
	rules, err := contactRules(c.Known, c.Today())
	if err != nil {
		return nil, err
	}
	for i, g := range c.Consents {
		pointer, granted := fmt.Sprintf("/consents/%d", i), at
		if g.GrantedAt != nil {
			granted = c.At(&p, pointer+"/granted_at", g.GrantedAt, time.Time{}, "")
		}
		e := g.check(&p, pointer, c.Subject, *rules.Contact, granted)
		if slices.ContainsFunc(c.Consents[:i], func(o Grant) bool { return o.Purpose == g.Purpose && o.Channel == g.Channel }) {
			p.Add(pointer, "is listed twice")
		}
		events = append(events, e)
	}
	return events, p.Err()
}

// maxGrants is how many consents a registration may carry.
const maxGrants = 100

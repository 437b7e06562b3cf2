package customer

import (
	"fmt"
	"slices"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// GrantAnnualReward gives a member the reward of a year, or a share of what the year
// brought: points, an amount of money, or a gift. There is one of each kind a year.
type GrantAnnualReward struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Kind   string      `json:"kind" jsonschema:"enum=reward,enum=dividend"`
	Period int         `json:"period" jsonschema:"minimum=1900,maximum=2200"` // the year
	Value  RewardValue `json:"value"`                                         // one of its members
	Note   string      `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c GrantAnnualReward) Stream() string { return Stream(c.Customer) }

// Uses names the policies that the command is decided by.
func (c GrantAnnualReward) Uses() (refs []domain.PolicyRef) {
	if p, ok := c.Policy(policy.KindCare, c.Today()); ok {
		refs = append(refs, p.Ref())
	}
	if c.Value.Points != 0 {
		refs = append(refs, pointPolicies(c.Subject, c.Known, c.Today())...)
	}
	return refs
}

// Refuses lists the refusals that are the command's own.
func (GrantAnnualReward) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOwnAccount, ErrRewardGranted, ErrNoProgram, ErrNotEnrolled, ErrRewardNotAllowed}
}

// Decide implements domain.Command. What was granted already is nothing to do.
func (c GrantAnnualReward) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b, err := s.manual(c.Subject, c.Known)
	if err != nil {
		return nil, err
	}
	if is, ok := s.cared.rewards[yearly{c.Kind, c.Period}]; ok {
		if !is.Value.same(c.Value) {
			return nil, ErrRewardGranted.With("the %s of %d was granted on %s, with another value", c.Kind, c.Period, c.DateOf(is.GrantedAt))
		}
		return nil, nil
	}
	if !b.Joined {
		return nil, ErrNotEnrolled.With("the customer is not a member of the loyalty programme")
	}
	e := AnnualRewardGranted{Kind: c.Kind, Period: c.Period, Value: c.Value, Note: c.Note, GrantedBy: c.Actor, GrantedAt: b.now}
	limited, err := c.allowed()
	if err != nil {
		return nil, err
	}
	if c.Value.Points == 0 {
		return []Event{e}, nil
	}
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	if most := v.Policy.Manual.BonusLimit; !limited && c.Value.Points > most {
		return nil, ErrRewardNotAllowed.With("the programme lets one person give %d points; annual_rewards of the policy of care can allow more", most)
	}
	b.grant(v, PointsGranted{GrantedBy: c.Actor}, LotSource{Kind: LotReward, Ref: fmt.Sprintf("%s:%d", c.Kind, c.Period)}, c.Value.Points)
	return slices.Concat(b.due, []Event{e}, b.taken()), nil
}

// allowed refuses a reward that the policy of care does not allow. limited says
// whether the policy says anything of annual rewards.
func (c GrantAnnualReward) allowed() (limited bool, err error) {
	rules, ok := c.Policy(policy.KindCare, c.Today())
	if !ok || rules.Care == nil || len(rules.Care.AnnualRewards) == 0 {
		return false, nil
	}
	if !rules.Care.Allows(c.Kind, c.Value.Points, c.Value.Amount) {
		return true, ErrRewardNotAllowed.With("version %d of the policy of care does not allow this %s: its annual_rewards say how much it may be", rules.Version, c.Kind)
	}
	return true, nil
}

// ownRecord says whether a command is given by the employee whose own record the
// customer is.
func ownRecord(of domain.Subject, known world.Known) bool {
	if known.World == nil || of.Actor.ID == "" {
		return false
	}
	e, ok := known.World.Staff.Person(of.Actor.ID)
	return ok && e.CustomerID == of.Customer
}

func (c GrantAnnualReward) check() error {
	var p domain.Problems
	p.Required("/kind", c.Kind, maxShort)
	p.OneOf("/kind", c.Kind, care.RewardKinds...)
	checkYear(&p, "/period", c.Period)
	if this := c.Today().Year(); c.Period > this && c.Period <= lastYear {
		p.Add("/period", "lies in the future: the business date is in %d", this)
	}
	c.Value.check(&p, "/value")
	p.Text("/note", c.Note, maxText)
	return p.Err()
}

// maxRewardPoints bounds the points of a reward.
const maxRewardPoints = 1_000_000_000

// check notes what is wrong with a value: it has one member, and no other.
func (v RewardValue) check(p *domain.Problems, pointer string) {
	given := 0
	if v.Points != 0 {
		given++
		if v.Points < 0 || v.Points > maxRewardPoints {
			p.Add(pointer+"/points", "must be between 1 and %d", maxRewardPoints)
		}
	}
	if v.Amount != nil {
		given++
		p.Currency(pointer+"/amount/currency", v.Amount.Currency)
		if p.Amount(pointer+"/amount/amount_minor", v.Amount.AmountMinor); v.Amount.AmountMinor == 0 {
			p.Add(pointer+"/amount/amount_minor", "must be positive")
		}
	}
	if v.Gift != "" {
		given++
		checkCode(p, pointer+"/gift", v.Gift, maxGiftCode)
	}
	if given != 1 {
		p.Add(pointer, "must have either points, an amount or a gift")
	}
}

const maxGiftCode = 64

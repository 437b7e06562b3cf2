package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// checkPoints notes what is wrong with a number of points that must be positive.
func checkPoints(p *domain.Problems, pointer string, points int64) {
	if points < 1 || points > loyalty.MaxPoints {
		p.Add(pointer, "must be between 1 and %d", int64(loyalty.MaxPoints))
	}
}

// inForce returns the programme of a business date; without one it refuses.
func (b *booker) inForce(on domain.Date) (loyalty.Version, error) {
	if v, ok := b.program(on); ok {
		return v, nil
	}
	return loyalty.Version{}, ErrNoProgram.With("no loyalty programme is in force on %s", on)
}

// spend names the points that are spent or set aside. More than there are to spend
// are refused.
func (b *booker) spend(points int64) ([]Portion, error) {
	from, missing := b.allocate(points, "")
	if missing == 0 {
		return from, nil
	}
	x := b.Balance()
	return nil, ErrInsufficientPoints.With("%d points can be spent, not %d; %d are pending, %d are held, %d are owed",
		x.Spendable, points, x.Pending, x.Held, x.Deficit)
}

// redeemable refuses a redemption of points that the programme does not allow. A
// reward has its price; other redemptions have a minimum and a step.
func (b *booker) redeemable(p *loyalty.Policy, points int64, reward string) error {
	r := p.Redemption
	if reward != "" {
		switch w, ok := r.Reward(reward, b.today()); {
		case !ok:
			return ErrRewardUnavailable.With("the programme has no reward %q on %s", reward, b.today())
		case w.Points != points:
			return ErrRewardUnavailable.With("the reward %q costs %d points, not %d", reward, w.Points, points)
		}
		return nil
	}
	if points < r.Minimum {
		return ErrBelowMinimum.With("a redemption is of %d points at least, not of %d", r.Minimum, points)
	}
	if r.Step > 0 && points%r.Step != 0 {
		return ErrNotAStep.With("a redemption is of a multiple of %d points, which %d is not", r.Step, points)
	}
	return nil
}

// payable finds the order that points are spent on: it is not over. An empty id is
// none.
func (s State) payable(of domain.Subject, id string) error {
	if id == "" {
		return nil
	}
	switch o, err := s.order(of, id); {
	case err != nil:
		return err
	case o.Cancelled:
		return ErrOrderCancelled.With("the order %q was cancelled", id)
	case o.Refunded > 0 && !o.stands():
		return ErrOrderRefunded.With("the order %q was refunded in full", id)
	}
	return nil
}

// vacate books that points which came back to somebody who is no member any more
// are lost: without a member there is nothing to spend.
func (b *booker) vacate() {
	switch {
	case b.Joined:
	case b.erased:
		b.forfeit(ForfeitErased)
	default:
		b.forfeit(ForfeitLeft)
	}
}

// since returns the subject of a command that is decided at the earliest at a time.
func since(of domain.Subject, t time.Time) domain.Subject {
	if of.Now.Before(t) {
		of.Now = t
	}
	return of
}

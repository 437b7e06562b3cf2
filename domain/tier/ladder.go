package tier

import "slices"

// Base returns the level that every member has.
func (p *Policy) Base() string {
	if len(p.Levels) == 0 {
		return ""
	}
	return p.Levels[0].ID
}

// Of returns the highest level that somebody has reached who qualified with so
// much; with less than nothing the base.
func (p *Policy) Of(qualifying int64) string {
	for _, l := range slices.Backward(p.Levels) {
		if l.From <= qualifying {
			return l.ID
		}
	}
	return p.Base()
}

// Rank returns how many levels are below a level, -1 if the ladder does not have it.
func (p *Policy) Rank(level string) int {
	return slices.IndexFunc(p.Levels, func(l Level) bool { return l.ID == level })
}

// Next returns the level above a level. false: there is none, or the ladder does
// not have the level.
func (p *Policy) Next(level string) (Level, bool) {
	rank := p.Rank(level)
	if rank < 0 || rank+1 == len(p.Levels) {
		return Level{}, false
	}
	return p.Levels[rank+1], true
}

// Falls returns the level that follows a level whose validity ends: itself if it
// is retained, a higher one if that was reached, otherwise what Downgrade says. A
// level that the ladder does not have any more counts as the one qualified for.
func (p *Policy) Falls(level string, qualifying int64) string {
	reached := p.Of(qualifying)
	has, gets := p.Rank(level), p.Rank(reached)
	if has-1 > gets && p.Downgrade == OneDown {
		return p.Levels[has-1].ID
	}
	return reached
}

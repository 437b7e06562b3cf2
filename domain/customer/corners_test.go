package customer_test

import (
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain/tier"
)

// A refund takes a level that was reached with what it takes away, and no other: not
// the one below a higher one, for which the member never qualified, and not one that
// only a later ladder asks more for.
func TestARefundTakesOnlyALevelThatItReached(t *testing.T) {
	oneDown := func(l *life) { // platinum since 2025, gold since 2027-03-01
		l.buy("2025-03-01", "o1", 1200)
		l.buy("2026-10-01", "o2", 40)
		l.settle("2027-03-02")
	}
	harder := func(l *life) { // gold with 600 of 500
		l.buy("2025-03-01", "o1", 600)
		l.publish("2025-06-01", 2, metals(func(p *tier.Policy) { p.Levels[2].From = 800 }))
	}
	for _, tc := range []struct {
		name string
		live func(*life)
		want string // the last movement but for its reasons
	}{
		{"one down is not lost", func(l *life) { oneDown(l); l.refund("2027-03-03", "o2", 1) }, "2027-03-01 down from platinum to gold until 2028-03-01"},
		{"nor if all of it goes back", func(l *life) { oneDown(l); l.refund("2027-03-03", "o2", 40) }, "2027-03-01 down from platinum to gold until 2028-03-01"},
		{"nor under an override", func(l *life) {
			oneDown(l)
			l.override("2027-03-02", "platinum", "2027-04-01")
			l.refund("2027-03-03", "o2", 1)
			l.settle("2027-04-02")
		}, "2027-04-02 down from platinum to gold until 2028-03-01"},
		{"what is enough by the ladder of then stays", func(l *life) { harder(l); l.refund("2025-07-01", "o1", 100) }, "2025-03-01 up from member to gold until 2026-03-01"},
		{"and is lost by it", func(l *life) { harder(l); l.refund("2025-07-01", "o1", 101) }, "2025-07-01 down from gold to silver until 2026-07-01"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLife(t, metals())
			tc.live(l)
			if last := l.told[len(l.told)-1]; !strings.HasPrefix(last, tc.want+" ") {
				t.Errorf("want %s, got\n%s", tc.want, strings.Join(l.told, "\n"))
			}
		})
	}
}

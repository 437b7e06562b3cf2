package audit

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
)

// Sends says what is wrong with points that somebody received of this customer, ""
// if nothing is: they are held for the transfer, lot by lot, and lapse no later than
// they would have here.
func (l *Ledger) Sends(e customer.PointsTransferredIn) string {
	for _, h := range l.holds {
		if h.Transfer != e.TransferID {
			continue
		}
		if len(h.left) != len(e.Lots) || len(e.Of) != len(e.Lots) || total(h.left) != e.Points {
			return fmt.Sprintf("%d points of %d lots are held for the transfer, not %d of %d", total(h.left), len(h.left), e.Points, len(e.Lots))
		}
		for _, p := range h.left {
			i := slices.Index(e.Of, p.lot.LotID)
			if i < 0 {
				return fmt.Sprintf("the lot %s is held for the transfer and did not come", p.lot.LotID)
			}
			is := e.Lots[i]
			longer := p.lot.ExpiresAt != nil && (is.ExpiresAt == nil || is.ExpiresAt.After(*p.lot.ExpiresAt))
			if is.Points != p.points || longer || !is.EarnedAt.Equal(p.lot.EarnedAt) {
				return fmt.Sprintf("%d points of the lot %s are held for the transfer, which lapses at %s, not %d that lapse at %s",
					p.points, p.lot.LotID, stamp(p.lot.ExpiresAt), is.Points, stamp(is.ExpiresAt))
			}
		}
		return ""
	}
	return "nothing is held for the transfer"
}

// Received says whether the customer has, or had, the points of a transfer.
func (l *Ledger) Received(transfer uuid.UUID) bool { return l.ids["transfer in:"+transfer.String()] }

package readapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
)

// NoOrder is why somebody has no scores as of a day by which they had not ordered.
const NoOrder = "no_order"

// Movement is which customers moved from which label to which between the ends of two
// days, computed from the log. Each day has cut points of its own, by the same policy.
type Movement struct {
	From      MovementDay    `json:"from"`
	To        MovementDay    `json:"to"`
	Customers int64          `json:"customers"` // who had ordered by the later day
	Stayed    int64          `json:"stayed"`    // with the same label on both
	Moved     int64          `json:"moved"`     // from one label to another
	Cells     []MovementCell `json:"cells"`     // that are not empty, in the policy's order of labels; who has none comes last
	Stamp
}

// MovementDay is one of the days of a movement.
type MovementDay struct {
	StudyOf
	Population int64      `json:"population"`
	CutPoints  *CutPoints `json:"cut_points" jsonschema:"nullable"` // null: nobody was there to compute them from
}

// MovementCell is the customers who moved from one label to another, or stayed.
// Without a label stands why: no_order before the first order, or why there are no scores.
type MovementCell struct {
	MovementStep
	Customers   int64        `json:"customers"`
	RevenueFrom domain.Money `json:"revenue_from"` // theirs as of the earlier day, of who had scores then
	Revenue     domain.Money `json:"revenue"`      // and as of the later one
}

// MovementStep is where customers come from, and where they are.
type MovementStep struct {
	FromLabel  *string `json:"from_label" jsonschema:"nullable"`
	FromReason string  `json:"from_reason,omitempty"`
	ToLabel    *string `json:"to_label" jsonschema:"nullable"`
	ToReason   string  `json:"to_reason,omitempty"`
}

// MovedCustomer is a customer on both days of a movement.
type MovedCustomer struct {
	CustomerID  uuid.UUID           `json:"customer_id"`
	ExternalIDs []customer.LinkedID `json:"external_ids"`
	From        RFM                 `json:"from"`
	To          RFM                 `json:"to"`
}

// MovedCustomers is a page of the customers of a movement, by id.
type MovedCustomers struct {
	Customers  []MovedCustomer `json:"customers"`
	NextCursor string          `json:"next_cursor,omitempty"`
	Stamp
}

// movement is two studies by one policy.
type movement struct{ from, to *study }

// movement reads the two days and the policy. The caller asks for p.err.
func (p *params) movement(a *API) (q *inquiry, from, to domain.Date, err error) {
	if q, err = p.inquiry(a); err != nil {
		return nil, 0, 0, err
	}
	from, to = p.day("from", q), p.day("to", q)
	if p.q.Get("from") == "" {
		p.bad("from", "is required")
	} else if len(p.problems) == 0 && from >= to {
		p.bad("from", "must be before %s", to)
	}
	return q, from, to, nil
}

func (a *API) moved(ctx context.Context, q *inquiry, from, to domain.Date) (m movement, err error) {
	studies, err := a.studies(ctx, q, from, to)
	if err != nil {
		return m, err
	}
	m = movement{studies[0], studies[1]}
	return m, cmp.Or(m.from.refusal(), m.to.refusal())
}

// both yields everybody who had ordered by the later day, as of both days. Who has an
// order by the earlier day has it by the later one.
func (m movement) both(yield func(id uuid.UUID, from, to RFM) bool) {
	rest := m.from.customers
	for i := range m.to.customers {
		c := &m.to.customers[i]
		from := RFM{PolicyVersion: m.from.version, Reason: NoOrder}
		if len(rest) > 0 && rest[0].id == c.id {
			from, rest = m.from.standing(&rest[0]), rest[1:]
		}
		if !yield(c.id, from, m.to.standing(c)) {
			return
		}
	}
}

// side is a label, or the reason why there is none.
type side struct{ label, reason string }

func sideOf(s RFM) side {
	if s.Label != nil {
		return side{label: *s.Label}
	}
	return side{reason: s.Reason}
}

func (s side) named() *string {
	if s.reason != "" {
		return nil
	}
	return &s.label
}

// compareSides orders by the policy's order of labels, then by reason.
func compareSides(p *rules.Policy, a, b side) int {
	rank := func(s side) int {
		if i := slices.IndexFunc(p.Labels, func(l rules.Label) bool { return l.Name == s.label }); i >= 0 && s.reason == "" {
			return i
		}
		return len(p.Labels) // the label of who matches none, and behind it who has none
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.reason, b.reason))
}

func (m movement) answer() Movement {
	day := func(s *study) MovementDay {
		d := MovementDay{StudyOf: s.of(s.asOf), Population: s.population}
		if c := s.calibration(); c != nil {
			d.CutPoints = new(cutPointsOf(c))
		}
		return d
	}
	answer := Movement{From: day(m.from), To: day(m.to), Customers: int64(len(m.to.customers)), Cells: []MovementCell{}, Stamp: m.to.stamp()}
	type step [2]side
	cells := map[step]*MovementCell{}
	var steps []step
	m.both(func(_ uuid.UUID, from, to RFM) bool {
		s := step{sideOf(from), sideOf(to)}
		c := cells[s]
		if c == nil {
			none := domain.Money{Currency: m.to.policy.Currency}
			c = &MovementCell{
				MovementStep: MovementStep{s[0].named(), s[0].reason, s[1].named(), s[1].reason},
				RevenueFrom:  none, Revenue: none,
			}
			cells[s], steps = c, append(steps, s)
		}
		c.Customers++
		if from.Amount != nil {
			c.RevenueFrom.AmountMinor += from.Amount.AmountMinor
		}
		if to.Amount != nil {
			c.Revenue.AmountMinor += to.Amount.AmountMinor
		}
		switch {
		case s[0].reason != "" || s[1].reason != "":
		case s[0] == s[1]:
			answer.Stayed++
		default:
			answer.Moved++
		}
		return true
	})
	slices.SortFunc(steps, func(a, b step) int {
		return cmp.Or(compareSides(m.to.policy, a[0], b[0]), compareSides(m.to.policy, a[1], b[1]))
	})
	for _, s := range steps {
		answer.Cells = append(answer.Cells, *cells[s])
	}
	return answer
}

func (a *API) movement(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	q, from, to, err := p.movement(a)
	if err != nil {
		return err
	}
	p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	m, err := a.moved(r.Context(), q, from, to)
	if err != nil {
		return err
	}
	answer := m.answer()
	return writeJSON(w, answer.Stamp, answer)
}

// movementPlace is where a list of moved customers goes on: behind a customer, in the
// log as it was for the first page, by the policy of that page.
type movementPlace struct {
	After    uuid.UUID `json:"a"`
	Position uint64    `json:"p"`
	Policy   []byte    `json:"d"` // digest
}

// sideWanted is a label or a reason that is asked for; empty ones are everybody.
func (p *params) sideWanted(name string) side {
	s := side{p.text(name + "_label"), p.text(name + "_reason")}
	if s.label != "" && s.reason != "" {
		p.bad(name+"_reason", "is why there is no label, and %s_label asks for one", name)
	}
	return s
}

func (s side) takes(o side) bool {
	return (s.label == "" || s.label == o.label) && (s.reason == "" || s.reason == o.reason)
}

func (a *API) movedCustomers(w http.ResponseWriter, r *http.Request) error {
	ctx, p := r.Context(), paramsOf(r)
	q, from, to, err := p.movement(a)
	if err != nil {
		return err
	}
	cameFrom, is := p.sideWanted("from"), p.sideWanted("to")
	limit, least := p.limit(), p.minPosition()
	var at movementPlace
	var digest []byte
	if q.policy != nil {
		text, err := json.Marshal(q.policy)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		digest = sum[:8]
	}
	goesOn := p.cursor(a.cursors(), &at)
	if goesOn && !bytes.Equal(at.Policy, digest) {
		p.bad("cursor", "is of a list by another policy; begin again")
	}
	if err := p.err(); err != nil {
		return err
	}
	q.upTo = at.Position
	o, err := a.across(ctx, profile.Name, least)
	if err != nil {
		return err
	}
	m, err := a.moved(ctx, q, from, to)
	if err != nil {
		return err
	}
	answer := MovedCustomers{Customers: []MovedCustomer{}, Stamp: m.to.stamp()}
	m.both(func(id uuid.UUID, from, to RFM) bool {
		if goesOn && bytes.Compare(id[:], at.After[:]) <= 0 || !cameFrom.takes(sideOf(from)) || !is.takes(sideOf(to)) {
			return true
		}
		if n := len(answer.Customers); n == limit {
			answer.NextCursor = p.next(a.cursors(), movementPlace{answer.Customers[n-1].CustomerID, m.to.position, digest})
			return false
		}
		answer.Customers = append(answer.Customers, MovedCustomer{CustomerID: id, From: from, To: to})
		return true
	})
	if err := a.linkMoved(ctx, o, answer.Customers); err != nil {
		return err
	}
	return writeJSON(w, answer.Stamp, answer)
}

// linkMoved adds the external ids that customers have now.
func (a *API) linkMoved(ctx context.Context, profiles across, list []MovedCustomer) error {
	ids := make([]uuid.UUID, len(list))
	for i := range list {
		ids[i] = list[i].CustomerID
	}
	docs, err := a.Documents.Documents(ctx, profiles.generation, profiles.partitions, ids)
	if err != nil {
		return err
	}
	for i, stored := range docs {
		d := struct {
			ExternalIDs []customer.LinkedID `json:"external_ids"`
		}{[]customer.LinkedID{}}
		if stored != nil {
			if err := json.Unmarshal(stored, &d); err != nil {
				return fmt.Errorf("profile document of %v: %w", ids[i], err)
			}
		}
		list[i].ExternalIDs = d.ExternalIDs
	}
	return nil
}

// movementRoutes are those of a movement, by a published policy and by a draft.
func (a *API) movementRoutes() []web.Route {
	days := []web.Param{
		{Name: "from", In: "query", Required: true, Type: "string", Format: "date", Detail: "The end of the earlier business day."},
		query("to", "string", "date", "The end of the later one; the last one closed if absent."),
		knownParam,
	}
	sides := func(name, what string) []web.Param {
		return []web.Param{
			query(name+"_label", "string", "", "Only customers of this label as of the "+what+" day."),
			query(name+"_reason", "string", "", "Only customers without scores as of the "+what+" day, by why: "+NoOrder+" is who had not ordered yet."),
		}
	}
	const by = " Computed from the log as a study is: each day with cut points of its own, both by one policy."
	refuses := []string{ErrParameters.Code, ErrCurrencyMixed.Code, ErrBehind.Code}
	routes := []web.Route{
		{
			Path: "/v1/rfm/movement", Summary: "Count who moved from which label to which",
			Detail: "Customers and revenue by label on two days. Who had not ordered by the earlier one comes from the reason `" + NoOrder + "`." + by,
			Params: slices.Concat(days, minParams), Handler: a.movement,
			Answers: []web.Answer{{Status: 200, Detail: "The movement.", Body: Movement{}, Headers: stampHeaders}},
		},
		{
			Path: "/v1/rfm/movement/customers", Summary: "List who moved from which label to which",
			Detail: "The customers of a movement, or of one of its cells, by id, with the scores of both days." + by +
				" Every page reads the log anew, as far as the first page did: take long ones.",
			Params: slices.Concat(days, sides("from", "earlier"), sides("to", "later"), pageParams, minParams), Handler: a.movedCustomers,
			Answers: []web.Answer{{Status: 200, Detail: "A page of customers.", Body: MovedCustomers{}, Headers: stampHeaders}},
		},
	}
	for i := range routes {
		routes[i].Tag, routes[i].Refuses = "rfm", refuses
		draft := routes[i]
		routes[i].Method, routes[i].Params = "GET", slices.Concat(routes[i].Params, []web.Param{versionParam})
		draft.Method, draft.Summary, draft.Body = "POST", draft.Summary+", by a draft of a policy", PolicyDraft{}
		routes = append(routes, draft)
	}
	return routes
}

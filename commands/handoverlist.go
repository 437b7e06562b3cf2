package commands

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"golang.org/x/sync/errgroup"
)

// handovers is a summary of every handover there was, in the order of the log.
type handovers struct {
	mu      sync.Mutex
	list    []handover.Summary
	at      map[uuid.UUID]int
	pending map[uuid.UUID]bool // the saga has something to do
}

func (h *handovers) apply(e handover.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at == nil {
		h.at, h.pending = map[uuid.UUID]int{}, map[uuid.UUID]bool{}
	}
	id := handover.Of(e)
	n, known := h.at[id]
	if !known {
		n = len(h.list)
		h.at[id], h.list = n, append(h.list, handover.Summary{})
	}
	h.list[n] = h.list[n].With(e)
	if h.list[n].Next() == handover.Rest {
		delete(h.pending, id)
	} else {
		h.pending[id] = true
	}
}

// page returns up to limit summaries that keep keeps, the latest first, of those
// before a place, and where to go on: 0 at the end.
func (h *handovers) page(before, limit int, keep func(handover.Summary) bool) (list []handover.Summary, next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list = []handover.Summary{}
	for i := min(before, len(h.list)) - 1; i >= 0; i-- {
		if !keep(h.list[i]) {
			continue
		}
		if len(list) == limit {
			return list, i + 1
		}
		list = append(list, h.list[i])
	}
	return list, 0
}

// PendingHandovers returns the handovers with which the saga has something to do,
// as far as the world knows.
func (w *World) PendingHandovers() []uuid.UUID {
	w.handovers.mu.Lock()
	defer w.handovers.mu.Unlock()
	ids := make([]uuid.UUID, 0, len(w.handovers.pending))
	for id := range w.handovers.pending {
		ids = append(ids, id)
	}
	return ids
}

// HandoverList is a page of handovers, the latest first.
type HandoverList struct {
	Handovers  []handover.Summary `json:"handovers"`
	NextCursor string             `json:"next_cursor,omitempty"`
	Position   uint64             `json:"position"`
}

// HandoverAnswer is a handover with its dossier, and how far it has come with each customer.
type HandoverAnswer struct {
	handover.Summary
	Dossier  HandoverDossier    `json:"dossier"`
	Progress []HandoverProgress `json:"progress"` // by customer
	Revision int64              `json:"revision"`
	Position uint64             `json:"position"`
}

// HandoverDossier is what was open when the handover was asked for, sealed.
type HandoverDossier struct {
	Customers []handover.Dossier `json:"customers"`
	Hash      string             `json:"hash"`     // SHA-256 of customers as canonical JSON (RFC 8785)
	Position  uint64             `json:"position"` // of the last event that it knows
}

// HandoverProgress is how far a handover has come with one customer.
type HandoverProgress struct {
	CustomerID   uuid.UUID   `json:"customer_id"`
	State        string      `json:"state" jsonschema:"enum=waiting,enum=kept,enum=handed_over,enum=let_go,enum=erased"`
	Acknowledged []uuid.UUID `json:"acknowledged,omitempty"` // items
	Resolved     []uuid.UUID `json:"resolved,omitempty"`
	Open         []uuid.UUID `json:"open,omitempty"`
}

// What a customer of a handover can be.
const (
	customerWaiting    = "waiting"
	customerKept       = "kept"
	customerHandedOver = "handed_over"
	customerLetGo      = "let_go"
	customerErased     = "erased"
)

const (
	defaultHandovers = 50
	maxHandovers     = 500
)

func (a *API) handoverRoutes() []web.Route {
	return []web.Route{{
		Method: http.MethodGet, Path: "/v1/handovers", Summary: "List handovers, the latest first", Tag: "handovers",
		Params: append([]web.Param{
			{Name: "state", In: "query", Type: "string", Enum: handover.States, Detail: "only those in this state"},
			{Name: "from", In: "query", Type: "string", Detail: "only those of this employee's customers"},
			{Name: "to", In: "query", Type: "string", Detail: "only those to this employee"},
			{Name: "limit", In: "query", Type: "integer", Detail: "length of a page, 1 to 500; 50 if absent"},
			{Name: "cursor", In: "query", Type: "string", Detail: "next_cursor of the page before"},
		}, minPosition...),
		Answers: []web.Answer{{Status: http.StatusOK, Body: HandoverList{}}}, Refuses: []string{ErrBehind.Code},
		Handler: a.listHandovers,
	}, {
		Method: http.MethodGet, Path: "/v1/handovers/{handover_id}", Summary: "Show a handover, with its dossier", Tag: "handovers",
		Params: append([]web.Param{
			{Name: "handover_id", In: "path", Required: true, Type: "string", Format: "uuid", Detail: "the handover"},
		}, minPosition...),
		Answers: []web.Answer{{Status: http.StatusOK, Body: HandoverAnswer{}, Headers: []string{"ETag"}}}, Refuses: []string{handover.ErrNotFound.Code, ErrBehind.Code, ErrUnavailable.Code},
		Handler: a.showHandover,
	}}
}

func (a *API) listHandovers(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	var p domain.Problems
	p.OneOf("/state", q.Get("state"), handover.States...)
	limit, before := number(&p, "/limit", q.Get("limit"), defaultHandovers, maxHandovers), number(&p, "/cursor", q.Get("cursor"), 1<<31, 1<<31)
	if err := p.Err(); err != nil {
		return err
	}
	facts, err := a.facts(r)
	if err != nil {
		return err
	}
	list := HandoverList{Position: facts.Position}
	var next int
	list.Handovers, next = a.Writer.World.handovers.page(before, limit, func(s handover.Summary) bool {
		return among(s.State, q.Get("state")) && among(s.From, q.Get("from")) && among(s.To, q.Get("to"))
	})
	if next > 0 {
		list.NextCursor = strconv.Itoa(next)
	}
	return web.WriteJSON(w, http.StatusOK, list)
}

func among(is, asked string) bool { return asked == "" || is == asked }

// number reads a parameter from 1 to most.
func number(p *domain.Problems, pointer, text string, absent, most int) int {
	if text == "" {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.Add(pointer, "must be a whole number from 1 to %d", most)
	}
	return n
}

func (a *API) showHandover(w http.ResponseWriter, r *http.Request) error {
	text := mux.Vars(r)["handover_id"]
	id, err := uuid.Parse(text)
	if err != nil {
		return handover.ErrNotFound.With("%q is not the id of a handover", text)
	}
	if _, err := a.facts(r); err != nil {
		return err
	}
	m, err := a.Writer.handoverState(r.Context(), id)
	if err != nil {
		return err
	}
	if m.state.State == "" {
		return handover.ErrNotFound.With("there is no handover %s", id)
	}
	s := m.state
	answer := HandoverAnswer{
		Summary: s.Summary, Revision: m.revision, Position: m.position,
		Dossier: HandoverDossier{Customers: s.Requested.Customers, Hash: s.Requested.DossierHash, Position: s.Requested.Position},
	}
	if answer.Progress, err = a.Writer.handoverProgress(r.Context(), s); err != nil {
		return err
	}
	w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(m.revision, 10)))
	return web.WriteJSON(w, http.StatusOK, answer)
}

// handoverProgress says how far a handover has come with each customer. While the
// saga is under way the customers' streams say it.
func (w *Writer) handoverProgress(ctx context.Context, s handover.State) ([]HandoverProgress, error) {
	list := make([]HandoverProgress, len(s.Requested.Customers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, d := range s.Requested.Customers {
		list[i].CustomerID = d.CustomerID
		for _, item := range d.Items {
			switch s.Item(item.ID) {
			case handover.ItemAcknowledged:
				list[i].Acknowledged = append(list[i].Acknowledged, item.ID)
			case handover.ItemResolved:
				list[i].Resolved = append(list[i].Resolved, item.ID)
			default:
				list[i].Open = append(list[i].Open, item.ID)
			}
		}
		switch {
		case s.State == handover.StateCompleted && slices.Contains(s.Left, d.CustomerID):
			list[i].State = customerErased
		case s.State == handover.StateCompleted:
			list[i].State = customerHandedOver
		case s.Settled:
			list[i].State = customerLetGo
		case s.Next() == handover.Rest:
			list[i].State = customerKept
		default:
			group.Go(func() (err error) {
				list[i].State, err = w.underway(ctx, s, d.CustomerID)
				return err
			})
		}
	}
	return list, group.Wait()
}

func (w *Writer) underway(ctx context.Context, s handover.State, of uuid.UUID) (string, error) {
	m, err := w.customerState(ctx, of)
	if err != nil {
		return "", err
	}
	is := m.state.Ownership
	switch {
	case m.key == eventschema.Erased || m.state.Rights.Erased:
		return customerErased, nil
	case is.Handover != nil && is.Handover.HandoverID == s.HandoverID:
		return customerKept, nil
	case is.HandedOver != nil && is.HandedOver.HandoverID == s.HandoverID:
		return customerHandedOver, nil
	case s.Next() == handover.Keep:
		return customerWaiting, nil
	}
	return customerLetGo, nil
}

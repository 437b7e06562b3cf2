package commands

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/transfer"
	"github.com/rapport-crm/rapport/internal/web"
)

// transfers is every transfer that has not ended.
type transfers struct {
	mu   sync.Mutex
	open map[uuid.UUID]transfer.State
}

func (t *transfers) apply(e transfer.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[uuid.UUID]transfer.State{}
	}
	id := transfer.Of(e)
	if s := t.open[id].Evolve(e); s.Next() == transfer.Rest {
		delete(t.open, id)
	} else {
		t.open[id] = s
	}
}

// PendingTransfers returns the transfers that have not ended, the oldest first, as
// far as the world knows.
func (w *World) PendingTransfers() []transfer.State {
	w.transfers.mu.Lock()
	defer w.transfers.mu.Unlock()
	list := make([]transfer.State, 0, len(w.transfers.open))
	for _, s := range w.transfers.open {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b transfer.State) int {
		return cmp.Or(a.ProposedAt.Compare(b.ProposedAt), bytes.Compare(a.TransferID[:], b.TransferID[:]))
	})
	return list
}

// TransferList is transfers that have not ended, the oldest first.
type TransferList struct {
	Transfers []transfer.State `json:"transfers"`
	Total     int              `json:"total"` // how many there are, those that are not listed included
	Position  uint64           `json:"position"`
}

// TransferAnswer is a transfer.
type TransferAnswer struct {
	transfer.State
	Revision int64  `json:"revision"`
	Position uint64 `json:"position"`
}

func (a *API) transferRoutes() []web.Route {
	return []web.Route{{
		Method: http.MethodGet, Path: "/v1/transfers", Summary: "List the transfers of points that have not ended, the oldest first", Tag: "transfers",
		Detail: "Those that have ended stand in the ledgers of their customers.",
		Params: append([]web.Param{
			{Name: "customer_id", In: "query", Type: "string", Format: "uuid", Detail: "only those from or to this customer"},
			{Name: "limit", In: "query", Type: "integer", Detail: "how many, 1 to 500; 50 if absent"},
		}, minPosition...),
		Answers: []web.Answer{{Status: http.StatusOK, Body: TransferList{}}}, Refuses: []string{ErrBehind.Code},
		Handler: a.listTransfers,
	}, {
		Method: http.MethodGet, Path: "/v1/transfers/{transfer_id}", Summary: "Show a transfer of points", Tag: "transfers",
		Params:  []web.Param{{Name: "transfer_id", In: "path", Required: true, Type: "string", Format: "uuid", Detail: "the transfer"}},
		Answers: []web.Answer{{Status: http.StatusOK, Body: TransferAnswer{}, Headers: []string{"ETag"}}},
		Refuses: []string{transfer.ErrNotFound.Code, ErrUnavailable.Code},
		Handler: a.showTransfer,
	}}
}

func (a *API) listTransfers(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	var p domain.Problems
	of := uuid.Nil
	if text := q.Get("customer_id"); text != "" {
		var err error
		if of, err = uuid.Parse(text); err != nil {
			p.Add("/customer_id", "must be a UUID")
		}
	}
	limit := number(&p, "/limit", q.Get("limit"), defaultHandovers, maxHandovers)
	if err := p.Err(); err != nil {
		return err
	}
	facts, err := a.facts(r)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(a.Writer.World.PendingTransfers(), func(s transfer.State) bool {
		return of != uuid.Nil && s.From != of && s.To != of
	})
	return web.WriteJSON(w, http.StatusOK, TransferList{Transfers: list[:min(limit, len(list))], Total: len(list), Position: facts.Position})
}

func (a *API) showTransfer(w http.ResponseWriter, r *http.Request) error {
	text := mux.Vars(r)["transfer_id"]
	id, err := uuid.Parse(text)
	if err != nil {
		return transfer.ErrNotFound.With("%q is not the id of a transfer", text)
	}
	m, err := a.Writer.transferState(r.Context(), id)
	if err != nil {
		return err
	}
	if m.state.State == "" {
		return transfer.ErrNotFound.With("there is no transfer %s", id)
	}
	w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(m.revision, 10)))
	return web.WriteJSON(w, http.StatusOK, TransferAnswer{m.state, m.revision, m.position})
}

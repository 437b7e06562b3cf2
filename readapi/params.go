package readapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
)

// ErrParameters refuses a query whose parameters are wrong, each by name.
var ErrParameters = web.ErrParameters

// Limits of a page.
const (
	defaultLimit = 50
	maxLimit     = 500
)

// params reads the parameters of a query and collects what is wrong with them.
// A parameter nobody asked for is refused: a misspelt filter must not answer
// more than was asked.
type params struct {
	q        url.Values
	r        *http.Request
	read     []string
	problems []domain.FieldError
}

func paramsOf(r *http.Request) *params {
	p := &params{q: r.URL.Query(), r: r}
	for name, values := range p.q {
		if len(values) > 1 {
			p.bad(name, "is given %d times", len(values))
		}
	}
	return p
}

func (p *params) bad(name, format string, args ...any) {
	p.problems = append(p.problems, domain.FieldError{Pointer: "/" + name, Detail: fmt.Sprintf(format, args...)})
}

// text returns a parameter, "" if it is absent.
func (p *params) text(name string) string {
	p.read = append(p.read, name)
	return p.q.Get(name)
}

// oneOf returns a parameter that has a fixed set of values, the first being the default.
func (p *params) oneOf(name string, allowed ...string) string {
	s := p.text(name)
	if s == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, s) {
		p.bad(name, "%q is not one of %s", s, strings.Join(slices.DeleteFunc(slices.Clone(allowed), func(v string) bool { return v == "" }), ", "))
		return allowed[0]
	}
	return s
}

func (p *params) number(name string, absent, least, most int) int {
	s := p.text(name)
	if s == "" {
		return absent
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		p.bad(name, "%q is not a whole number from %d to %d", s, least, most)
		return absent
	}
	return n
}

func (p *params) limit() int { return p.number("limit", defaultLimit, 1, maxLimit) }

// position returns a log position, 0 if it is absent.
func (p *params) position(name string) uint64 {
	return p.parsePosition(name, p.text(name))
}

func (p *params) parsePosition(name, s string) uint64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		p.bad(name, "%q is not a position of the log", s)
	}
	return n
}

func (p *params) date(name string) *domain.Date {
	s := p.text(name)
	if s == "" {
		return nil
	}
	d, err := domain.ParseDate(s)
	if err != nil {
		p.bad(name, "%v", err)
		return nil
	}
	return &d
}

// instant returns a time: RFC 3339, or a date, which means its first or its last
// instant in the business zone.
func (p *params) instant(name string, w *projections.World, last bool) *time.Time {
	s := p.text(name)
	if s == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err == nil {
		return &t
	}
	d, err := domain.ParseDate(s)
	if err != nil {
		p.bad(name, "%q is neither a date nor an RFC 3339 time", s)
		return nil
	}
	zone, err := time.LoadLocation(w.Zone) // "" is UTC
	if err != nil {
		p.bad(name, "needs a time here: this machine does not know the time zone %s", w.Zone)
		return nil
	}
	if t = d.Start(zone); last {
		t = d.End(zone)
	}
	return &t
}

// minPosition returns what the caller wants to see the effect of: the parameter
// min_position or the request header Rapport-Position, the higher one.
func (p *params) minPosition() uint64 {
	return max(p.position("min_position"), p.parsePosition("Rapport-Position", p.r.Header.Get("Rapport-Position")))
}

// cursor reads where the list goes on into where; false means at its start.
func (p *params) cursor(c cursors, where any) bool {
	s := p.text("cursor")
	if s == "" {
		return false
	}
	if !c.open(question(p.r.URL.Path, p.q), s, where) {
		p.bad("cursor", "is not a cursor of this list; take it unchanged from next_cursor and keep the other parameters")
		return false
	}
	return true
}

// next seals where the list goes on.
func (p *params) next(c cursors, where any) string {
	return c.seal(question(p.r.URL.Path, p.q), where)
}

// err refuses the request if anything was wrong, unknown parameters included.
func (p *params) err() error {
	for name := range p.q {
		if !slices.Contains(p.read, name) {
			p.bad(name, "%s", web.NoParameter(p.read))
		}
	}
	if len(p.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(p.problems, func(a, b domain.FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
	return web.Parameters(p.problems)
}

// customerID reads the path's customer. A text that is no id names no customer.
func customerID(r *http.Request) (uuid.UUID, error) {
	s := mux.Vars(r)["customer_id"]
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return uuid.Nil, ErrCustomerNotFound.With("%q is not the id of a customer; GET /v1/customers?external_id=SYSTEM:ID finds who another system knows", s)
	}
	return id, nil
}

// How parameters stand in the published document.

var (
	customerParam = web.Param{Name: "customer_id", In: "path", Required: true, Type: "string", Format: "uuid", Detail: "The customer."}
	minParams     = []web.Param{
		{Name: "min_position", In: "query", Type: "integer", Detail: "Wait up to two seconds until the answer reflects this position of the log."},
		{Name: "Rapport-Position", In: "header", Type: "integer", Detail: "The same as min_position: the header of a command's answer, sent back."},
	}
	pageParams = []web.Param{
		{Name: "cursor", In: "query", Type: "string", Detail: "next_cursor of the page before."},
		{Name: "limit", In: "query", Type: "integer", Detail: "Length of a page, 1 to 500; 50 if absent."},
	}
)

func query(name, typ, format, detail string) web.Param {
	return web.Param{Name: name, In: "query", Type: typ, Format: format, Detail: detail}
}

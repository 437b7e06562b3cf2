package web

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// Problem is an answer that says why not (RFC 9457).
type Problem struct {
	Type    string              `json:"type"` // a link to what is said of the code
	Title   string              `json:"title"`
	Status  int                 `json:"status"`
	Detail  string              `json:"detail,omitempty"`
	Code    string              `json:"code"` // stable
	Errors  []domain.FieldError `json:"errors,omitempty"`
	Holder  string              `json:"holder,omitempty"` // who holds what was asked for
	TraceID string              `json:"trace_id"`
}

// ContentType of a Problem.
const ContentType = "application/problem+json"

var statuses = map[domain.Kind]int{
	domain.Malformed:    http.StatusBadRequest,
	domain.Invalid:      http.StatusUnprocessableEntity,
	domain.NotFound:     http.StatusNotFound,
	domain.Forbidden:    http.StatusForbidden,
	domain.Conflict:     http.StatusConflict,
	domain.Precondition: http.StatusPreconditionFailed,
	domain.Gone:         http.StatusGone,
	domain.Restricted:   http.StatusLocked,
	domain.TooLarge:     http.StatusRequestEntityTooLarge,
	domain.Unavailable:  http.StatusServiceUnavailable,
}

// Errors of the HTTP layer itself.
var (
	ErrNoRoute  = &domain.Error{Kind: domain.NotFound, Code: "not_found", Detail: "there is nothing at this address; /docs lists what there is, GET /v1/commands every command"}
	ErrNoMethod = &domain.Error{Kind: domain.Invalid, Code: "method_not_allowed"}
	errInternal = &domain.Error{Code: "internal", Detail: "something failed on our side; it is logged under the trace id"}
)

// Common are the codes that every route may answer.
var Common = []string{
	ErrMalformed.Code, domain.ErrValidation.Code, ErrTooLarge.Code, ErrNoRoute.Code, ErrNoMethod.Code, errInternal.Code,
}

// ProblemOf makes a problem of an error. An error that is no *domain.Error is ours: the
// caller learns nothing of it.
func ProblemOf(err error, trace string) Problem {
	refusal := (*domain.Error)(nil)
	status, ok := 0, errors.As(err, &refusal)
	if ok {
		status, ok = statuses[refusal.Kind]
	}
	if !ok {
		refusal, status = errInternal, http.StatusInternalServerError
	}
	if refusal.Code == ErrNoMethod.Code {
		status = http.StatusMethodNotAllowed
	}
	return Problem{
		Type: "/docs#" + refusal.Code, Title: Title(refusal.Code), Status: status,
		Detail: refusal.Detail, Code: refusal.Code, Errors: refusal.Fields, Holder: refusal.Holder, TraceID: trace,
	}
}

// ErrParameters refuses a query whose parameters are wrong, each by name.
var ErrParameters = &domain.Error{Kind: domain.Malformed, Code: "parameter_invalid"}

// Parameters returns ErrParameters with what is wrong; a pointer is the name of a
// parameter behind a slash.
func Parameters(problems []domain.FieldError) error {
	e := ErrParameters.With("%s %s", strings.TrimPrefix(problems[0].Pointer, "/"), problems[0].Detail)
	e.Fields = problems
	return e
}

// NoParameter says of a parameter that the query does not have, and which it has.
func NoParameter(has []string) string {
	const is = "is not a parameter of this query"
	if len(has) == 0 {
		return is + ", which has none"
	}
	return is + ", which has " + strings.Join(slices.Compact(slices.Sorted(slices.Values(has))), ", ")
}

// Title is a code for people: "order_exists" is "Order exists".
func Title(code string) string {
	words := strings.ReplaceAll(code, "_", " ")
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// TraceID returns the trace id of a request (W3C Trace Context), or a random one.
func TraceID(r *http.Request) string {
	if id, ok := TraceParent(r); ok {
		return hex.EncodeToString(id[:])
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// TraceParent returns the trace id that the caller sent, if there is a valid one.
func TraceParent(r *http.Request) (id [16]byte, ok bool) {
	parent := r.Header.Get("Traceparent")
	if len(parent) < 55 || parent[2] != '-' || parent[35] != '-' {
		return id, false
	}
	if _, err := hex.Decode(id[:], []byte(parent[3:35])); err != nil || id == [16]byte{} {
		return id, false
	}
	return id, true
}

// serve runs a handler and answers its error.
func serve(h Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &answer{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				log.ErrorContext(r.Context(), "handler panicked", "panic", p, "stack", string(debug.Stack()))
				fail(out, r, log, errors.New("panic"))
			}
		}()
		if err := h(out, r); err != nil {
			fail(out, r, log, err)
		}
	})
}

// fail answers an error. When the answer has begun the connection is cut, so
// that nobody takes a part for the whole.
func fail(w *answer, r *http.Request, log *slog.Logger, err error) {
	problem := ProblemOf(err, TraceID(r))
	if problem.Status >= 500 {
		LogFailure(r, log, err, problem.TraceID)
	}
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	WriteProblem(w, problem)
}

// LogFailure logs an error of ours under its trace id, unless the caller only
// went away.
func LogFailure(r *http.Request, log *slog.Logger, err error, trace string) {
	if r.Context().Err() != nil {
		return
	}
	level, what := slog.LevelError, "request failed"
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) { // we said "not now", as we are meant to
		level, what = slog.LevelWarn, "request refused for now"
	}
	log.Log(r.Context(), level, what, "method", r.Method, "path", r.URL.Path, "trace_id", trace, "err", err)
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, p Problem) {
	body, _ := json.Marshal(p)
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

// WriteJSON answers with a value as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	if err != nil {
		return nil // the caller went away
	}
	return nil
}

// answer knows whether the answer has begun.
type answer struct {
	http.ResponseWriter
	begun bool
}

func (a *answer) WriteHeader(status int) {
	a.begun = a.begun || status >= 200
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

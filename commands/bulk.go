package commands

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
	"golang.org/x/sync/semaphore"
)

// Line is one command of a bulk request.
type Line struct {
	Command    string         `json:"command"` // its name; of several of one name, with the group: rfm/publish-policy
	CustomerID uuid.UUID      `json:"customer_id,omitzero"`
	ID         string         `json:"id,omitempty"` // idempotency key
	Body       jsontext.Value `json:"body"`
	Actor      string         `json:"actor,omitempty"`   // instead of the header Rapport-Actor
	Channel    string         `json:"channel,omitempty"` // instead of the header Rapport-Channel
	Reason     string         `json:"reason,omitempty"`  // instead of the header Rapport-Reason
}

// LineAnswer is the answer to one line: that of the command, or a problem.
type LineAnswer struct {
	Line       int                 `json:"line"` // counted from 1
	Status     int                 `json:"status"`
	CustomerID *uuid.UUID          `json:"customer_id,omitempty"`
	HandoverID *uuid.UUID          `json:"handover_id,omitempty"`
	TransferID *uuid.UUID          `json:"transfer_id,omitempty"`
	Revision   *int64              `json:"revision,omitempty"`
	Position   *uint64             `json:"position,omitempty"`
	Changed    *bool               `json:"changed,omitempty"`
	Events     []EventRef          `json:"events,omitempty"`
	Type       string              `json:"type,omitempty"`
	Title      string              `json:"title,omitempty"`
	Detail     string              `json:"detail,omitempty"`
	Code       string              `json:"code,omitempty"`
	Errors     []domain.FieldError `json:"errors,omitempty"`
	Holder     string              `json:"holder,omitempty"`
	TraceID    string              `json:"trace_id,omitempty"`
}

// What a bulk request may have under way. Lines wait for their turn, for the
// line before them of the same subject, and then for the caller to read.
const (
	bulkWorkers = 64       // commands being executed
	bulkWindow  = 4096     // lines between the first unanswered one and the last one read
	bulkBytes   = 16 << 20 // of those lines and their answers
)

var errUnknownCommand = &domain.Error{Kind: domain.NotFound, Code: "unknown_command"}

func (a *API) bulkRoute() web.Route {
	return web.Route{
		Method: http.MethodPost, Path: "/v1/commands", Summary: "Execute many commands", Tag: "commands",
		Detail: "One command a line (NDJSON); one answer a line, in order, while the request is still being read. " +
			"A line that fails does not stop the others. Commands about one customer are executed in order. " +
			"Keep reading the answer while sending: what is not read holds up what is sent.",
		Params:   commandHeaders[2:],
		Body:     Line{},
		BodyType: "application/x-ndjson",
		Answers:  []web.Answer{{Status: http.StatusOK, ContentType: "application/x-ndjson", Body: LineAnswer{}}},
		Refuses:  append(bulkCodes(), errUnknownCommand.Code),
		Handler:  a.bulk,
	}
}

func bulkCodes() (codes []string) {
	for _, d := range Catalogue {
		codes = append(codes, d.refuses()...)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// bulk serves a bulk request: one goroutine reads lines, some execute them, one
// writes the answers in order.
func (a *API) bulk(w http.ResponseWriter, r *http.Request) error {
	e, err := readEnvelope(r)
	if err != nil {
		return err
	}
	if e.key != "" || e.match != nil {
		return ErrHeader.With("a bulk request takes no Idempotency-Key and no If-Match; its lines have ids of their own")
	}
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // HTTP/2 is so already
	w.Header().Set("Content-Type", "application/x-ndjson")

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	b := &bulkRun{
		api: a, envelope: e, trace: web.TraceID(r), request: r, ctx: ctx,
		lines: make(chan *bulkLine, bulkWindow), ready: make(chan *bulkLine, bulkWindow), last: map[any]*bulkLine{},
		bytes: semaphore.NewWeighted(bulkBytes),
	}
	var writing, working sync.WaitGroup
	for range bulkWorkers {
		working.Go(b.work)
	}
	writing.Go(func() {
		if b.write(w, control) != nil {
			cancel() // nobody reads the answers
		}
	})
	err = b.read(r.Body)
	close(b.lines)
	writing.Wait() // for every answer, and so for every worker to be idle
	close(b.ready)
	working.Wait()
	return err
}

type bulkRun struct {
	api      *API
	envelope envelope
	trace    string
	request  *http.Request
	ctx      context.Context
	lines    chan *bulkLine // all, in order
	ready    chan *bulkLine // those that wait for no other
	bytes    *semaphore.Weighted
	failed   sync.Once // the first failure of ours is logged, not each

	mu   sync.Mutex
	last map[any]*bulkLine // the last line read of each subject
}

// bulkLine is one line under way.
type bulkLine struct {
	Line
	number     int
	definition Definition
	envelope   envelope
	subject    any
	next       *bulkLine // the line after it of the same subject, once there is one
	size       int64
	done       chan struct{} // closed when answer is there
	answer     []byte
}

// answerBytes is what an answer takes, roughly.
const answerBytes = 1024

// read reads lines and sets them off until the body ends.
func (b *bulkRun) read(body io.Reader) error {
	in := bufio.NewReaderSize(body, 64<<10)
	for number := 1; ; number++ {
		text, tooLong, err := readLine(in)
		if len(bytes.TrimSpace(text)) > 0 || tooLong {
			if err := b.start(number, text, tooLong); err != nil {
				return nil // the caller went away
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return web.ErrMalformed.With("the body broke off in line %d", number)
		}
	}
}

// readLine reads a line, without more of it than web.MaxBody.
func readLine(in *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > web.MaxBody+1 {
			line, tooLong = line[:0], true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

// start sets a line off once there is room for it.
func (b *bulkRun) start(number int, text []byte, tooLong bool) error {
	l := &bulkLine{number: number, size: int64(len(text)) + answerBytes, done: make(chan struct{})}
	if err := b.bytes.Acquire(b.ctx, l.size); err != nil {
		return err
	}
	select {
	case b.lines <- l:
	case <-b.ctx.Done():
		b.bytes.Release(l.size)
		return b.ctx.Err()
	}
	err := error(web.ErrTooLarge)
	if !tooLong {
		err = l.read(text, b.envelope)
	}
	if err != nil {
		l.fail(b, err)
		return nil
	}
	b.mu.Lock()
	before := b.last[l.subject]
	b.last[l.subject] = l
	if before != nil {
		before.next = l
	}
	b.mu.Unlock()
	if before == nil {
		b.ready <- l // never blocks: it has room for all lines under way
	}
	return nil
}

// read understands a line, as far as that goes without its command.
func (l *bulkLine) read(text []byte, e envelope) (err error) {
	if err := web.Decode(text, &l.Line); err != nil {
		return err
	}
	known := false
	if l.definition, known = definitions[l.Command]; !known {
		return errUnknownCommand.With("there is no command %.100q", l.Command)
	}
	if l.subject = l.Line.subject(l.definition); l.subject == nil {
		l.subject = l
	}
	l.envelope, err = e.with(l.Line)
	return err
}

// work executes lines that wait for no other, and then those that waited for them.
func (b *bulkRun) work() {
	for l := range b.ready {
		for l != nil {
			of, result, err := b.api.execute(b.ctx, l.definition, l.envelope, l.named(), l.Body)
			b.mu.Lock()
			next := l.next
			if next == nil {
				delete(b.last, l.subject)
			}
			b.mu.Unlock()
			if err != nil {
				l.fail(b, err)
			} else {
				l.succeed(of, result)
			}
			l = next
		}
	}
}

// definitions are the commands as lines name them: by their names, and where
// several have one name, by the last member of the group's path before it, as
// rfm/publish-policy.
var definitions = func() map[string]Definition {
	named := map[string]int{}
	for _, d := range Catalogue {
		named[d.Name]++
	}
	all := map[string]Definition{}
	for _, d := range Catalogue {
		if named[d.Name] > 1 {
			all[path.Base(d.Group.Path)+"/"+d.Name] = d
		} else {
			all[d.Name] = d
		}
	}
	return all
}()

// subject is what lines must keep their order about, nil for a line that no
// other can be about.
func (l Line) subject(d Definition) any {
	switch {
	case !d.Group.Customer:
		return d.Group.Path
	case l.CustomerID != uuid.Nil:
		return l.CustomerID
	case d.keyed != nil:
		if id := d.keyed(l.Body); id != uuid.Nil {
			return id
		}
	}
	if l.ID != "" {
		return l.ID // the same key again is the same customer
	}
	return nil
}

// named is the subject that the line names beside its body. Other subjects than
// customers are named in the body only.
func (l *bulkLine) named() uuid.UUID {
	if l.definition.Group.Customer {
		return l.CustomerID
	}
	return uuid.Nil
}

// with returns the envelope of a line: what it says goes before the request's headers.
func (e envelope) with(l Line) (envelope, error) {
	var p domain.Problems
	text := func(pointer, value string, most int, into *string) {
		if value == "" {
			return
		}
		if utf8.RuneCountInString(value) > most {
			p.Add(pointer, "must have at most %d characters", most)
		}
		*into = value
	}
	text("/id", l.ID, maxKey, &e.key)
	text("/actor", l.Actor, maxActor, &e.actor)
	text("/channel", l.Channel, maxChannel, &e.channel)
	text("/reason", l.Reason, maxReason, &e.reason)
	return e, p.Err()
}

// write writes the answers in order as they come, and flushes when the next one
// is not there yet.
func (b *bulkRun) write(w io.Writer, control *http.ResponseController) error {
	out := bufio.NewWriterSize(w, 32<<10)
	var failed error
	flush := func() {
		if out.Buffered() == 0 || failed != nil {
			return
		}
		if failed = out.Flush(); failed == nil {
			_ = control.Flush()
		}
	}
	next := func() *bulkLine {
		select {
		case l := <-b.lines:
			return l
		default:
			flush()
			return <-b.lines
		}
	}
	for l := next(); l != nil; l = next() {
		select {
		case <-l.done:
		default:
			flush()
			<-l.done
		}
		if failed == nil {
			_, failed = out.Write(l.answer)
		}
		b.bytes.Release(l.size)
	}
	flush()
	return failed
}

func (l *bulkLine) fail(b *bulkRun, err error) {
	p := web.ProblemOf(err, b.trace)
	if p.Status >= 500 {
		b.failed.Do(func() { web.LogFailure(b.request, b.api.log(), err, b.trace) })
	}
	l.answer = appendProblem(l.answer, l.number, p)
	close(l.done)
}

func (l *bulkLine) succeed(of uuid.UUID, r Result) {
	l.answer = appendAnswer(make([]byte, 0, answerBytes/2), l.number, l.definition, of, r)
	close(l.done)
}

// appendAnswer writes what a LineAnswer would be.
func appendAnswer(b []byte, number int, d Definition, of uuid.UUID, r Result) []byte {
	b = strconv.AppendInt(append(b, `{"line":`...), int64(number), 10)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(d.status(r)), 10)
	if d.Group.Customer {
		b = append(append(append(b, `,"customer_id":"`...), of.String()...), '"')
	}
	if d.Group.Handover {
		b = append(append(append(b, `,"handover_id":"`...), of.String()...), '"')
	}
	if d.Group.Transfer {
		b = append(append(append(b, `,"transfer_id":"`...), of.String()...), '"')
	}
	b = strconv.AppendInt(append(b, `,"revision":`...), r.Revision, 10)
	b = strconv.AppendUint(append(b, `,"position":`...), r.Position, 10)
	b = strconv.AppendBool(append(b, `,"changed":`...), r.Changed)
	b = append(b, `,"events":[`...)
	for i, e := range r.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"id":"`...), e.ID.String()...), `","type":"`...)
		b = append(append(b, e.Type...), `"}`...)
	}
	return append(b, "]}\n"...)
}

package readapi

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// Verification is what recomputing hash chains found.
type Verification struct {
	OK      bool `json:"ok"`
	Events  int  `json:"events"` // that fit, before the first that does not
	Streams int  `json:"streams"`
	// Ledgers is how many customers had points, or were members, and their points were
	// computed again from their events.
	Ledgers int `json:"ledgers,omitempty"`
	// Unanchored counts the streams whose beginning was not there to be read:
	// their first event is taken on trust, the others are proven against it.
	Unanchored int       `json:"unanchored,omitempty"`
	Chain      string    `json:"chain,omitempty"` // the chain's head, of a single stream
	FirstBad   *BadEvent `json:"first_bad,omitempty"`
}

// BadEvent is the first event that does not fit, and why.
type BadEvent struct {
	Line     int       `json:"line,omitempty"` // of the file, from 1
	Stream   string    `json:"stream,omitempty"`
	Revision uint64    `json:"revision"`
	ID       uuid.UUID `json:"id,omitzero"`
	Type     string    `json:"type,omitempty"`
	Code     string    `json:"code,omitempty"` // of what is wrong with its points
	Problem  string    `json:"problem"`
}

func (b *BadEvent) String() string {
	s := fmt.Sprintf("event %d of %s", b.Revision, b.Stream)
	if b.Stream == "" {
		s = "the file"
	}
	if b.ID != uuid.Nil {
		s += " (" + b.Type + ", " + b.ID.String() + ")"
	}
	if b.Line > 0 {
		s += fmt.Sprintf(", line %d", b.Line)
	}
	if b.Code != "" {
		s += ": " + b.Code
	}
	return s + ": " + b.Problem
}

// chains recomputes the hash chains of streams whose events come in order.
type chains struct {
	streams map[string]*eventschema.Verifier
	found   Verification
}

// add checks the next event and says what is wrong with it, "" if it fits.
// partial allows a stream to begin in its middle.
func (c *chains) add(raw eventschema.Raw, partial bool) (problem string) {
	v, known := c.streams[raw.Stream]
	if !known {
		v = new(eventschema.Verifier)
	}
	check, trusted := v.Add, !known && partial && raw.Revision > 0
	if trusted {
		check = v.Begin
	}
	if err := check(raw); err != nil {
		if wrong := (*eventschema.ChainError)(nil); errors.As(err, &wrong) {
			return wrong.Problem
		}
		return err.Error()
	}
	if !known {
		if c.streams == nil {
			c.streams = map[string]*eventschema.Verifier{}
		}
		c.streams[raw.Stream] = v
	}
	if trusted {
		c.found.Unanchored++
	}
	c.found.Events++
	return ""
}

// at returns where a stream's chain stands.
func (c *chains) at(stream string) eventschema.Verifier {
	if v := c.streams[stream]; v != nil {
		return *v
	}
	return eventschema.Verifier{}
}

// done returns the result: of all that was added, up to the first bad event.
func (c *chains) done(bad *BadEvent) Verification {
	v := c.found
	v.OK, v.FirstBad, v.Streams = bad == nil, bad, len(c.streams)
	if len(c.streams) == 1 {
		for _, one := range c.streams {
			v.Chain = one.Chain.String()
		}
	}
	return v
}

// maxLine bounds a line of an export: the largest event, its bytes escaped,
// twice over.
const maxLine = 16 << 20

// VerifyExport checks an export of a history or of the log, without any key and
// without the server: every stream's hash chain, every event's id, that nothing
// was left out, that no byte of the file was changed, and that the points of every
// customer follow from the events before them. It stops at the first event that
// does not fit and names it. The error is that of reading r.
func VerifyExport(r io.Reader) (Verification, error) {
	v := fileVerifier{in: bufio.NewReaderSize(r, 64<<10)}
	bad, err := v.run()
	if err == nil && bad == nil {
		bad = v.ledgers.done()
	}
	if err != nil {
		return Verification{}, fmt.Errorf("verify export: %w", err)
	}
	found := v.chains.done(bad)
	found.Ledgers = v.ledgers.moved()
	return found, nil
}

type fileVerifier struct {
	in      *bufio.Reader
	chains  chains
	ledgers ledgers
	number  int // of the line
	last    [32]byte
	header  *ExportHeader // of the export being read; nil between two
	end     ExportEnd     // what its last line must say
	buf     []byte
}

func (v *fileVerifier) run() (*BadEvent, error) {
	for {
		line, err := v.line()
		switch {
		case errors.Is(err, bufio.ErrTooLong):
			return v.bad("the line is too long"), nil
		case err == io.EOF && v.header != nil:
			return v.bad("the export was cut short: its last line is missing"), nil
		case err == io.EOF && v.number == 1:
			return v.bad("the file is empty"), nil
		case err == io.EOF:
			return nil, nil
		case err != nil:
			return nil, err
		}
		if bad := v.check(line); bad != nil {
			return bad, nil
		}
	}
}

// line returns the next line without its newline; it is valid until the next call.
func (v *fileVerifier) line() ([]byte, error) {
	v.number++
	v.buf = v.buf[:0]
	for {
		part, err := v.in.ReadSlice('\n')
		v.buf = append(v.buf, part...)
		switch {
		case err == nil:
			return v.buf[:len(v.buf)-1], nil
		case len(v.buf) > maxLine:
			return nil, bufio.ErrTooLong
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && len(v.buf) > 0:
			return v.buf, nil // the check of its digest says whether it is whole
		default:
			return nil, err
		}
	}
}

func (v *fileVerifier) check(line []byte) *BadEvent {
	if v.header == nil {
		v.last = [32]byte{}
	}
	intact := v.digest(line)
	if v.header == nil {
		return v.checkHeader(line, intact)
	}
	if bytes.HasPrefix(line, []byte(`{"end":`)) {
		return v.checkEnd(line, intact)
	}
	var event verifiedEvent
	if json.Unmarshal(line, &event) != nil || event.ID == uuid.Nil {
		return v.bad("the line is no event")
	}
	raw, err := event.raw()
	if err != nil {
		return v.bad("its bytes are no base64")
	}
	if problem := v.checkEvent(event, raw); problem != "" {
		return v.badEvent(raw, problem)
	}
	if !intact {
		return v.badEvent(raw, "the line was changed: it does not give the digest at its end")
	}
	if bad := v.ledgers.add(raw); bad != nil {
		if bad.ID == raw.ID {
			bad.Line = v.number
		}
		return bad
	}
	v.end.Events++
	v.end.Position = raw.Position
	return nil
}

// digest checks the line's own digest and goes on from it.
func (v *fileVerifier) digest(line []byte) bool {
	body := len(line) - lineTail
	if body < 0 || !bytes.HasPrefix(line[body:], []byte(lineOpen)) || !bytes.HasSuffix(line, []byte(lineClose)) {
		return false
	}
	v.last = lineDigest(v.last, line[:body])
	carried := line[body+len(lineOpen) : len(line)-len(lineClose)]
	return string(carried) == hex.EncodeToString(v.last[:])
}

func (v *fileVerifier) checkHeader(line []byte, intact bool) *BadEvent {
	var h ExportHeader
	if err := json.Unmarshal(line, &h); err != nil || h.Format != FormatLog && h.Format != FormatHistory {
		return v.bad("it does not begin with the header of an export")
	}
	if !intact {
		return v.bad("the header was changed: it does not give the digest at its end")
	}
	v.header, v.end = &h, ExportEnd{Position: h.After}
	return nil
}

func (v *fileVerifier) checkEvent(event verifiedEvent, raw eventschema.Raw) string {
	if raw.Position <= v.end.Position && v.end.Events > 0 || raw.Position <= v.header.After && v.header.After > 0 {
		return "its position is not behind that of the event before"
	}
	if v.header.Stream != "" && raw.Stream != v.header.Stream {
		return "it is of another stream than the export"
	}
	if problem := v.chains.add(raw, v.header.After > 0); problem != "" {
		return problem
	}
	if event.Event != nil && event.Event.ID != raw.ID {
		return "its readable form is of another event"
	}
	return ""
}

func (v *fileVerifier) checkEnd(line []byte, intact bool) *BadEvent {
	var end endLine
	if json.Unmarshal(line, &end) != nil || !intact {
		return v.bad("the last line was changed: it does not give the digest at its end")
	}
	if v.header.Stream != "" {
		v.end.Chain = v.chains.at(v.header.Stream).Chain.String()
	}
	if end.End != v.end {
		return v.bad("the last line does not fit the events before it")
	}
	v.header = nil
	return nil
}

// bad says what is wrong with a line of which no event can be read.
func (v *fileVerifier) bad(problem string) *BadEvent {
	b := &BadEvent{Line: v.number, Problem: problem}
	if v.header != nil && v.header.Stream != "" {
		b.Stream, b.Revision = v.header.Stream, v.chains.at(v.header.Stream).Next
	}
	return b
}

// badEvent names an event that does not fit. In the export of one stream its
// place says which it is, whatever its bytes say.
func (v *fileVerifier) badEvent(raw eventschema.Raw, problem string) *BadEvent {
	b := &BadEvent{Line: v.number, Stream: raw.Stream, Revision: raw.Revision, ID: raw.ID, Type: raw.Type, Problem: problem}
	if v.header.Stream != "" {
		b.Stream, b.Revision = v.header.Stream, uint64(v.end.Events)
	}
	return b
}

// verifiedEvent is what of an ExportedEvent is looked at. Its readable form is
// covered by the line's digest.
type verifiedEvent struct {
	ID             uuid.UUID `json:"id"`
	Stream         string    `json:"stream"`
	Revision       uint64    `json:"revision"`
	Position       uint64    `json:"position"`
	Type           string    `json:"type"`
	Data           string    `json:"data"`
	DataBase64     string    `json:"data_base64"`
	Metadata       string    `json:"metadata"`
	MetadataBase64 string    `json:"metadata_base64"`
	Event          *struct {
		ID uuid.UUID `json:"id"`
	} `json:"event"`
}

func (e verifiedEvent) raw() (raw eventschema.Raw, err error) {
	raw = eventschema.Raw{ID: e.ID, Stream: e.Stream, Revision: e.Revision, Position: e.Position, Type: e.Type}
	if raw.Data, err = fromText(e.Data, e.DataBase64); err != nil {
		return raw, err
	}
	raw.Metadata, err = fromText(e.Metadata, e.MetadataBase64)
	return raw, err
}

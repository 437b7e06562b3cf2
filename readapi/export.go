package readapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// An export is NDJSON: a header line, a line for each event with its stored
// bytes, and a last line that says how many there were. The hash chain of each
// stream covers the stored bytes. Beside it every line ends with a digest of
// itself and of the line before, so that what an export adds to the stored
// bytes (positions, the readable form) is covered as well, and a missing end is
// seen. [VerifyExport] checks both without any key.

// Formats of an export.
const (
	FormatLog     = "rapport.log.v1"     // the whole log, as stored
	FormatHistory = "rapport.history.v1" // one customer, with the readable form beside
)

// ExportHeader is the first line of an export.
type ExportHeader struct {
	Format string `json:"format"`
	Stream string `json:"stream,omitempty"` // of a history
	After  uint64 `json:"after"`            // the log was read after this position
}

// ExportedEvent is an event's line in an export. Data and metadata are the
// stored bytes as text, or in base64 where they are no text.
type ExportedEvent struct {
	ID             uuid.UUID `json:"id"`
	Stream         string    `json:"stream"`
	Revision       uint64    `json:"revision"`
	Position       uint64    `json:"position"`
	Type           string    `json:"type"` // wire name with its version
	Data           string    `json:"data,omitempty"`
	DataBase64     string    `json:"data_base64,omitempty"`
	Metadata       string    `json:"metadata,omitempty"`
	MetadataBase64 string    `json:"metadata_base64,omitempty"`
	Event          *Entry    `json:"event,omitempty"` // the readable form, of a history
}

// ExportEnd is the last line of an export that was not cut short.
type ExportEnd struct {
	Events   int    `json:"events"`
	Position uint64 `json:"position"`        // of the last event
	Chain    string `json:"chain,omitempty"` // the chain's head, of a history
}

type endLine struct {
	End ExportEnd `json:"end"`
}

// ExportLine is a line of an export as the published document shows it: a
// header, an event or the end.
type ExportLine struct {
	Format         string     `json:"format,omitempty"`
	After          *uint64    `json:"after,omitempty"`
	ID             *uuid.UUID `json:"id,omitempty"`
	Stream         string     `json:"stream,omitempty"`
	Revision       *uint64    `json:"revision,omitempty"`
	Position       *uint64    `json:"position,omitempty"`
	Type           string     `json:"type,omitempty"`
	Data           string     `json:"data,omitempty"`
	DataBase64     string     `json:"data_base64,omitempty"`
	Metadata       string     `json:"metadata,omitempty"`
	MetadataBase64 string     `json:"metadata_base64,omitempty"`
	Event          *Entry     `json:"event,omitempty"`
	End            *ExportEnd `json:"end,omitempty"`
	Line           string     `json:"line"` // digest of the line and of the one before
}

// The digest stands at the end of its line: lineOpen, 64 hex digits, lineClose.
const (
	lineOpen  = `,"line":"`
	lineClose = `"}`
	lineTail  = len(lineOpen) + 2*sha256.Size + len(lineClose)
)

// exporter writes the lines of an export.
type exporter struct {
	w    io.Writer
	last [sha256.Size]byte
	buf  []byte
	end  ExportEnd
}

func newExport(w io.Writer, h ExportHeader) (*exporter, error) {
	x := &exporter{w: w}
	return x, x.line(h)
}

// line writes a JSON object with its digest as the last member.
func (x *exporter) line(object any) error {
	b, err := json.Marshal(object)
	if err != nil {
		return err
	}
	body := b[:len(b)-1]
	x.last = lineDigest(x.last, body)
	x.buf = append(x.buf[:0], body...)
	x.buf = append(x.buf, lineOpen...)
	x.buf = hex.AppendEncode(x.buf, x.last[:])
	x.buf = append(x.buf, lineClose...)
	x.buf = append(x.buf, '\n')
	_, err = x.w.Write(x.buf)
	return err
}

func lineDigest(last [sha256.Size]byte, body []byte) (d [sha256.Size]byte) {
	h := sha256.New()
	h.Write(last[:])
	h.Write(body)
	h.Sum(d[:0])
	return d
}

// event writes an event, with its readable form if there is one.
func (x *exporter) event(raw eventschema.Raw, readable *Entry) error {
	line := ExportedEvent{
		ID: raw.ID, Stream: raw.Stream, Revision: raw.Revision, Position: raw.Position, Type: raw.Type, Event: readable,
	}
	line.Data, line.DataBase64 = asText(raw.Data)
	line.Metadata, line.MetadataBase64 = asText(raw.Metadata)
	x.end.Events++
	x.end.Position = raw.Position
	return x.line(line)
}

// close writes the last line.
func (x *exporter) close() error { return x.line(endLine{x.end}) }

func asText(b []byte) (text, encoded string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return "", base64.StdEncoding.EncodeToString(b)
}

func fromText(text, encoded string) ([]byte, error) {
	if encoded == "" {
		return []byte(text), nil
	}
	return base64.StdEncoding.DecodeString(encoded)
}

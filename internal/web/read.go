package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// MaxBody is the largest body, and the largest line of a bulk request, in bytes.
const MaxBody = 1 << 20

// Why a body cannot be read.
var (
	ErrMalformed = &domain.Error{Kind: domain.Malformed, Code: "malformed_json"}
	ErrTooLarge  = &domain.Error{Kind: domain.TooLarge, Code: "body_too_large", Detail: "a body has at most 1 MiB"}
)

// Body returns the body of r, if it is not over MaxBody.
func Body(r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return nil, ErrTooLarge
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return nil, ErrMalformed.With("the body broke off")
	}
	if n > MaxBody {
		return nil, ErrTooLarge
	}
	return buf.Bytes(), nil
}

// Decode reads one JSON value into v. It refuses what is not strictly JSON
// (duplicate names, text that is not UTF-8, anything after the value) as
// ErrMalformed, and names every member that is unknown, missing or of the wrong
// type in a domain.ErrValidation. Members of v are required unless they are
// tagged omitempty or omitzero.
func Decode(body []byte, v any) error {
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return ErrMalformed.With("the body is empty")
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return decodeError(body, err)
	}
	var p domain.Problems
	checkPresence(body, reflect.TypeOf(v).Elem(), &p)
	return p.Err()
}

func decodeError(body []byte, err error) error {
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntactic):
		return malformed(syntactic)
	case errors.As(err, &semantic):
		// A wrong type was met first, but what follows may not even be JSON.
		if rest := jsontext.Value(body); !rest.IsValid() {
			_, err := jsontext.AppendFormat(nil, body)
			if errors.As(err, &syntactic) {
				return malformed(syntactic)
			}
			return ErrMalformed.With("the body is not JSON")
		}
		var p domain.Problems
		p.Add(string(semantic.JSONPointer), "%s", expectation(semantic))
		return p.Err()
	}
	return ErrMalformed.With("the body is not JSON")
}

func malformed(err *jsontext.SyntacticError) error {
	where := string(err.JSONPointer)
	if where == "" {
		where = "the body"
	}
	what := "is not JSON"
	switch text := err.Error(); {
	case errors.Is(err, jsontext.ErrDuplicateName):
		what = "stands there twice"
	case strings.Contains(text, "UTF-8"):
		what = "is not UTF-8"
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "breaks off"
	case strings.Contains(text, "after top-level value"):
		what = "goes on after its end"
	}
	e := ErrMalformed.With("%s %s (byte %d)", where, what, err.ByteOffset)
	e.Fields = []domain.FieldError{{Pointer: string(err.JSONPointer), Detail: what}}
	return e
}

// expectation says what a member should have been, without a word of Go.
func expectation(err *json.SemanticError) string {
	if errors.Is(err, json.ErrUnknownName) {
		return "is not a known member"
	}
	t := err.GoType
	if t == nil {
		return "is not of the right type"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[uuid.UUID]():
		return "must be a UUID"
	case reflect.TypeFor[time.Time]():
		return "must be a time of RFC 3339 such as 2026-03-01T12:00:00Z"
	case reflect.TypeFor[domain.Date]():
		return "must be a date such as 2026-03-01"
	}
	switch t.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int64, reflect.Int32:
		return "must be an integer"
	case reflect.Uint, reflect.Uint64, reflect.Uint32:
		return "must be an integer, not negative"
	case reflect.Float64:
		return "must be a number"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "must be a string in base64"
		}
		return "must be an array"
	case reflect.Struct, reflect.Map:
		return "must be an object"
	}
	return "is not of the right type"
}

package web

import "net/http"

// Route is one operation of the HTTP API: what the router serves and what the
// published document says of it, in one place.
type Route struct {
	Method  string
	Path    string // gorilla/mux pattern, such as /v1/customers/{customer_id}/rfm
	Summary string // one line, imperative
	Detail  string // markdown, may be empty
	Tag     string // group in the document: commands, customers, rfm, operations, …
	Params  []Param
	Body    any // zero value of the request body's Go type; nil for none
	// BodyType is the request body's content type, application/json if empty.
	// Of application/x-ndjson Body is one line.
	BodyType string
	Answers  []Answer // successful answers
	Refuses  []string // problem codes beside those every route may answer
	Handler  Handler
}

// Param is a path, query or header parameter.
type Param struct {
	Name     string
	In       string // path, query, header
	Required bool
	Detail   string
	Type     string // JSON Schema type: string, integer, boolean
	Format   string // uuid, date, date-time, …
	Enum     []string
}

// Answer is one successful answer.
type Answer struct {
	Status      int
	Detail      string
	ContentType string // application/json if empty
	Body        any    // zero value of the body's Go type; nil for none
	Headers     []string
}

// Handler answers a request or returns why not; the error becomes a problem.
type Handler func(w http.ResponseWriter, r *http.Request) error

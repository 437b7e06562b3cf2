package web

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gorilla/mux"
)

// Config is what a router is made with beside its routes.
type Config struct {
	Title   string
	Version string
	Log     *slog.Logger // nil: slog.Default
	// Wrap is put around every handler, with the route it serves: metrics,
	// traces. nil: nothing.
	Wrap func(Route, http.Handler) http.Handler
}

// Router serves the routes, the document made of them at /openapi.json, and a
// page for people at /docs. Both are made when they are first asked for; a table
// that makes no document panics then: that is a defect, not a condition.
func Router(routes []Route, c Config) *mux.Router {
	log := c.Log
	if log == nil {
		log = slog.Default()
	}
	routes = append(slices.Clone(routes), own()...)
	document := sync.OnceValue(func() []byte { return Document(routes, c) })
	page := sync.OnceValue(func() []byte { return docsPage(routes, c) })
	r := mux.NewRouter()
	// A path without parameters comes before one with: /v1/segments/overlap is not the
	// segment of that name.
	ordered := slices.Clone(routes)
	slices.SortStableFunc(ordered, func(a, b Route) int { return strings.Count(a.Path, "{") - strings.Count(b.Path, "{") })
	for _, route := range ordered {
		h := route.Handler
		switch route.Path {
		case "/openapi.json":
			h = static("application/json", document)
		case "/docs":
			h = static("text/html; charset=utf-8", page)
		}
		methods := []string{route.Method}
		if route.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		served := serve(h, log)
		if c.Wrap != nil {
			served = c.Wrap(route, served)
		}
		r.Handle(route.Path, served).Methods(methods...)
	}
	r.NotFoundHandler = serve(func(http.ResponseWriter, *http.Request) error { return ErrNoRoute }, log)
	r.MethodNotAllowedHandler = serve(func(w http.ResponseWriter, req *http.Request) error {
		allowed := allowed(r, req)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return ErrNoMethod.With("this address takes %s", strings.Join(allowed, ", "))
	}, log)
	return r
}

// own are the routes that every router has.
func own() []Route {
	return []Route{{
		Method: http.MethodGet, Path: "/openapi.json", Summary: "The OpenAPI document of this API", Tag: "documents",
		Answers: []Answer{{Status: http.StatusOK, Detail: "OpenAPI 3.1", Body: map[string]any{}}},
	}, {
		Method: http.MethodGet, Path: "/docs", Summary: "This API for people", Tag: "documents",
		Answers: []Answer{{Status: http.StatusOK, Detail: "A page", ContentType: "text/html; charset=utf-8"}},
	}}
}

func static(contentType string, body func() []byte) Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body())
		return nil
	}
}

// allowed returns the methods that an address takes.
func allowed(r *mux.Router, req *http.Request) (methods []string) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := *req
		probe.Method = method
		var match mux.RouteMatch
		if r.Match(&probe, &match) && match.MatchErr == nil {
			methods = append(methods, method)
		}
	}
	return methods
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// keySource finds data keys in the log.
type keySource struct{ log commands.Log }

// Key implements projections.KeySource.
func (s keySource) Key(ctx context.Context, customer uuid.UUID) (id string, wrapped []byte, erased bool, err error) {
	for raw, err := range s.log.Read(ctx, datakey.Stream(customer), 0) {
		if errors.Is(err, commands.ErrDestroyed) {
			return "", nil, true, nil
		}
		if err != nil {
			return "", nil, false, err
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return "", nil, false, err
		}
		created, ok := e.Data.(datakey.Created)
		if !ok {
			return "", nil, false, fmt.Errorf("%s holds a %s", raw.Stream, e.Type)
		}
		id, wrapped = created.KeyID, created.Wrapped
	}
	return id, wrapped, false, nil
}

// wrap measures a route.
func (m *metrics) wrap(route web.Route, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(status, r)
		m.requests.WithLabelValues(route.Method, route.Path, strconv.Itoa(status.status)).Observe(time.Since(started).Seconds())
	})
}

// evaluated counts a customer whose segments were decided.
func (m *metrics) evaluated(cause string) { m.evaluations.WithLabelValues(cause).Inc() }

// executed measures a command.
func (m *metrics) executed(command string, took time.Duration, err error) {
	outcome := "done"
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
		outcome = refusal.Code
	} else if err != nil {
		outcome = "failed"
	}
	m.commands.WithLabelValues(command, outcome).Observe(took.Seconds())
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

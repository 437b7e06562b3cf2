package readapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// errHead ends a Follow that has reached the head of the log.
var errHead = errors.New("readapi: the head of the log")

// follow delivers every event after a position up to the head of the log as it
// is at the start, however fast others write: all of them, or those whose types
// begin with one of the prefixes. It returns that head.
func (a *API) follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Raw) error) (head uint64, err error) {
	head, err = a.Head(ctx)
	if err != nil || after >= head {
		return head, err
	}
	err = a.Log.Follow(ctx, after, prefixes, func(p eventschema.Page) error {
		for _, raw := range p.Events {
			if raw.Position > head {
				return errHead
			}
			if err := deliver(raw); err != nil {
				return err
			}
		}
		if p.Live || p.End >= head {
			return errHead
		}
		return nil
	})
	if errors.Is(err, errHead) {
		err = nil
	}
	return head, err
}

func (a *API) exportLog(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	after := p.position("after")
	if err := p.err(); err != nil {
		return err
	}
	out := newStream(w, ndjson)
	defer out.release()
	x, err := newExport(out, ExportHeader{Format: FormatLog, After: after})
	if err != nil {
		return err
	}
	x.end.Position = after
	_, err = a.follow(r.Context(), after, nil, func(raw eventschema.Raw) error {
		if foreign(raw) {
			return nil
		}
		return x.event(raw, nil)
	})
	if err == nil {
		err = x.close()
	}
	return out.finish(err)
}

// foreign says that an event of the store is not of ours: somebody else shares it.
func foreign(raw eventschema.Raw) bool {
	if eventschema.Events.Known(raw.Type) {
		return false
	}
	_, chained := eventschema.ChainOf(raw)
	return !chained
}

func (a *API) logRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/log", Tag: "operations",
		Summary: "Export the log",
		Detail: "Streams every event of the log as it is stored, personal data still encrypted, up to where the log " +
			"ends now. Every stream's hash chain and the file itself can be verified offline " +
			"(`rapport verify history --file`). A file without its last line, which begins with `{\"end\"`, is not whole.",
		Params:  []web.Param{query("after", "integer", "", "Only what stands behind this position of the log.")},
		Answers: []web.Answer{{Status: 200, Detail: "A header, an event a line, and an end.", ContentType: ndjson, Body: ExportLine{}}},
		Refuses: []string{ErrParameters.Code},
		Handler: a.exportLog,
	}}
}

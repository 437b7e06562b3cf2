package readapi

import (
	"net/http"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
)

// ErrNoJobs answers a question about the jobs where none run.
var ErrNoJobs = &domain.Error{Kind: domain.Unavailable, Code: "jobs_elsewhere",
	Detail: "This process runs no jobs; ask one that does."}

// Jobs is how far the jobs are that book what falls due.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// Job is how far one of them is.
type Job struct {
	Name     string `json:"name"`     // the actor in the history, such as stage-keeper
	Position uint64 `json:"position"` // what was due by the days closed and policies published up to here is booked, by it or another process
	Through  uint64 `json:"through"`  // with this as min_position, what it found booked shows
	Failing  bool   `json:"failing"`  // the last look failed; it is tried again
}

func (a *API) jobs(w http.ResponseWriter, r *http.Request) error {
	if err := paramsOf(r).err(); err != nil {
		return err
	}
	if a.Jobs == nil {
		return ErrNoJobs
	}
	return writePlain(w, 200, Jobs{a.Jobs()})
}

func (a *API) jobRoute() web.Route {
	return web.Route{
		Method: "GET", Path: "/v1/jobs", Tag: "operations",
		Summary: "Show how far the jobs are that book what falls due",
		Detail: "Each process knows only its own jobs; what they book is in the log for all. A day is kept up with when `position` of every job " +
			"has reached the position that closing it answered. It moves on when a day is closed or a policy is published, not with every event.",
		Answers: []web.Answer{{Status: 200, Detail: "How far they are.", Body: Jobs{}}},
		Refuses: []string{ErrNoJobs.Code, ErrParameters.Code},
		Handler: a.jobs,
	}
}

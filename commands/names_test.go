package commands_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
	"pgregory.net/rapid"
)

// Whatever two processes do at the same time, wherever they go away, whatever the
// log leaves open, and however late they wake up: a name is one customer's, and
// what nobody has is to be had.
func TestANameIsOneCustomersWhateverHappens(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		log := &faulty{Log: &memlog.Log{}}
		c := new(clock)
		quiet := writer(log.Log, c)
		quiet.CacheBytes = 1
		processes := []*commands.Writer{writer(log, c), writer(log, c)}
		people := make([]uuid.UUID, 3)
		for i := range people {
			people[i] = uuid.UUID{6: 0x40, 8: 0x80, 15: byte(i + 1)}
		}
		names := []customer.NewContactPoint{point("email", adaMail), point("phone", "+4930901820")}

		var act func(process int)
		nested := false
		trouble := func(stored bool) func(string) error {
			return func(string) error {
				switch n := rapid.IntRange(0, 11).Draw(r, "trouble"); {
				case n == 0 && stored:
					return commands.ErrUnknownOutcome
				case n == 0:
					return errors.New("gone")
				case n == 1:
					c.Set(c.Now().Add(2 * time.Minute))
				case n < 5 && !nested:
					nested = true
					act(1)
					nested = false
				}
				return nil
			}
		}
		log.before, log.after = trouble(false), trouble(true)
		act = func(process int) {
			w := processes[process]
			who := rapid.SampledFrom(people).Draw(r, "who")
			which := rapid.SampledFrom(names).Draw(r, "which")
			var err error
			switch rapid.IntRange(0, 3).Draw(r, "what") {
			case 0:
				err = registerAt(t, w, who, names...)
			case 1:
				err = registerAt(t, w, who, which)
			case 2:
				err = add(t, w, who, which)
			case 3:
				_, err = commands.Execute(t.Context(), w, request("remove-contact-point"),
					customer.RemoveContactPoint{Subject: w.World.Subject(who), ContactPointID: which.ContactPointID})
			}
			_ = err // refused or broken off: what counts is what is there in the end
		}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			act(0)
		}
		log.before, log.after = nil, nil

		lookup := map[string]string{"email": keyring().Lookup("email", adaMail), "phone": keyring().Lookup("phone", "+4930901820")}
		holders := map[string][]uuid.UUID{}
		for _, id := range people {
			var s customer.State
			for raw, err := range log.Log.Read(t.Context(), customer.Stream(id), 0) {
				if err != nil {
					r.Fatal(err)
				}
				e, err := eventschema.Events.Open(raw, eventschema.Erased)
				if err != nil {
					r.Fatal(err)
				}
				s = s.Evolve(e.Data.(customer.Event))
			}
			for kind, l := range lookup {
				if s.Holds(kind, l) {
					holders[kind] = append(holders[kind], id)
				}
			}
		}
		c.Set(c.Now().Add(2 * time.Minute))
		for _, name := range names {
			have := holders[name.Type]
			if len(have) > 1 {
				r.Fatalf("%s: %v have it", name.Type, have)
			}
			err := registerAt(t, quiet, uuid.New(), name)
			if len(have) == 0 && err != nil {
				r.Fatalf("%s: nobody has it: %v", name.Type, err)
			}
			if len(have) == 1 && takenBy(err) != have[0].String() {
				r.Fatalf("%s: %v has it: %v", name.Type, have, err)
			}
		}
	})
}

package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
)

// Deployment is what a deployment shall be. A zero field takes what is recorded
// already, or the default when the deployment is created.
type Deployment struct {
	Partitions int         // default 64
	Zone       string      // IANA name of the business time zone; default UTC
	Calendar   string      // deployment.Wall (the default) or deployment.Manual
	Policy     *rfm.Policy // the first policy that scores customers; default rfm.Default(Currency)
	Currency   string      // default USD
}

// ErrDeployment says that a deployment is not what it shall be, or that its
// keys are not the ones at hand. The error tells what to do.
var ErrDeployment = errors.New("this is another deployment")

// EnsureDeployment creates the deployment in an empty log, whoever comes first,
// and makes sure that it is what it shall be. It returns what is recorded, and a
// position of the log at which all of that is there.
func (w *Writer) EnsureDeployment(ctx context.Context, want Deployment) (deployment.Created, uint64, error) {
	m, err := w.deployment(ctx)
	if err == nil && !m.state.Exists {
		if err = w.createDeployment(ctx, want); err == nil {
			m, err = w.deployment(ctx)
		}
	}
	if err != nil {
		return deployment.Created{}, 0, err
	}
	if err := w.checkDeployment(m.state.Created, want); err != nil {
		return deployment.Created{}, 0, err
	}
	position, err := w.ensurePolicies(ctx, want)
	return m.state.Created, max(position, m.position), err
}

func (w *Writer) deployment(ctx context.Context) (*memory[deployment.State], error) {
	m := &memory[deployment.State]{tail: noTail}
	return m, fold[deployment.State, deployment.Event](ctx, w, m, deployment.Stream, uuid.Nil)
}

func (w *Writer) createDeployment(ctx context.Context, want Deployment) error {
	now := w.World.wall()
	created := deployment.Created{
		LogID: uuid.Must(uuid.NewV7()).String(), Partitions: want.Partitions, Zone: want.Zone, Calendar: want.Calendar, CreatedAt: now,
	}
	created.MasterKey, created.LookupKey = w.Keys.Fingerprints()
	if created.Partitions == 0 {
		created.Partitions = 64
	}
	if created.Zone == "" {
		created.Zone = "UTC"
	}
	if created.Calendar == "" {
		created.Calendar = deployment.Wall
	}
	switch {
	case created.Partitions < 1 || created.Partitions > 4096:
		return fmt.Errorf("a deployment has 1 to 4096 partitions, not %d", created.Partitions)
	case !knowsZone(created.Zone):
		return fmt.Errorf("%q is not a time zone such as Europe/Berlin", created.Zone)
	case created.Calendar != deployment.Wall && created.Calendar != deployment.Manual:
		return fmt.Errorf("the calendar is %s or %s, not %q", deployment.Wall, deployment.Manual, created.Calendar)
	}
	zone, err := time.LoadLocation(created.Zone)
	if err != nil {
		return err
	}
	_, _, err = w.append(ctx, deployment.Stream, noTail, w.founding(now, domain.DateOf(now, zone)), []any{created}, nil)
	if errors.Is(err, ErrStale) || errors.Is(err, ErrUnknownOutcome) {
		return nil // somebody was there: what they wrote is read and checked
	}
	return err
}

func (w *Writer) founding(now time.Time, today domain.Date) eventschema.Meta {
	id := uuid.New()
	return eventschema.Meta{
		Command: id, Correlation: id, Actor: eventschema.Actor{Kind: "system", ID: "deployment"},
		OccurredAt: now, BusinessDate: today,
	}
}

func (w *Writer) checkDeployment(is deployment.Created, want Deployment) error {
	master, lookup := w.Keys.Fingerprints()
	on := is.CreatedAt.Format(time.DateOnly)
	for _, c := range []struct{ what, is, want string }{
		{"the number of partitions", fmt.Sprint(is.Partitions), fmt.Sprint(want.Partitions)},
		{"the business time zone", is.Zone, want.Zone},
		{"the calendar", is.Calendar, want.Calendar},
	} {
		if c.want != "" && c.want != "0" && c.want != c.is {
			return fmt.Errorf("%w: %s is %s since it was created on %s and cannot become %s; leave the setting out or use another log",
				ErrDeployment, c.what, c.is, on, c.want)
		}
	}
	for _, c := range []struct{ what, is, have string }{
		{"master key", is.MasterKey, master},
		{"lookup key", is.LookupKey, lookup},
	} {
		if c.is != c.have {
			return fmt.Errorf("%w: it was created with the %s %s, and the one at hand is %s; give the key file it was created with",
				ErrDeployment, c.what, c.is, c.have)
		}
	}
	return nil
}

// ensurePolicies publishes the first policy of each kind that every deployment has,
// where there is none. Of the other kinds there is none until somebody wants one.
func (w *Writer) ensurePolicies(ctx context.Context, want Deployment) (position uint64, err error) {
	scores := want.Policy
	if scores == nil {
		currency := want.Currency
		if currency == "" {
			currency = "USD"
		}
		standard := rfm.Default(currency)
		scores = &standard
	}
	if err := scores.Validate(); err != nil {
		return 0, fmt.Errorf("the first policy: %w", err)
	}
	stages, contacts, ownership := lifecycle.Default(), contact.Default(), portfolio.Default()
	publish := func(first policy.Published) error {
		at, err := w.ensurePolicy(ctx, first)
		position = max(position, at)
		return err
	}
	for _, first := range []policy.Published{
		{Kind: policy.KindRFM, RFM: scores},
		{Kind: policy.KindLifecycle, Lifecycle: &stages},
		{Kind: policy.KindContact, Contact: &contacts},
		{Kind: policy.KindOwnership, Ownership: &ownership},
	} {
		if err := publish(first); err != nil {
			return 0, err
		}
	}
	// Customers are valued in the currency in which they are scored, which an older
	// deployment chose long ago.
	currency, err := w.scoredIn(ctx)
	if err != nil {
		return 0, err
	}
	worth := value.Default(currency)
	err = publish(policy.Published{Kind: policy.KindValue, Value: &worth})
	return position, err
}

// scoredIn returns the currency of the last policy published that scores customers.
func (w *Writer) scoredIn(ctx context.Context) (string, error) {
	m := &memory[policy.State]{tail: noTail}
	if err := fold[policy.State, policy.Event](ctx, w, m, policy.Stream(policy.KindRFM), uuid.Nil); err != nil {
		return "", err
	}
	versions := m.state.Versions
	if len(versions) == 0 || versions[len(versions)-1].RFM == nil {
		return "", errors.New("no policy scores customers")
	}
	return versions[len(versions)-1].RFM.Currency, nil
}

// ensurePolicy publishes a first policy where there is none of its kind.
func (w *Writer) ensurePolicy(ctx context.Context, first policy.Published) (uint64, error) {
	stream := policy.Stream(first.Kind)
	m := &memory[policy.State]{tail: noTail}
	read := func() error {
		return fold[policy.State, policy.Event](ctx, w, m, stream, uuid.Nil)
	}
	if err := read(); err != nil || len(m.state.Versions) > 0 {
		return m.position, err
	}
	now := w.World.wall()
	first.Version, first.EffectiveFrom = 1, policy.Always
	t, _, err := w.append(ctx, stream, noTail, w.founding(now, domain.DateOf(now, time.UTC)), []any{first}, nil)
	if errors.Is(err, ErrStale) || errors.Is(err, ErrUnknownOutcome) {
		err = read()
		return m.position, err
	}
	return t.position, err
}

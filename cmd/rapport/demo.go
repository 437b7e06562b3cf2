package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/population"
)

type demoCmd struct {
	Data      string `help:"Keep the data in this folder. Without it, it is gone when the demo ends." type:"path"`
	Listen    string `help:"Address to serve on." default:"127.0.0.1:8080"`
	Customers int    `help:"Size of the population." default:"2000"`
	Seed      uint64 `help:"Another seed, another population." default:"1"`
	Once      bool   `help:"Stop when everything is loaded and shown."`
}

// The population's calendar: a year of newcomers, watched for another half year.
var (
	demoFrom   = domain.NewDate(2025, time.January, 1)
	demoJoined = domain.NewDate(2025, time.December, 31)
	demoUntil  = domain.NewDate(2026, time.June, 30)
)

const demoShop = "shop"

func (c *demoCmd) Run(ctx context.Context, s streams) (err error) {
	if c.Customers < 1 || c.Customers > 1_000_000 {
		return usage("--customers: %d is not between 1 and 1000000", c.Customers)
	}
	data := c.Data
	if data == "" {
		if data, err = os.MkdirTemp("", "rapport-demo"); err != nil {
			return err
		}
		defer func() {
			if removeErr := os.RemoveAll(data); err == nil {
				err = removeErr
			}
		}()
	}
	server := serveCmd{
		Data: filepath.Clean(data), Listen: c.Listen, Calendar: deployment.Manual, Zone: "UTC", Currency: "USD",
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return server.serve(ctx, s, func(ctx context.Context, address string) error {
		api := &client.Client{Server: address, Actor: "import:demo"}
		shown, last, err := c.load(ctx, api, s)
		if err != nil {
			return err
		}
		if err := c.show(ctx, api, s.out, address, shown, last); err != nil {
			return err
		}
		if c.Once {
			stop()
		}
		return nil
	})
}

// load sends the population through the ordinary commands and closes the last
// day. It returns the customer with the most orders, and the last one.
func (c *demoCmd) load(ctx context.Context, api *client.Client, s streams) (shown, last string, err error) {
	if err := demoProgram(ctx, api); err != nil {
		return "", "", err
	}
	if err := installed(ctx, api, segment.Shipped()...); err != nil {
		return "", "", err
	}
	people := population.Generate(c.Seed, c.Customers, demoFrom, demoJoined, demoUntil)
	bar := newProgress(s.err, "customers")
	defer bar.finish()
	const perBulk = 100
	most := 0
	started := time.Now()
	orders := 0
	for start := 0; start < len(people); start += perBulk {
		var lines []client.Line
		for _, p := range people[start:min(start+perBulk, len(people))] {
			id := demoID(c.Seed, p.ID)
			lines = append(lines, demoLines(id, p)...)
			last = id
			orders += len(p.Orders)
			if len(p.Orders) > most {
				most, shown = len(p.Orders), id
			}
		}
		results, err := api.Bulk(ctx, lines, time.Minute)
		if err != nil {
			return "", "", err
		}
		for i, r := range results {
			if r.Problem != nil && r.Problem.Code != "customer_exists" && !erased(r.Problem) {
				return "", "", fmt.Errorf("%s %s: %w", lines[i].Command, lines[i].Body, r.Problem)
			}
		}
		bar.at("population", int64(min(start+perBulk, len(people))), int64(len(people)))
	}
	bar.finish()
	day, err := closeDay(ctx, api, demoUntil, time.Minute)
	if err != nil {
		return "", "", err
	}
	if err := c.entrust(ctx, api, people); err != nil {
		return "", "", err
	}
	if err := c.group(ctx, api); err != nil {
		return "", "", err
	}
	fmt.Fprintf(s.err, "%d customers and %d orders loaded in %.1f s; closed %v: %v\n", len(people), orders, time.Since(started).Seconds(), demoUntil, day)
	return shown, last, nil
}

// demoProgram publishes what the demo's loyalty programme gives, its ladder, and the
// moments at which members are thought of.
func demoProgram(ctx context.Context, api *client.Client) error {
	points := loyalty.Policy{
		Name: "Demo points", Currency: "USD", Enrolment: loyalty.FirstOrder,
		Earn:        []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Multipliers: []loyalty.Multiplier{{ID: "gold", Factor: "1.5", Tiers: []string{"gold"}}},
		Activities:  []loyalty.Activity{{ID: "review", Points: 25}},
		Expiry:      loyalty.Expiry{Kind: loyalty.Months, Months: 12},
		Redemption:  loyalty.Redemption{Points: 100, ValueMinor: 100, Minimum: 50},
		Manual:      loyalty.Manual{BonusLimit: 200, DeficitLimit: 100},
		Transfer:    loyalty.Transfer{Allowed: true, Minimum: 10},
		Examples: []loyalty.Example{
			{Name: "58.99", Order: loyalty.Purchase{AmountMinor: 5899, Currency: "USD", PlacedOn: demoFrom}, Points: 58},
			{Name: "58.99 by gold", Order: loyalty.Purchase{AmountMinor: 5899, Currency: "USD", PlacedOn: demoFrom}, Tier: "gold", Points: 88},
		},
	}
	ladder := tier.Policy{
		Name: "Demo ladder", Measure: tier.Spend,
		Levels:   []tier.Level{{ID: "member", Name: "Member"}, {ID: "silver", Name: "Silver", From: 30000}, {ID: "gold", Name: "Gold", From: 80000}},
		Window:   tier.Window{Kind: tier.Rolling, Months: 12},
		Validity: tier.Validity{Kind: tier.Months, Months: 12}, Downgrade: tier.OneDown, GraceDays: 30,
	}
	for kind, body := range map[string]any{policy.KindLoyalty: points, policy.KindTier: ladder, policy.KindCare: care.Example()} {
		request := map[string]any{"effective_from": demoFrom, "policy": body}
		if err := api.Post(ctx, "/v1/policies/"+kind+"/publish-policy", request, nil); err != nil {
			return fmt.Errorf("the %s policy: %w", kind, err)
		}
	}
	return nil
}

// erased says that a customer was erased in an earlier demo over the same data.
func erased(p *client.Problem) bool { return p.Code == "customer_erased" }

// demoStaff are the employees of the demo; each looks after some of the best customers.
var demoStaff = []struct{ id, name string }{{"lin", "Lin Tanaka"}, {"omar", "Omar Haddad"}}

// entrust enrols the employees and gives them the customers with the most orders,
// in turn.
func (c *demoCmd) entrust(ctx context.Context, api *client.Client, people []population.Customer) error {
	type m = map[string]any
	for _, e := range demoStaff {
		err := api.Post(ctx, "/v1/staff/enrol-employee", m{"employee_id": e.id, "name": e.name, "roles": []string{"sales"}, "capacity": 50}, nil)
		if problem := (*client.Problem)(nil); err != nil && !(errors.As(err, &problem) && problem.Code == "employee_exists") {
			return err
		}
	}
	best := slices.Clone(people)
	slices.SortStableFunc(best, func(a, b population.Customer) int { return len(b.Orders) - len(a.Orders) })
	var lines []client.Line
	for i, p := range best[:min(len(best), 30*len(demoStaff))] {
		body, err := json.Marshal(m{"employee_id": demoStaff[i%len(demoStaff)].id, "role": "sales"})
		if err != nil {
			return err
		}
		lines = append(lines, client.Line{Command: "assign-owner", Customer: demoID(c.Seed, p.ID), Body: body})
	}
	results, err := api.Bulk(ctx, lines, time.Minute)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Problem != nil && !erased(r.Problem) {
			return fmt.Errorf("%s %s: %w", lines[i].Command, lines[i].Body, r.Problem)
		}
	}
	return nil
}

func demoID(seed uint64, shopID string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "rapport:demo:%d:%s", seed, shopID)).String()
}

// demoLines are the commands of one customer's life.
func demoLines(id string, p population.Customer) []client.Line {
	object := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of text and numbers
		}
		return b
	}
	type m = map[string]any
	joined := p.Orders[0].At
	register := m{
		"customer_id": id, "kind": "person", "name": m{"given": p.Given, "family": p.Family},
		"source": m{"channel": p.Channel}, "external_ids": []m{{"system": demoShop, "id": p.ID}},
		"registered_at": joined, "demographics": m{"country": p.Country, "city": p.City},
	}
	var points, consents []m
	if p.Email != "" {
		points = append(points, m{"type": "email", "value": p.Email})
	}
	if p.Phone != "" {
		points = append(points, m{"type": "phone", "value": p.Phone})
	}
	for _, c := range p.Consents {
		consents = append(consents, m{"purpose": "marketing", "channel": c.Channel, "evidence": "ticked at the till"})
	}
	if p.Born != nil {
		register["demographics"] = m{"country": p.Country, "city": p.City, "birth_date": p.Born}
	}
	if len(points) > 0 {
		register["contact_points"] = points
	}
	if len(consents) > 0 {
		register["consents"] = consents
	}
	if len(p.Tags) > 0 {
		register["tags"] = p.Tags
	}
	lines := []client.Line{{Command: "register-customer", Customer: id, Body: object(register)}}
	for _, o := range p.Orders {
		line := m{"sku": o.SKU, "quantity": 1, "unit_price_minor": o.Minor, "amount_minor": o.Minor}
		if o.CostMinor > 0 {
			line["cost_minor"] = o.CostMinor
		}
		lines = append(lines, client.Line{Command: "record-order", Customer: id, Body: object(m{
			"order_id": o.ID, "total": m{"amount_minor": o.Minor, "currency": "USD"}, "lines": []m{line}, "channel": p.Channel,
			"placed_at": o.At, "paid_at": o.At,
		})})
	}
	for _, x := range p.Costs {
		lines = append(lines, client.Line{Command: "record-cost", Customer: id, Body: object(m{
			"cost_id": x.ID, "kind": x.Kind, "amount": m{"amount_minor": x.Minor, "currency": "USD"}, "incurred_at": x.At,
		})})
	}
	if len(p.Interests) > 0 {
		lines = append(lines, client.Line{Command: "update-psychographics", Customer: id, Body: object(m{"interests": p.Interests})})
	}
	for _, c := range p.Consents {
		if c.Withdrawn != nil {
			lines = append(lines, client.Line{Command: "withdraw-consent", Customer: id, Body: object(m{
				"purpose": "marketing", "channel": c.Channel, "via": "unsubscribe_link", "withdrawn_at": c.Withdrawn,
			})})
		}
	}
	return lines
}

// show prints the distribution of the labels and what is worth trying, with one
// customer, and what another one is for who is to be forgotten.
func (c *demoCmd) show(ctx context.Context, api *client.Client, out io.Writer, address, customer, other string) error {
	var d struct {
		ByLabel []struct {
			Label     string       `json:"label"`
			Customers int          `json:"customers"`
			Revenue   domain.Money `json:"revenue"`
		} `json:"by_label"`
	}
	if err := api.Get(ctx, "/v1/rfm/distribution", nil, &d); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nWho is worth what, at the close of %v:\n\n", demoUntil)
	for _, l := range d.ByLabel {
		fmt.Fprintf(out, "  %-20s %6d customers %12s  %s\n", l.Label, l.Customers, dollars(l.Revenue.AmountMinor), bar(l.Customers, c.Customers))
	}
	if err := c.settledSegments(ctx, api); err != nil {
		return err
	}
	if err := c.pyramid(ctx, api, out); err != nil {
		return err
	}
	slipping, err := sampleOf(ctx, api, "slipping-regulars")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
Try:

  # a customer, and why they score as they do
  curl -s %[1]s/v1/customers/%[2]s/rfm

  # who cannot be lost, and is drifting away
  curl -s '%[1]s/v1/rfm/customers?label=At%%20Risk&limit=3'

  # an order comes in; its effect is there in milliseconds
  curl -s -X POST %[1]s/v1/customers/%[2]s/record-order -H 'Content-Type: application/json' \
    -H 'Idempotency-Key: my-first-order' -H 'Rapport-Actor: user:me' \
    -d '{"order_id":"my-first-order","total":{"amount_minor":4200,"currency":"USD"},"placed_at":"%[3]vT09:00:00Z"}'

  # the stage they are in, why, and what comes next; and how all go from stage to stage
  curl -s %[1]s/v1/customers/%[2]s/lifecycle
  curl -s '%[1]s/v1/lifecycle/funnel?from=%[4]v&to=%[5]v'

  # their points: every lot, what it is for, when it lapses; their tier, and what is missing to the next
  curl -s %[1]s/v1/customers/%[2]s/loyalty
  curl -s '%[1]s/v1/customers/%[2]s/ledger?limit=3'

  # they spend some; every lot of theirs is recomputed from the log
  curl -s -X POST %[1]s/v1/customers/%[2]s/redeem-points -H 'Content-Type: application/json' \
    -H 'Rapport-Actor: user:me' -d '{"redemption_id":"my-first-redemption","points":100}'
  curl -s %[1]s/v1/customers/%[2]s/ledger/verify

  # what the company owes in points, whose lapse soon, and who has a birthday
  curl -s %[1]s/v1/loyalty/liability
  curl -s '%[1]s/v1/loyalty/expiring?days=30&limit=3'
  curl -s '%[1]s/v1/care/upcoming?days=7&limit=3'
`, address, customer, demoUntil+1, demoJoined, demoUntil)
	if err := showSegments(out, os.Args[0], address, customer, slipping); err != nil {
		return err
	}
	fmt.Fprintf(out, `
  # may they be written to, and why (not)? Who may?
  curl -s '%[1]s/v1/customers/%[2]s/contactability?purpose=marketing&channel=email'
  curl -s '%[1]s/v1/customers?consent=marketing:email&limit=3'

  # whom an employee looks after, and whom nobody does
  curl -s '%[1]s/v1/owners/lin/portfolio?limit=3'
  curl -s '%[1]s/v1/pool?limit=3'

  # who came twice, and what says so
  curl -s '%[1]s/v1/duplicates?min_score=80&limit=3'

  # what was true then, and what changed since
  curl -s '%[1]s/v1/customers/%[2]s?as_of=%[3]v'
  curl -s '%[1]s/v1/customers/%[2]s/diff?from=%[3]v&to=%[4]v'

  # everything that ever happened to them, by whom, and the proof that nobody changed it
  curl -s %[1]s/v1/customers/%[2]s/history
  curl -s %[1]s/v1/customers/%[2]s/history/verify

  # somebody wants to be forgotten: one asks, another agrees, and nobody can read them again
  curl -s -X POST %[1]s/v1/customers/%[5]s/request-erasure -H 'Content-Type: application/json' \
    -H 'Rapport-Actor: user:lin' -d '{"requester":"customer","evidence":"a letter"}'
  curl -s -X POST %[1]s/v1/customers/%[5]s/approve-erasure -H 'Content-Type: application/json' \
    -H 'Rapport-Actor: user:omar' -d '{}'
  curl -s %[1]s/v1/customers/%[5]s/erasure

The API is described at %[1]s/docs. Also:

  %[6]s replay %[2]s --server %[1]s
  %[6]s rebuild all --server %[1]s
  %[6]s verify read-models --server %[1]s
`, address, customer, demoJoined, demoUntil, other, os.Args[0])
	return nil
}

func dollars(minor int64) string { return fmt.Sprintf("$%d.%02d", minor/100, minor%100) }

// bar draws a share of a whole.
func bar(part, whole int) string {
	const width = 40
	n := (part*width + whole/2) / whole
	b := make([]rune, n)
	for i := range b {
		b[i] = '█'
	}
	return string(b)
}

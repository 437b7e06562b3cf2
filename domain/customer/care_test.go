package customer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/contact"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

// carePolicy is the policy that the tests of care go by. Business now is noon on
// 1 March 2026.
func carePolicy() care.Policy {
	return care.Policy{Name: "test", Occasions: []care.Occasion{
		{ID: "birthday", Kind: care.Birthday, Channels: []string{"email", "sms"}, Purpose: "marketing", LeadDays: 7, FollowDays: 3},
		{ID: "anniversary", Kind: care.Anniversary, Channels: []string{"email"}, Purpose: "marketing", LeadDays: 1, FollowDays: 1},
		{ID: "spring_festival", Kind: care.Festival, Festival: &care.MonthDay{Calendar: care.ChineseLunar, Month: 1, Day: 1}, Channels: []string{"email"}, Purpose: "transaction", FollowDays: 14},
		{ID: "leap_month", Kind: care.Festival, Festival: &care.MonthDay{Calendar: care.ChineseLunar, Month: 6, Day: 1, Leap: true}, Channels: []string{"email"}, Purpose: "marketing"},
	}}
}

// cares is a world with policies of contacts and of care, the latter from February on.
func cares(p care.Policy) world.Known {
	w := rules.World.With(uuid.Nil, policy.Published{Kind: policy.KindCare, Version: 2, EffectiveFrom: domain.NewDate(2026, 2, 1), Care: &p})
	return world.Known{World: w}
}

// giving is a world with a loyalty programme as well, in which a birthday gives points
// and one person may grant 500.
func giving(points int64) world.Known {
	w := cares(with(carePolicy(), func(p *care.Policy) { p.Occasions[0].GiftPoints = points })).World
	p := loyalty.Policy{Name: "x", Currency: "EUR", Expiry: loyalty.Expiry{Kind: loyalty.Never}, Manual: loyalty.Manual{BonusLimit: 500}}
	return world.Known{World: w.With(uuid.Nil, policy.Published{Kind: policy.KindLoyalty, Version: 4, Loyalty: &p})}
}

// gift is points that were granted at noon.
func gift(source LotSource, points int64, change ...func(*PointsGranted)) PointsGranted {
	e := PointsGranted{
		Lot:    Lot{LotID: source.Kind + ":" + source.Ref, Points: points, EarnedAt: noon, AvailableAt: noon, Source: source},
		Expiry: loyalty.Expiry{Kind: loyalty.Never}, PlacedOn: today, PolicyVersion: 4, GrantedAt: noon,
	}
	for _, f := range change {
		f(&e)
	}
	return e
}

func bornOn(date string) DemographicsUpdated {
	return DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []Change{{Field: "demographics.birth_date", Became: date}}, At: placed}
}

var (
	caring = RecordCareAction{Subject: at, Known: cares(carePolicy()), Occasion: "birthday", Year: 2026, Channel: "email", Note: "a card"}
	cared  = CareActionDone{
		Occasion: "birthday", Year: 2026, On: domain.NewDate(2026, 3, 4), Channel: "email", Purpose: "marketing",
		LegalBasis: "consent", ConsentedAt: &placed, WindowDays: 7, Note: "a card", At: noon,
	}
	careGiven = []Event{registered, email, with(granted, func(e *ConsentGranted) { e.GrantedAt = placed }), bornOn("1984-03-04")}
)

func TestRecordCareAction(t *testing.T) {
	and := func(more ...Event) []Event { return append(careGiven[:len(careGiven):len(careGiven)], more...) }
	by := func(change func(*RecordCareAction)) RecordCareAction { return with(caring, change) }
	done := func(change func(*CareActionDone)) []Event { return []Event{with(cared, change)} }
	spring := by(func(c *RecordCareAction) { c.Occasion = "spring_festival" })
	zone := func(name string, hours int) (Event, func(string) *time.Location) {
		there := time.FixedZone(name, hours*60*60)
		return ProfileUpdated{Fields: []string{"time_zone"}, Changes: []Change{{Field: "time_zone", Became: name}}},
			func(string) *time.Location { return there }
	}
	tonga, inTonga := zone("Pacific/Tongatapu", 13)
	run(t, []spec{
		{Name: "a birthday is acted on", Given: careGiven, When: caring, Then: []Event{cared}},
		{
			Name: "on the first day on which it may be", Given: and(bornOn("1990-03-08")), When: caring,
			Then: done(func(e *CareActionDone) { e.On = domain.NewDate(2026, 3, 8) }),
		},
		{
			Name: "and on the last, dated back", Given: and(bornOn("1984-02-29")),
			When: by(func(c *RecordCareAction) { c.MomentAt = &paid }),
			Then: done(func(e *CareActionDone) { e.On, e.At = domain.NewDate(2026, 2, 28), paid }),
		},
		{
			Name: "where the customer lives it is tomorrow", Given: and(bornOn("1990-03-09"), tonga),
			When: by(func(c *RecordCareAction) {
				c.MomentAt, c.Locate = ptr(hours(-.5)), inTonga
				c.Known = cares(with(carePolicy(), func(p *care.Policy) { p.Occasions[0].Purpose = "transaction" }))
			}),
			Then: done(func(e *CareActionDone) {
				e.On, e.At, e.Purpose, e.LegalBasis, e.ConsentedAt, e.Free = domain.NewDate(2026, 3, 9), hours(-.5), "transaction", "contract", nil, true
			}),
		},
		{
			Name: "a festival needs no birth date, and a purpose with a basis of its own no consent", Given: []Event{registered, email}, When: spring,
			Then: done(func(e *CareActionDone) {
				e.Occasion, e.On, e.Purpose, e.LegalBasis, e.ConsentedAt, e.Free = "spring_festival", domain.NewDate(2026, 2, 17), "transaction", "contract", nil, true
			}),
		},
		{
			Name: "the membership has its anniversary tomorrow", Given: and(member), When: by(func(c *RecordCareAction) { c.Occasion = "anniversary" }),
			Then: done(func(e *CareActionDone) { e.Occasion, e.On = "anniversary", domain.NewDate(2026, 3, 2) }),
		},
		{
			Name: "in the business zone it had it the day before", Given: and(member),
			When:  by(func(c *RecordCareAction) { c.Occasion, c.Zone = "anniversary", time.FixedZone("west", -9*60*60) }),
			Error: ErrContactNotAllowed, Fields: []string{"/moment_at"},
		},
		{
			Name: "a member is given points with it", Given: and(member), When: by(func(c *RecordCareAction) { c.Known = giving(100) }),
			Then: append(done(func(e *CareActionDone) { e.GiftPoints = 100 }), gift(LotSource{Kind: LotCare, Ref: "birthday:2026"}, 100)),
		},
		{
			Name: "what fell due comes first", Given: and(member, gift(LotSource{Kind: LotBonus, Ref: "b1"}, 7, func(e *PointsGranted) { e.Lot.ExpiresAt = &paid })),
			When: by(func(c *RecordCareAction) { c.Known = giving(100) }),
			Then: []Event{
				PointsExpired{LotID: "bonus:b1", Points: 7, ExpiredAt: paid}, with(cared, func(e *CareActionDone) { e.GiftPoints = 100 }),
				gift(LotSource{Kind: LotCare, Ref: "birthday:2026"}, 100),
			},
		},
		{Name: "somebody else is not", Given: careGiven, When: by(func(c *RecordCareAction) { c.Known = giving(100) }), Then: []Event{cared}},
		{
			Name: "without a programme there is nothing to give", Given: and(member), Then: []Event{cared},
			When: by(func(c *RecordCareAction) {
				c.Known = cares(with(carePolicy(), func(p *care.Policy) { p.Occasions[0].GiftPoints = 100 }))
			}),
		},
		{
			Name: "nobody gives points to themselves", Given: and(member), Error: ErrOwnAccount,
			When: by(func(c *RecordCareAction) {
				c.Actor = domain.Actor{Kind: "user", ID: "ann"}
				c.World = giving(100).World.With(uuid.Nil, staff.EmployeeEnrolled{EmployeeID: "ann", Name: "Ann", CustomerID: id})
			}),
		},
		{Name: "the same again is nothing to do", Given: and(cared), When: by(func(c *RecordCareAction) { c.Note = "the card" })},
		{Name: "also at the same time", Given: and(with(cared, func(e *CareActionDone) { e.At = paid })), When: by(func(c *RecordCareAction) { c.MomentAt = &paid })},
		{
			Name: "also when consent and policy have gone since", Given: and(cared, ConsentWithdrawn{Purpose: Every, Channel: Every, WithdrawnAt: noon}),
			When: by(func(c *RecordCareAction) { c.Known = world.Known{} }),
		},
		{Name: "another channel is another action", Given: and(cared), When: by(func(c *RecordCareAction) { c.Channel = "sms" }), Error: ErrCareDone},
		{Name: "so is another time", Given: and(cared), When: by(func(c *RecordCareAction) { c.MomentAt = &paid }), Error: ErrCareDone},
		{
			Name: "the year before it is another moment", Given: and(with(cared, func(e *CareActionDone) { e.Year, e.On, e.At = 2025, domain.NewDate(2025, 3, 4), noon.AddDate(-1, 0, 0) })),
			When: caring, Then: []Event{cared},
		},
		{Name: "nobody consented", Given: []Event{registered, email, bornOn("1984-03-04")}, When: caring, Error: ErrContactNotAllowed, Fields: []string{"/occasion"}},
		{
			Name: "there is no address and it is quiet", Given: and(ChannelPreferenceSet{QuietHours: &contact.Hours{From: "11:00", To: "13:00"}}, ContactPointInvalidated{ContactPointID: "e1", Type: "email", InvalidatedAt: paid}),
			When: caring, Error: ErrContactNotAllowed, Fields: []string{"/channel", "/moment_at"},
		},
		{
			Name: "it counts for the frequency cap", Given: and(ChannelPreferenceSet{FrequencyCap: &contact.Cap{Contacts: 1, Days: 30}}, with(cared, func(e *CareActionDone) { e.Year, e.At = 2025, paid })),
			When: caring, Error: ErrContactNotAllowed, Fields: []string{"/moment_at"},
		},
		{Name: "a restricted customer is left alone", Given: and(ProcessingRestricted{RestrictedAt: paid}), When: caring, Error: ErrRestricted},
		{Name: "an erased one as well", Given: and(PersonalDataErased{ErasedAt: noon}), When: caring, Error: ErrErased},
		{Name: "nobody is registered", When: caring, Error: ErrNotFound},
		{Name: "there is no policy of care", Given: careGiven, When: by(func(c *RecordCareAction) { c.Known = rules }), Error: ErrNoCarePolicy},
		{Name: "it is not in force yet", Given: careGiven, When: by(func(c *RecordCareAction) { c.MomentAt = ptr(noon.AddDate(0, 0, -30)) }), Error: ErrNoCarePolicy},
		{Name: "the policy has no such occasion", Given: careGiven, When: by(func(c *RecordCareAction) { c.Occasion = "wedding" }), Error: ErrCareUnknown},
		{
			Name: "there is no policy of contacts", Given: careGiven,
			When: by(func(c *RecordCareAction) {
				p := carePolicy()
				c.World = new(world.World).With(uuid.Nil, policy.Published{Kind: policy.KindCare, Version: 1, Care: &p})
			}),
			Error: ErrNoContactPolicy,
		},
		{Name: "the birth date is not known", Given: careGiven[:3], When: caring, Error: ErrCareNoBirthDate},
		{Name: "who is no member has no anniversary", Given: careGiven, When: by(func(c *RecordCareAction) { c.Occasion = "anniversary" }), Error: ErrCareNotMember},
		{Name: "nor has who was one", Given: and(member, ProgramLeft{LeftAt: paid}), When: by(func(c *RecordCareAction) { c.Occasion = "anniversary" }), Error: ErrCareNotMember},
		{Name: "the first year is not over", Given: and(with(member, func(e *ProgramJoined) { e.JoinedAt = placed })), When: by(func(c *RecordCareAction) { c.Occasion = "anniversary" }), Error: ErrCareNotDue},
		{Name: "too early", Given: and(bornOn("1984-03-09")), When: caring, Error: ErrCareNotDue},
		{Name: "too late", Given: and(bornOn("1984-02-25")), When: caring, Error: ErrCareNotDue},
		{Name: "of another year", Given: careGiven, When: by(func(c *RecordCareAction) { c.Year = 2025 }), Error: ErrCareNotDue},
		{Name: "of the year of birth", Given: and(bornOn("2026-02-27")), When: caring, Error: ErrCareNotDue},
		{Name: "the calendar has no such day in that year", Given: careGiven, When: by(func(c *RecordCareAction) { c.Occasion = "leap_month" }), Error: ErrCareNotDue},
		{Name: "a channel that the policy does not have for it", Given: careGiven, When: by(func(c *RecordCareAction) { c.Channel = "phone" }), Error: domain.ErrValidation, Fields: []string{"/channel"}},
		{
			Name: "the fields are wrong", Given: careGiven,
			When:  RecordCareAction{Subject: at, Known: caring.Known, Year: 1899, Note: strings.Repeat("x", 2001), MomentAt: ptr(hours(1))},
			Error: domain.ErrValidation, Fields: []string{"/occasion", "/year", "/channel", "/note", "/moment_at"},
		},
	})
	if diff := cmp.Diff([]domain.PolicyRef{{Kind: "contact", Version: 3}, {Kind: "care", Version: 2}}, caring.Uses()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]domain.PolicyRef{{Kind: "contact", Version: 3}, {Kind: "care", Version: 2}, {Kind: "loyalty", Version: 4}}, by(func(c *RecordCareAction) { c.Known = giving(1) }).Uses()); diff != "" {
		t.Error(diff)
	}
	if refs := (RecordCareAction{Subject: at}).Uses(); refs != nil {
		t.Errorf("%+v", refs)
	}
}

func TestGrantAnnualReward(t *testing.T) {
	ann := domain.Actor{Kind: "user", ID: "ann"}
	limited := carePolicy()
	limited.AnnualRewards = []care.AnnualReward{{Kind: care.Dividend, MostAmount: ptr(eur(1000))}}
	cmd := GrantAnnualReward{Subject: at, Known: cares(carePolicy()), Kind: "dividend", Period: 2025, Value: RewardValue{Amount: ptr(eur(1000))}, Note: "thanks"}
	cmd.Actor = ann
	e := AnnualRewardGranted{Kind: "dividend", Period: 2025, Value: RewardValue{Amount: ptr(eur(1000))}, Note: "thanks", GrantedBy: ann, GrantedAt: noon}
	given := []Event{registered, member}
	allowing := carePolicy()
	allowing.AnnualRewards = []care.AnnualReward{{Kind: care.Dividend, MostPoints: 501}}
	generous := world.Known{World: giving(0).World.With(uuid.Nil, policy.Published{Kind: policy.KindCare, Version: 3, EffectiveFrom: domain.NewDate(2026, 2, 1), Care: &allowing})}
	by := func(change func(*GrantAnnualReward)) GrantAnnualReward { return with(cmd, change) }
	is := func(change func(*AnnualRewardGranted)) []Event { return []Event{with(e, change)} }
	wrong := func(name string, value RewardValue, fields ...string) spec {
		return spec{
			Name: name, Given: given, When: by(func(c *GrantAnnualReward) { c.Value = value }), Error: domain.ErrValidation, Fields: fields,
		}
	}
	run(t, []spec{
		{Name: "an amount of money", Given: given, When: cmd, Then: []Event{e}},
		{
			Name: "a gift, of this year", Given: given, When: by(func(c *GrantAnnualReward) { c.Kind, c.Period, c.Value = "reward", 2026, RewardValue{Gift: "calendar"} }),
			Then: is(func(e *AnnualRewardGranted) {
				e.Kind, e.Period, e.Value = "reward", 2026, RewardValue{Gift: "calendar"}
			}),
		},
		{
			Name: "points, as many as one person may give", Given: given, When: by(func(c *GrantAnnualReward) { c.Known, c.Value = giving(0), RewardValue{Points: 500} }),
			Then: append(is(func(e *AnnualRewardGranted) { e.Value = RewardValue{Points: 500} }),
				gift(LotSource{Kind: LotReward, Ref: "dividend:2025"}, 500, func(e *PointsGranted) { e.GrantedBy = ann })),
		},
		{
			Name: "more if the policy of care allows it", Given: given, When: by(func(c *GrantAnnualReward) { c.Known, c.Value = generous, RewardValue{Points: 501} }),
			Then: append(is(func(e *AnnualRewardGranted) { e.Value = RewardValue{Points: 501} }),
				gift(LotSource{Kind: LotReward, Ref: "dividend:2025"}, 501, func(e *PointsGranted) { e.GrantedBy = ann })),
		},
		{Name: "else not", Given: given, When: by(func(c *GrantAnnualReward) { c.Known, c.Value = giving(0), RewardValue{Points: 501} }), Error: ErrRewardNotAllowed},
		{Name: "there is no programme to give points of", Given: given, When: by(func(c *GrantAnnualReward) { c.Value = RewardValue{Points: 5} }), Error: ErrNoProgram},
		{Name: "without a policy of care there is no limit of money", Given: given, When: by(func(c *GrantAnnualReward) { c.Known = rules }), Then: []Event{e}},
		{Name: "as much as the policy allows", Given: given, When: by(func(c *GrantAnnualReward) { c.Known = cares(limited) }), Then: []Event{e}},
		{Name: "another kind of the same year", Given: append(is(func(e *AnnualRewardGranted) { e.Kind = "reward" }), given...), When: cmd, Then: []Event{e}},
		{Name: "another year", Given: append(is(func(e *AnnualRewardGranted) { e.Period = 2024 }), given...), When: cmd, Then: []Event{e}},
		{Name: "the same again is nothing to do", Given: []Event{registered, member, e, ProgramLeft{LeftAt: noon}}, When: by(func(c *GrantAnnualReward) { c.Note = "again" })},
		{Name: "another value", Given: []Event{registered, member, e}, When: by(func(c *GrantAnnualReward) { c.Value = RewardValue{Amount: ptr(eur(999))} }), Error: ErrRewardGranted},
		{Name: "nobody is registered", When: cmd, Error: ErrNotFound},
		{Name: "not a member", Given: given[:1], When: cmd, Error: ErrNotEnrolled},
		{
			Name: "nobody grants it to themselves", Given: given, Error: ErrOwnAccount,
			When: by(func(c *GrantAnnualReward) {
				c.World = c.World.With(uuid.Nil, staff.EmployeeEnrolled{EmployeeID: "ann", Name: "Ann", CustomerID: id})
			}),
		},
		{
			Name: "who works here grants it to others", Given: given, Then: []Event{e},
			When: by(func(c *GrantAnnualReward) {
				c.World = c.World.With(uuid.Nil, staff.EmployeeEnrolled{EmployeeID: "ann", Name: "Ann", CustomerID: uuid.UUID{1}})
			}),
		},
		{Name: "more than the policy allows", Given: given, When: by(func(c *GrantAnnualReward) { c.Known, c.Value = cares(limited), RewardValue{Amount: ptr(eur(1001))} }), Error: ErrRewardNotAllowed},
		{Name: "a kind that the policy does not have", Given: given, When: by(func(c *GrantAnnualReward) { c.Known, c.Kind = cares(limited), "reward" }), Error: ErrRewardNotAllowed},
		{Name: "an erased customer is given nothing", Given: []Event{registered, member, PersonalDataErased{ErasedAt: noon}}, When: cmd, Error: ErrErased},
		{Name: "a year to come", Given: given, When: by(func(c *GrantAnnualReward) { c.Period = 2027 }), Error: domain.ErrValidation, Fields: []string{"/period"}},
		{
			Name: "the fields are wrong", Given: given, When: GrantAnnualReward{Subject: at, Kind: "bonus", Period: 2201, Note: strings.Repeat("x", 2001)},
			Error: domain.ErrValidation, Fields: []string{"/kind", "/period", "/value", "/note"},
		},
		wrong("two values", RewardValue{Points: 5, Gift: "calendar"}, "/value"),
		wrong("points that are none", RewardValue{Points: -5}, "/value/points"),
		wrong("too many points", RewardValue{Points: 1_000_000_001}, "/value/points"),
		wrong("no money", RewardValue{Amount: ptr(eur(0))}, "/value/amount/amount_minor"),
		wrong("money of no country", RewardValue{Amount: &domain.Money{AmountMinor: -1, Currency: "XYZ"}}, "/value/amount/currency", "/value/amount/amount_minor"),
		wrong("a gift in words", RewardValue{Gift: "a calendar"}, "/value/gift"),
	})
	if diff := cmp.Diff([]domain.PolicyRef{{Kind: "care", Version: 2}}, cmd.Uses()); diff != "" {
		t.Error(diff)
	}
}

// What is shown names the consent that decided, and is bounded.
func TestWhatIsShownOfCare(t *testing.T) {
	var x Care
	told := Permissions{}
	fold := func(n int, e Event) {
		r := Record{Event: e, ID: event(n)}
		told.Fold(r)
		x.Fold(r, told)
	}
	fold(1, with(granted, func(e *ConsentGranted) { e.GrantedAt = placed }))
	fold(2, cared)
	fold(3, with(cared, func(e *CareActionDone) { e.Year, e.ConsentedAt, e.GiftPoints = 2027, &paid, 50 }))
	fold(4, AnnualRewardGranted{Kind: "reward", Period: 2025, Value: RewardValue{Gift: "calendar"}, Note: "hers", GrantedBy: domain.Actor{Kind: "user", ID: "ann"}, GrantedAt: noon})
	shown := CareAction{Occasion: "birthday", Year: 2026, On: cared.On, Channel: "email", LegalBasis: "consent", At: noon, EventID: event(2), ConsentEventID: event(1)}
	want := Care{
		Done: []CareAction{shown, with(shown, func(a *CareAction) {
			a.Year, a.EventID, a.ConsentEventID, a.GiftPoints = 2027, event(3), uuid.Nil, 50
		})},
		Rewards: []AnnualReward{{Kind: "reward", Period: 2025, Value: RewardValue{Gift: "calendar"}, GrantedBy: domain.Actor{Kind: "user", ID: "ann"}, GrantedAt: noon, EventID: event(4)}},
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
	if a, ok := x.Of("birthday", 2026); !ok || a != shown {
		t.Errorf("%+v", a)
	}
	if _, ok := x.Of("birthday", 2028); ok {
		t.Error("something that was not done is there")
	}
	for n := range 300 {
		fold(n, with(cared, func(e *CareActionDone) { e.Year = n }))
		fold(n, AnnualRewardGranted{Kind: "reward", Period: n})
	}
	if len(x.Done) != 200 || x.Done[0].Year != 100 || x.Done[199].Year != 299 || len(x.Rewards) != 50 || x.Rewards[0].Period != 250 {
		t.Errorf("%d actions, %d rewards", len(x.Done), len(x.Rewards))
	}
}

// Whatever happens between, there is one action for an occasion of a year, and one
// reward of a kind; what is repeated is nothing to do, or refused.
func TestOneActionForAnOccasionOfAYear(t *testing.T) {
	policies := []care.Policy{carePolicy(), carePolicy()}
	policies[1].Occasions[0].LeadDays, policies[1].Occasions[0].Channels = 60, []string{"email", "sms", "visit"}
	worlds := []world.Known{cares(policies[0]), cares(policies[1]), giving(10), rules}
	rapid.Check(t, func(t *rapid.T) {
		s := State{}
		for _, e := range careMembers() {
			s = s.Evolve(e)
		}
		done, given := map[string]Event{}, int64(0)
		of := at
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			of.Now = of.Now.Add(time.Duration(rapid.IntRange(0, 40*24).Draw(t, "hours")) * time.Hour)
			of.Latest = of.Now
			known := rapid.SampledFrom(worlds).Draw(t, "world")
			var cmd domain.Command[State, Event]
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				s = s.Evolve(bornOn(rapid.SampledFrom([]string{"", "1984-02-29", "1984-03-04", "1990-06-01"}).Draw(t, "born")))
				continue
			case 1:
				s = s.Evolve(ConsentWithdrawn{Purpose: "marketing", Channel: Every, WithdrawnAt: of.Now})
				continue
			case 2:
				s = s.Evolve(ConsentGranted{Purpose: "marketing", Channel: Every, LegalBasis: "consent", GrantedAt: of.Now})
				continue
			case 3:
				cmd = GrantAnnualReward{
					Subject: of, Known: known, Kind: rapid.SampledFrom(care.RewardKinds).Draw(t, "kind"), Period: of.Today().Year() - rapid.IntRange(0, 1).Draw(t, "ago"),
					Value: rapid.SampledFrom([]RewardValue{{Gift: "calendar"}, {Gift: "mug"}, {Points: 500}}).Draw(t, "value"),
				}
			default:
				c := RecordCareAction{
					Subject: of, Known: known, Occasion: rapid.SampledFrom([]string{"birthday", "anniversary", "spring_festival"}).Draw(t, "occasion"),
					Year: of.Today().Year() - rapid.IntRange(-1, 1).Draw(t, "ago"), Channel: rapid.SampledFrom([]string{"email", "visit"}).Draw(t, "channel"),
				}
				if rapid.Bool().Draw(t, "dated") {
					c.MomentAt = ptr(of.Now.AddDate(0, 0, -rapid.IntRange(0, 3).Draw(t, "days")))
				}
				cmd = c
			}
			events, err := domain.Decide(s, cmd)
			if err != nil {
				continue
			}
			again := 0
			for _, e := range events {
				s = s.Evolve(e)
				var what string
				switch e := e.(type) {
				case CareActionDone:
					what, given = fmt.Sprint(e.Occasion, e.Year), given+e.GiftPoints
				case AnnualRewardGranted:
					what, given = fmt.Sprint(e.Kind, e.Period), given+e.Value.Points
				default:
					continue
				}
				if before := done[what]; before != nil {
					t.Fatalf("%s: %+v after %+v", what, e, before)
				}
				done[what] = e
				again++
			}
			if more, err := domain.Decide(s, cmd); again > 0 && (err != nil || len(more) > 0) {
				t.Fatalf("%+v again: %+v, %v", cmd, more, err)
			}
		}
		if s.Loyalty.Sums.Granted != given || s.Loyalty.Balance().Spendable != given {
			t.Fatalf("%d points were given, the account has %+v", given, s.Loyalty.Sums)
		}
		if shown := len(s.Care.Done) + len(s.Care.Rewards); shown != len(done) {
			t.Fatalf("%d were done, %d are shown", len(done), shown)
		}
	})
}

// careMembers is how the histories of care begin.
func careMembers() []Event {
	return append(careGiven[:len(careGiven):len(careGiven)], anywhere, member)
}

// member is the membership of two years and a day less.
var member = ProgramJoined{Trigger: TriggerRequest, JoinedAt: time.Date(2024, 3, 2, 8, 0, 0, 0, time.UTC)}

// anywhere is a consent for every channel.
var anywhere = ConsentGranted{Purpose: "marketing", Channel: Every, LegalBasis: "consent", GrantedAt: placed}

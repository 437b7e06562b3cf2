package customer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/world"
)

var company = Registered{Kind: Organisation, Name: Name{Organisation: "Ada & Co"}, Source: Source{Channel: "fair"}, RegisteredAt: placed}

// schemaOf is a world with a schema.
func schemaOf(defined ...attribute.Event) world.Known {
	var w world.World
	for _, e := range defined {
		w.Attributes = w.Attributes.Evolve(e)
	}
	return world.Known{World: &w}
}

func TestUpdateProfileInFull(t *testing.T) {
	cmd := UpdateProfile{Subject: at}
	run(t, []spec{{
		Name:  "every part of a name",
		Given: []Event{registered},
		When: with(cmd, func(c *UpdateProfile) {
			c.Name = &NamePatch{ptr("Ms"), ptr("Dr."), ptr("Ada"), ptr("K."), ptr("Berg"), ptr("Ada Berg"), ptr("Berg Ltd")}
		}),
		Then: []Event{ProfileUpdated{
			Fields: []string{"name.salutation", "name.title", "name.middle", "name.family", "name.display", "name.organisation"},
			Changes: []Change{
				{"name.salutation", "", "Ms"}, {"name.title", "", "Dr."}, {"name.middle", "", "K."}, {"name.family", "", "Berg"},
				{"name.display", "", "Ada Berg"}, {"name.organisation", "", "Berg Ltd"},
			},
		}},
	}, {
		Name: "what an organisation is",
		Given: []Event{company, ProfileUpdated{Changes: []Change{
			{"organisation.industry", "", "tea"}, {"organisation.size", "", "small"}, {"organisation.website", "", "http://tea.example"},
		}}},
		When: with(cmd, func(c *UpdateProfile) {
			c.Organisation = &OrganisationPatch{ptr("tea"), ptr("medium"), ptr("GmbH"), ptr("HRB 1"), ptr("DE 2"), ptr("")}
		}),
		Then: []Event{ProfileUpdated{
			Fields: []string{"organisation.size", "organisation.legal_form", "organisation.registration_number", "organisation.tax_number", "organisation.website"},
			Changes: []Change{
				{"organisation.size", "small", "medium"}, {"organisation.legal_form", "", "GmbH"}, {"organisation.registration_number", "", "HRB 1"},
				{"organisation.tax_number", "", "DE 2"}, {"organisation.website", "http://tea.example", ""},
			},
		}},
	}, {
		Name:  "every wrong fact of an organisation is named",
		Given: []Event{company},
		When: with(cmd, func(c *UpdateProfile) {
			long := strings.Repeat("x", 101)
			c.Organisation = &OrganisationPatch{&long, ptr("huge"), &long, &long, &long, ptr("tea.example")}
			c.Name = &NamePatch{Salutation: &long, Title: &long, Middle: ptr(strings.Repeat("x", 201))}
		}),
		Error: domain.ErrValidation,
		Fields: []string{"/name/salutation", "/name/title", "/name/middle", "/organisation/industry", "/organisation/size",
			"/organisation/legal_form", "/organisation/registration_number", "/organisation/tax_number", "/organisation/website"},
	}})
}

func TestUpdateDemographics(t *testing.T) {
	cmd := func(d DemographicsPatch) UpdateDemographics {
		return UpdateDemographics{Subject: at, DemographicsPatch: d}
	}
	all := DemographicsPatch{
		ptr("1984-02-29"), ptr("female"), ptr("married"), ptr("master"), ptr("engineer"), ptr("full_time"), ptr("middle"),
		ptr("1 Quay St"), ptr("D02"), ptr("Dublin"), ptr("Leinster"), ptr("IE"),
	}
	changes := []Change{
		{"demographics.birth_date", "", "1984-02-29"}, {"demographics.gender", "", "female"}, {"demographics.family_status", "", "married"},
		{"demographics.education", "", "master"}, {"demographics.occupation", "", "engineer"}, {"demographics.job_type", "", "full_time"},
		{"demographics.income_band", "", "middle"}, {"demographics.address", "", "1 Quay St"}, {"demographics.postal_code", "", "D02"},
		{"demographics.city", "", "Dublin"}, {"demographics.region", "", "Leinster"}, {"demographics.country", "", "IE"},
	}
	var names []string
	for _, c := range changes {
		names = append(names, c.Field)
	}
	known := DemographicsUpdated{Fields: names, Changes: changes, At: placed}
	invalid := func(name string, kind Registered, d DemographicsPatch, fields ...string) spec {
		return spec{Name: name, Given: []Event{kind}, When: cmd(d), Error: domain.ErrValidation, Fields: fields}
	}
	specs := []spec{{
		Name:  "everything at once",
		Given: []Event{registered},
		When:  cmd(all),
		Then:  []Event{with(known, func(e *DemographicsUpdated) { e.At = noon })},
	}, {
		Name:  "what is absent stays, what is empty is cleared",
		Given: []Event{registered, known},
		When:  cmd(DemographicsPatch{BirthDate: ptr(""), City: ptr("Cork"), Country: ptr("IE")}),
		Then: []Event{DemographicsUpdated{
			Fields:  []string{"demographics.birth_date", "demographics.city"},
			Changes: []Change{{"demographics.birth_date", "1984-02-29", ""}, {"demographics.city", "Dublin", "Cork"}}, At: noon,
		}},
	}, {
		Name:  "what is so already is nothing to do",
		Given: []Event{registered, known},
		When:  cmd(all),
	}, {
		Name:  "no fact is nothing to do",
		Given: []Event{registered},
		When:  cmd(DemographicsPatch{}),
	}, {
		Name:  "born today",
		Given: []Event{registered},
		When:  cmd(DemographicsPatch{BirthDate: ptr("2026-03-01")}),
		Then:  []Event{DemographicsUpdated{[]string{"demographics.birth_date"}, []Change{{"demographics.birth_date", "", "2026-03-01"}}, noon}},
	}, {
		Name:  "an organisation has a place",
		Given: []Event{company},
		When:  cmd(DemographicsPatch{Country: ptr("IE")}),
		Then:  []Event{DemographicsUpdated{[]string{"demographics.country"}, []Change{{"demographics.country", "", "IE"}}, noon}},
	}, {
		Name:  "of a customer of a day that is still to come, as an import under a manual calendar may bring one, not before that day",
		Given: []Event{with(registered, func(e *Registered) { e.RegisteredAt = noon.Add(48 * time.Hour) })},
		When:  cmd(DemographicsPatch{BirthDate: ptr("2026-03-03")}),
		Then:  []Event{DemographicsUpdated{[]string{"demographics.birth_date"}, []Change{{"demographics.birth_date", "", "2026-03-03"}}, noon.Add(48 * time.Hour)}},
	}, {
		Name:  "nobody is there",
		When:  cmd(all),
		Error: ErrNotFound,
	},
		invalid("born tomorrow", registered, DemographicsPatch{BirthDate: ptr("2026-03-02")}, "/birth_date"),
		invalid("born too long ago", registered, DemographicsPatch{BirthDate: ptr("1849-12-31")}, "/birth_date"),
		invalid("no date", registered, DemographicsPatch{BirthDate: ptr("29.2.1984")}, "/birth_date"),
		invalid("a country that is no code", registered, DemographicsPatch{Country: ptr("Ireland")}, "/country"),
		invalid("a country that is none", registered, DemographicsPatch{Country: ptr("ZZ")}, "/country"),
		invalid("every wrong enumeration is named", registered, DemographicsPatch{Gender: ptr("x"), FamilyStatus: ptr("x"), Education: ptr("x"), JobType: ptr("x"), IncomeBand: ptr("x")},
			"/gender", "/family_status", "/education", "/job_type", "/income_band"),
		invalid("every text that is too long is named", registered, DemographicsPatch{
			Occupation: ptr(strings.Repeat("x", 101)), Address: ptr(strings.Repeat("x", 501)), PostalCode: ptr(strings.Repeat("x", 21)),
			City: ptr(strings.Repeat("x", 101)), Region: ptr(strings.Repeat("x", 101)),
		}, "/occupation", "/address", "/postal_code", "/city", "/region"),
		invalid("an organisation is not born", company, all, "/birth_date", "/gender", "/family_status", "/education", "/occupation", "/job_type", "/income_band"),
	}
	for field, allowed := range map[string][]string{"gender": Genders, "family_status": FamilyStatuses, "education": Educations, "job_type": JobTypes, "income_band": IncomeBands} {
		for _, value := range allowed {
			var d DemographicsPatch
			*map[string]**string{"gender": &d.Gender, "family_status": &d.FamilyStatus, "education": &d.Education, "job_type": &d.JobType, "income_band": &d.IncomeBand}[field] = &value
			specs = append(specs, spec{
				Name: field + " " + value, Given: []Event{registered}, When: cmd(d),
				Then: []Event{DemographicsUpdated{[]string{"demographics." + field}, []Change{{"demographics." + field, "", value}}, noon}},
			})
		}
	}
	run(t, specs)
}

func TestUpdatePsychographics(t *testing.T) {
	cmd := UpdatePsychographics{Subject: at}
	tea := PsychographicsUpdated{
		Fields:      []string{"psychographics.interests", "psychographics.preferences"},
		Lists:       []ListChange{{Field: "psychographics.interests", Became: []string{"tea"}}},
		Preferences: []Change{{"colour", "", "blue"}, {"milk", "", "none"}}, At: placed,
	}
	many := make([]string, 51)
	full := PsychographicsUpdated{}
	for i := range many {
		many[i] = fmt.Sprint(i)
		if i < 50 {
			full.Preferences = append(full.Preferences, Change{many[i], "", "x"})
		}
	}
	invalid := func(name string, fields []string, change func(*UpdatePsychographics)) spec {
		return spec{Name: name, Given: []Event{registered}, When: with(cmd, change), Error: domain.ErrValidation, Fields: fields}
	}
	run(t, []spec{{
		Name:  "lists and preferences",
		Given: []Event{registered},
		When: with(cmd, func(c *UpdatePsychographics) {
			c.Interests, c.Preferences = &[]string{"tea"}, map[string]string{"milk": "none", "colour": "blue", "sugar": ""}
		}),
		Then: []Event{with(tea, func(e *PsychographicsUpdated) { e.At = noon })},
	}, {
		Name:  "a list is replaced, a preference changed, another one cleared, the rest stays",
		Given: []Event{registered, tea},
		When: with(cmd, func(c *UpdatePsychographics) {
			c.Interests, c.Lifestyle, c.Values = &[]string{"sailing", "tea"}, &[]string{"urban"}, &[]string{"thrift"}
			c.Preferences = map[string]string{"colour": "", "milk": "oat"}
		}),
		Then: []Event{PsychographicsUpdated{
			Fields: []string{"psychographics.interests", "psychographics.lifestyle", "psychographics.values", "psychographics.preferences"},
			Lists: []ListChange{
				{"psychographics.interests", []string{"tea"}, []string{"sailing", "tea"}},
				{Field: "psychographics.lifestyle", Became: []string{"urban"}}, {Field: "psychographics.values", Became: []string{"thrift"}},
			},
			Preferences: []Change{{"colour", "blue", ""}, {"milk", "none", "oat"}}, At: noon,
		}},
	}, {
		Name:  "an empty list is cleared",
		Given: []Event{registered, tea},
		When:  with(cmd, func(c *UpdatePsychographics) { c.Interests = &[]string{} }),
		Then: []Event{PsychographicsUpdated{
			Fields: []string{"psychographics.interests"}, Lists: []ListChange{{Field: "psychographics.interests", Was: []string{"tea"}, Became: []string{}}}, At: noon,
		}},
	}, {
		Name:  "what is so already is nothing to do",
		Given: []Event{registered, tea},
		When: with(cmd, func(c *UpdatePsychographics) {
			c.Interests, c.Values, c.Preferences = &[]string{"tea"}, &[]string{}, map[string]string{"milk": "none", "sugar": ""}
		}),
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name:  "one preference too many",
		Given: []Event{registered, full},
		When:  with(cmd, func(c *UpdatePsychographics) { c.Preferences = map[string]string{"one more": "x"} }),
		Error: domain.ErrValidation, Fields: []string{"/preferences"},
	}, {
		Name:  "one for another",
		Given: []Event{registered, full},
		When:  with(cmd, func(c *UpdatePsychographics) { c.Preferences = map[string]string{"one more": "x", "7": ""} }),
		Then:  []Event{PsychographicsUpdated{Fields: []string{"psychographics.preferences"}, Preferences: []Change{{"7", "x", ""}, {"one more", "", "x"}}, At: noon}},
	},
		invalid("lists that are too long", []string{"/interests", "/lifestyle", "/values"}, func(c *UpdatePsychographics) { c.Interests, c.Lifestyle, c.Values = &many, &many, &many }),
		invalid("entries that are wrong", []string{"/interests/0", "/interests/2", "/interests/3", "/interests/4"}, func(c *UpdatePsychographics) {
			c.Interests = &[]string{"", "tea", "tea", " sailing", strings.Repeat("x", 101)}
		}),
		invalid("preferences that are wrong", []string{"/preferences/", "/preferences/ a", "/preferences/b~1c~0", "/preferences"}, func(c *UpdatePsychographics) {
			c.Preferences = map[string]string{"": "x", " a": "x", "b/c~": strings.Repeat("x", 501), strings.Repeat("x", 65): "x"}
		}),
	})
}

func TestRecordMarketAttitude(t *testing.T) {
	cmd := RecordMarketAttitude{Subject: at, Method: "survey", MarketScores: MarketScores{ptr(70), ptr(30), ptr(0), ptr(20), ptr(100), ptr(55)}}
	surveyed := MarketAttitudeRecorded{Scores: cmd.MarketScores, Method: "survey", ObservedAt: noon}
	invalid := func(name string, fields []string, change func(*RecordMarketAttitude)) spec {
		return spec{Name: name, Given: []Event{registered}, When: with(cmd, change), Error: domain.ErrValidation, Fields: fields}
	}
	run(t, []spec{{
		Name:  "all scores of a survey",
		Given: []Event{registered},
		When:  cmd,
		Then:  []Event{surveyed},
	}, {
		Name:  "one score of a model, with its version, some time ago",
		Given: []Event{registered},
		When:  RecordMarketAttitude{Subject: at, Method: "model", ModelVersion: "7", MarketScores: MarketScores{Dependency: ptr(1)}, ObservedAt: &paid},
		Then:  []Event{MarketAttitudeRecorded{MarketScores{Dependency: ptr(1)}, "model", "7", paid}},
	}, {
		Name:  "the same observation again is nothing to do",
		Given: []Event{registered, surveyed},
		When:  cmd,
	}, {
		Name:  "the same scores at another time are another observation",
		Given: []Event{registered, with(surveyed, func(e *MarketAttitudeRecorded) { e.ObservedAt = paid })},
		When:  cmd,
		Then:  []Event{surveyed},
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	},
		invalid("out of range", []string{"/own_brand_attention", "/dependency"}, func(c *RecordMarketAttitude) { c.OwnBrandAttention, c.Dependency = ptr(101), ptr(-1) }),
		invalid("no score", []string{""}, func(c *RecordMarketAttitude) { c.MarketScores = MarketScores{} }),
		invalid("no method", []string{"/method"}, func(c *RecordMarketAttitude) { c.Method = "" }),
		invalid("an unknown method", []string{"/method"}, func(c *RecordMarketAttitude) { c.Method = "oracle" }),
		invalid("a model without its version", []string{"/model_version"}, func(c *RecordMarketAttitude) { c.Method = "model" }),
		invalid("a version of no model", []string{"/model_version"}, func(c *RecordMarketAttitude) { c.ModelVersion = "7" }),
		invalid("in the future", []string{"/observed_at"}, func(c *RecordMarketAttitude) { c.ObservedAt = ptr(noon.Add(time.Hour)) }),
		invalid("before the customer", []string{"/observed_at"}, func(c *RecordMarketAttitude) { c.ObservedAt = ptr(placed.Add(-time.Second)) }),
	})
	s := State{}.Evolve(registered).Evolve(surveyed).Evolve(with(surveyed, func(e *MarketAttitudeRecorded) { e.Method, e.ObservedAt = "interview", paid }))
	if s.MarketAttitude.Method != "survey" {
		t.Error("an earlier observation that came late replaces a later one")
	}
}

func TestTags(t *testing.T) {
	add := func(tag string) AddTag { return AddTag{Subject: at, Tag: tag} }
	remove := func(tag string) RemoveTag { return RemoveTag{Subject: at, Tag: tag} }
	tea, vip := TagAdded{"Tea", placed}, TagAdded{"VIP", placed}
	full := []Event{registered}
	for i := range MaxTags {
		full = append(full, TagAdded{fmt.Sprint("tag ", i), placed})
	}
	var specs []spec
	for _, bad := range []string{"", " tea", "tea ", "a,b", "a\nb", "a\x00b", "<b>", strings.Repeat("x", 51)} {
		specs = append(specs,
			spec{Name: fmt.Sprintf("add %q", bad), Given: []Event{registered}, When: add(bad), Error: domain.ErrValidation, Fields: []string{"/tag"}},
			spec{Name: fmt.Sprintf("remove %q", bad), Given: []Event{registered}, When: remove(bad), Error: domain.ErrValidation, Fields: []string{"/tag"}})
	}
	for _, good := range []string{"VIP", "重要客户", "Zoë's", "a-b_c.d:e/f&g+h#i@j 1", strings.Repeat("ä", 50)} {
		specs = append(specs, spec{Name: "add " + good, Given: []Event{registered}, When: add(good), Then: []Event{TagAdded{good, noon}}})
	}
	run(t, append(specs, []spec{{
		Name:  "a tag is there already, in whatever case",
		Given: []Event{registered, vip, tea},
		When:  add("vip"),
	}, {
		Name:  "two ways to write one letter are one tag",
		Given: []Event{registered, TagAdded{"Zo\u00eb", placed}},
		When:  add("zoe\u0308"),
	}, {
		Name:  "a tag is taken off as it was put on",
		Given: []Event{registered, vip, tea},
		When:  remove("vip"),
		Then:  []Event{TagRemoved{"VIP", noon}},
	}, {
		Name:  "a tag that is not there is nothing to do",
		Given: []Event{registered, tea},
		When:  remove("VIP"),
	}, {
		Name:  "once",
		Given: []Event{registered, vip, TagRemoved{"VIP", placed}},
		When:  remove("VIP"),
	}, {
		Name:  "one too many",
		Given: full,
		When:  add("one more"),
		Error: ErrTooManyTags,
	}, {
		Name:  "of a hundred one may be put on again",
		Given: full,
		When:  add("tag 99"),
	}, {
		Name:  "nobody to put it on",
		When:  add("tea"),
		Error: ErrNotFound,
	}, {
		Name:  "nobody to take it off",
		When:  remove("tea"),
		Error: ErrNotFound,
	}}...))
}

func TestClassify(t *testing.T) {
	cmd := Classify{Subject: at, Type: "business", Basis: "orders for an office"}
	classified := Classified{"business", "orders for an office", noon}
	specs := []spec{{
		Name:  "a type and why",
		Given: []Event{registered},
		When:  cmd,
		Then:  []Event{classified},
	}, {
		Name:  "the same again is nothing to do",
		Given: []Event{registered, classified},
		When:  cmd,
	}, {
		Name:  "another reason",
		Given: []Event{registered, classified},
		When:  Classify{Subject: at, Type: "business"},
		Then:  []Event{Classified{"business", "", noon}},
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name:  "an unknown type",
		Given: []Event{registered},
		When:  Classify{Subject: at, Type: "king"},
		Error: domain.ErrValidation, Fields: []string{"/type"},
	}, {
		Name:  "no type, and too many words",
		Given: []Event{registered},
		When:  Classify{Subject: at, Basis: strings.Repeat("x", 2001)},
		Error: domain.ErrValidation, Fields: []string{"/type", "/basis"},
	}}
	for _, typ := range CustomerTypes {
		specs = append(specs, spec{Name: typ, Given: []Event{registered}, When: Classify{Subject: at, Type: typ}, Then: []Event{Classified{typ, "", noon}}})
	}
	run(t, specs)
}

var (
	shoe     = attribute.Defined{Key: "shoe_size", Type: attribute.Number}
	shirt    = attribute.Defined{Key: "shirt", Type: attribute.Enum, Enum: []string{"S", "M"}, Required: true}
	passport = attribute.Defined{Key: "passport", Type: attribute.Text, Personal: true}
)

func TestSetAttribute(t *testing.T) {
	world := schemaOf(shoe, shirt, passport, attribute.Defined{Key: "fax", Type: attribute.Text}, attribute.Retired{Key: "fax"})
	set := func(key, value string) SetAttribute {
		return SetAttribute{Subject: at, Known: world, Key: key, Value: attribute.Value(value)}
	}
	invalid := func(name, key, value string) spec {
		return spec{Name: name, Given: []Event{registered}, When: set(key, value), Error: domain.ErrValidation, Fields: []string{"/value"}}
	}
	run(t, []spec{{
		Name:  "a value, exactly",
		Given: []Event{registered},
		When:  set("shoe_size", "42.50"),
		Then:  []Event{AttributeSet{Key: "shoe_size", Type: "number", Value: "42.5", At: noon}},
	}, {
		Name:  "a personal value stands where it is encrypted",
		Given: []Event{registered},
		When:  set("passport", `"C01X"`),
		Then:  []Event{AttributeSet{Key: "passport", Type: "text", PersonalValue: "C01X", At: noon}},
	}, {
		Name:  "the value it has is nothing to do, however it is written",
		Given: []Event{registered, AttributeSet{Key: "shoe_size", Type: "number", Value: "42.5"}},
		When:  set("shoe_size", "425e-1"),
	}, {
		Name:  "the personal value it has as well",
		Given: []Event{registered, AttributeSet{Key: "passport", Type: "text", PersonalValue: "C01X"}},
		When:  set("passport", `"C01X"`),
	}, {
		Name:  "another value",
		Given: []Event{registered, AttributeSet{Key: "shirt", Type: "enum", Value: "S"}},
		When:  set("shirt", `"M"`),
		Then:  []Event{AttributeSet{Key: "shirt", Type: "enum", Value: "M", At: noon}},
	}, {
		Name:  "nobody is there",
		When:  set("shirt", `"M"`),
		Error: ErrNotFound,
	}, {
		Name:  "not in the schema",
		Given: []Event{registered},
		When:  set("colour", `"red"`),
		Error: attribute.ErrUnknown, Fields: []string{"/key"},
	}, {
		Name:  "a retired attribute",
		Given: []Event{registered},
		When:  set("fax", `"1"`),
		Error: attribute.ErrRetired,
	},
		invalid("a wrong type", "shoe_size", `"42.5"`),
		invalid("not one of the values", "shirt", `"XL"`),
		invalid("an empty text", "passport", `""`),
		invalid("an object", "passport", `{"a":1}`),
	})
	if uses := set("shirt", "1").Uses(); len(uses) != 1 || uses[0] != (domain.PolicyRef{Kind: "schema", Version: 5}) {
		t.Errorf("%+v", uses)
	}
}

func TestClearAttribute(t *testing.T) {
	world := schemaOf(shoe, shirt, passport, attribute.Retired{Key: "passport"})
	clear := func(key string) ClearAttribute { return ClearAttribute{Subject: at, Known: world, Key: key} }
	run(t, []spec{{
		Name:  "a value goes",
		Given: []Event{registered, AttributeSet{Key: "shoe_size", Type: "number", Value: "42"}},
		When:  clear("shoe_size"),
		Then:  []Event{AttributeCleared{"shoe_size", noon}},
	}, {
		Name:  "also that of a retired attribute",
		Given: []Event{registered, AttributeSet{Key: "passport", Type: "text", PersonalValue: "C01X"}},
		When:  clear("passport"),
		Then:  []Event{AttributeCleared{"passport", noon}},
	}, {
		Name:  "no value is nothing to do",
		Given: []Event{registered},
		When:  clear("shoe_size"),
	}, {
		Name:  "once",
		Given: []Event{registered, AttributeSet{Key: "shoe_size", Type: "number", Value: "42"}, AttributeCleared{Key: "shoe_size"}},
		When:  clear("shoe_size"),
	}, {
		Name:  "what is required is not cleared",
		Given: []Event{registered, AttributeSet{Key: "shirt", Type: "enum", Value: "S"}},
		When:  clear("shirt"),
		Error: attribute.ErrRequired,
	}, {
		Name:  "not in the schema",
		Given: []Event{registered},
		When:  clear("colour"),
		Error: attribute.ErrUnknown, Fields: []string{"/key"},
	}, {
		Name:  "nobody is there",
		When:  clear("shoe_size"),
		Error: ErrNotFound,
	}})
	if uses := clear("shirt").Uses(); len(uses) != 1 || uses[0] != (domain.PolicyRef{Kind: "schema", Version: 4}) {
		t.Errorf("%+v", uses)
	}
}

func TestRegisterWithParticulars(t *testing.T) {
	cmd := Register{Subject: at, Name: Name{Given: "Ada"}, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: &placed, Known: schemaOf(shoe, shirt, passport)}
	required := map[string]attribute.Value{"shirt": `"M"`}
	invalid := func(name string, fields []string, change func(*Register)) spec {
		return spec{Name: name, When: with(with(cmd, func(c *Register) { c.Attributes = required }), change), Error: domain.ErrValidation, Fields: fields}
	}
	run(t, []spec{{
		Name: "everything is of the time of the registration",
		When: with(cmd, func(c *Register) {
			c.Demographics = &DemographicsPatch{BirthDate: ptr("1984-02-29"), City: ptr("")}
			c.Tags = []string{"VIP", "Zoe\u0308"}
			c.Attributes = map[string]attribute.Value{"shirt": `"M"`, "passport": `"C01X"`, "shoe_size": "42.0"}
		}),
		Then: []Event{
			registered,
			DemographicsUpdated{[]string{"demographics.birth_date"}, []Change{{"demographics.birth_date", "", "1984-02-29"}}, placed},
			TagAdded{"VIP", placed}, TagAdded{"Zo\u00eb", placed},
			AttributeSet{Key: "passport", Type: "text", PersonalValue: "C01X", At: placed},
			AttributeSet{Key: "shirt", Type: "enum", Value: "M", At: placed},
			AttributeSet{Key: "shoe_size", Type: "number", Value: "42", At: placed},
		},
	}, {
		Name: "a retired attribute is not required any more",
		When: with(cmd, func(c *Register) { c.Known = schemaOf(shirt, attribute.Retired{Key: "shirt"}) }),
		Then: []Event{registered},
	},
		invalid("born after the registration and in the future", []string{"/demographics/birth_date"}, func(c *Register) { c.Demographics = &DemographicsPatch{BirthDate: ptr("2026-03-02")} }),
		invalid("every wrong fact is named", []string{"/demographics/gender", "/demographics/country"}, func(c *Register) {
			c.Demographics = &DemographicsPatch{Gender: ptr("x"), Country: ptr("XX")}
		}),
		invalid("an organisation is not born", []string{"/demographics/birth_date"}, func(c *Register) {
			c.Kind, c.Demographics = Organisation, &DemographicsPatch{BirthDate: ptr("1984-02-29")}
		}),
		invalid("bad tags", []string{"/tags/0", "/tags/2"}, func(c *Register) { c.Tags = []string{"a,b", "VIP", "vip"} }),
		invalid("too many tags", []string{"/tags"}, func(c *Register) { c.Tags = make([]string, 101) }),
		invalid("a required attribute is missing", []string{"/attributes/shirt"}, func(c *Register) { c.Attributes = nil }),
		invalid("attributes that are wrong", []string{"/attributes/a~1b", "/attributes/passport", "/attributes/shirt"}, func(c *Register) {
			c.Attributes = map[string]attribute.Value{"a/b": "1", "passport": "null", "shirt": `"XL"`}
		}),
		invalid("a retired attribute", []string{"/attributes/shirt"}, func(c *Register) { c.Known = schemaOf(shirt, attribute.Retired{Key: "shirt"}) }),
	})
	if uses := cmd.Uses(); len(uses) != 1 || uses[0] != (domain.PolicyRef{Kind: "schema", Version: 3}) {
		t.Errorf("%+v", uses)
	}
	if uses := (Register{Subject: at, Known: schemaOf()}).Uses(); len(uses) != 0 {
		t.Errorf("a schema that says nothing was used: %+v", uses)
	}
}

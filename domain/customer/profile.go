package customer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/language"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
)

// Profile is who a customer is.
type Profile struct {
	Kind           string           `json:"kind,omitempty"`
	Name           Name             `json:"name,omitzero"`
	Source         Source           `json:"source,omitzero"`
	Locale         string           `json:"locale,omitempty"`
	Currency       string           `json:"currency,omitempty"`
	TimeZone       string           `json:"time_zone,omitempty"`
	RegisteredAt   time.Time        `json:"registered_at,omitzero"`
	Organisation   OrganisationInfo `json:"organisation,omitzero"`
	Demographics   Demographics     `json:"demographics,omitzero"`
	Psychographics Psychographics   `json:"psychographics,omitzero"`
	MarketAttitude MarketAttitude   `json:"market_attitude,omitzero"`
	Tags           []string         `json:"tags,omitempty"` // in the order of TagKey
	// Attributes are the values of the attributes of the schema, by key.
	Attributes     map[string]attribute.Value `json:"attributes,omitempty"`
	Classification Classification             `json:"classification,omitzero"`
}

// OrganisationInfo is what is known of an organisation, or of the business of a person.
type OrganisationInfo struct {
	Industry           string `json:"industry,omitempty"`
	Size               string `json:"size,omitempty"` // one of OrganisationSizes
	LegalForm          string `json:"legal_form,omitempty"`
	RegistrationNumber string `json:"registration_number,omitempty"`
	TaxNumber          string `json:"tax_number,omitempty"`
	Website            string `json:"website,omitempty"`
}

// Demographics is where a customer stands in the population.
type Demographics struct {
	BirthDate    string `json:"birth_date,omitempty" jsonschema:"format=date"`
	Gender       string `json:"gender,omitempty"` // one of Genders
	FamilyStatus string `json:"family_status,omitempty"`
	Education    string `json:"education,omitempty"`
	Occupation   string `json:"occupation,omitempty"` // in words
	JobType      string `json:"job_type,omitempty"`
	IncomeBand   string `json:"income_band,omitempty"`
	Address      string `json:"address,omitempty"`
	PostalCode   string `json:"postal_code,omitempty"`
	City         string `json:"city,omitempty"`
	Region       string `json:"region,omitempty"`
	Country      string `json:"country,omitempty"` // ISO 3166-1, two letters
}

// Psychographics is how a customer lives and thinks.
type Psychographics struct {
	Interests   []string          `json:"interests,omitempty"`
	Lifestyle   []string          `json:"lifestyle,omitempty"`
	Values      []string          `json:"values,omitempty"`
	Preferences map[string]string `json:"preferences,omitempty"` // by name
}

// MarketAttitude is how a customer stands to the brand and to the market, as
// last observed.
type MarketAttitude struct {
	MarketScores
	Method       string    `json:"method,omitempty"`
	ModelVersion string    `json:"model_version,omitempty"`
	ObservedAt   time.Time `json:"observed_at,omitzero"`
	EventID      uuid.UUID `json:"event_id,omitzero"` // what says so
}

// Classification is what type of customer this is.
type Classification struct {
	Type    string    `json:"type,omitempty"`
	Basis   string    `json:"basis,omitempty"`
	At      time.Time `json:"at,omitzero"`
	EventID uuid.UUID `json:"event_id,omitzero"` // what says so
}

// Fold brings the profile up to date with an event.
func (p *Profile) Fold(r Record) {
	switch e := r.Event.(type) {
	case Registered:
		p.Kind, p.Name, p.Source = e.Kind, e.Name, e.Source
		p.Locale, p.Currency, p.TimeZone = e.Locale, e.Currency, e.TimeZone
		p.RegisteredAt = e.RegisteredAt
	case ProfileUpdated:
		p.apply(e.Changes)
	case DemographicsUpdated:
		p.apply(e.Changes)
	case PsychographicsUpdated:
		p.Psychographics.apply(e)
	case MarketAttitudeRecorded:
		if !e.ObservedAt.Before(p.MarketAttitude.ObservedAt) {
			p.MarketAttitude = MarketAttitude{e.Scores, e.Method, e.ModelVersion, e.ObservedAt, r.ID}
		}
	case TagAdded:
		if at, found := p.tag(e.Tag); !found && e.Tag != "" {
			p.Tags = slices.Insert(p.Tags, at, e.Tag)
		}
	case TagRemoved:
		if at, found := p.tag(e.Tag); found {
			p.Tags = slices.Delete(p.Tags, at, at+1)
		}
		if len(p.Tags) == 0 {
			p.Tags = nil
		}
	case AttributeSet:
		value := e.Value
		if e.PersonalValue != "" {
			value = e.PersonalValue
		}
		if value != "" {
			if p.Attributes == nil {
				p.Attributes = map[string]attribute.Value{}
			}
			p.Attributes[e.Key] = attribute.Of(e.Type, value)
		}
	case AttributeCleared:
		if delete(p.Attributes, e.Key); len(p.Attributes) == 0 {
			p.Attributes = nil
		}
	case Classified:
		p.Classification = Classification{e.Type, e.Basis, e.At, r.ID}
	case PersonalDataErased:
		p.forget()
	}
}

// forget leaves of the profile what tells nobody who the customer was.
func (p *Profile) forget() {
	is := p.Classification
	*p = Profile{Kind: p.Kind, Source: Source{Channel: p.Source.Channel}, RegisteredAt: p.RegisteredAt}
	p.Classification = Classification{Type: is.Type, At: is.At, EventID: is.EventID}
}

func (p *Profile) apply(changes []Change) {
	for _, c := range changes {
		if field := p.field(c.Field); field != nil {
			*field = c.Became
		}
	}
}

// field returns the place of a field by its name in events: its path in the profile.
func (p *Profile) field(name string) *string {
	switch name {
	case "name.salutation":
		return &p.Name.Salutation
	case "name.title":
		return &p.Name.Title
	case "name.given":
		return &p.Name.Given
	case "name.middle":
		return &p.Name.Middle
	case "name.family":
		return &p.Name.Family
	case "name.display":
		return &p.Name.Display
	case "name.organisation":
		return &p.Name.Organisation
	case "locale":
		return &p.Locale
	case "currency":
		return &p.Currency
	case "time_zone":
		return &p.TimeZone
	case "organisation.industry":
		return &p.Organisation.Industry
	case "organisation.size":
		return &p.Organisation.Size
	case "organisation.legal_form":
		return &p.Organisation.LegalForm
	case "organisation.registration_number":
		return &p.Organisation.RegistrationNumber
	case "organisation.tax_number":
		return &p.Organisation.TaxNumber
	case "organisation.website":
		return &p.Organisation.Website
	case "demographics.birth_date":
		return &p.Demographics.BirthDate
	case "demographics.gender":
		return &p.Demographics.Gender
	case "demographics.family_status":
		return &p.Demographics.FamilyStatus
	case "demographics.education":
		return &p.Demographics.Education
	case "demographics.occupation":
		return &p.Demographics.Occupation
	case "demographics.job_type":
		return &p.Demographics.JobType
	case "demographics.income_band":
		return &p.Demographics.IncomeBand
	case "demographics.address":
		return &p.Demographics.Address
	case "demographics.postal_code":
		return &p.Demographics.PostalCode
	case "demographics.city":
		return &p.Demographics.City
	case "demographics.region":
		return &p.Demographics.Region
	case "demographics.country":
		return &p.Demographics.Country
	}
	return nil
}

// patch is the fields that a command gives; those that are nil stay as they are.
type patch []struct {
	name string
	to   *string
}

// changes returns what a patch changes, and the names of it.
func (p *Profile) changes(patch patch) (fields []string, changes []Change) {
	for _, f := range patch {
		if f.to == nil {
			continue
		}
		if was := *p.field(f.name); was != *f.to {
			fields = append(fields, f.name)
			changes = append(changes, Change{f.name, was, *f.to})
		}
	}
	return fields, changes
}

// list returns the place of a list by its name in events.
func (x *Psychographics) list(name string) *[]string {
	switch name {
	case "psychographics.interests":
		return &x.Interests
	case "psychographics.lifestyle":
		return &x.Lifestyle
	case "psychographics.values":
		return &x.Values
	}
	return nil
}

func (x *Psychographics) apply(e PsychographicsUpdated) {
	for _, c := range e.Lists {
		if list := x.list(c.Field); list != nil {
			*list = slices.Clone(c.Became)
		}
	}
	if len(e.Preferences) == 0 {
		return
	}
	next := maps.Clone(x.Preferences)
	if next == nil {
		next = map[string]string{}
	}
	for _, c := range e.Preferences {
		if next[c.Field] = c.Became; c.Became == "" {
			delete(next, c.Field)
		}
	}
	if len(next) == 0 {
		next = nil
	}
	x.Preferences = next
}

// tag returns where a tag stands, or would stand, among the customer's.
func (p *Profile) tag(tag string) (int, bool) {
	return slices.BinarySearchFunc(p.Tags, TagKey(tag), func(have, key string) int { return strings.Compare(TagKey(have), key) })
}

// HasTag says whether the customer carries a tag, whatever its case.
func (p *Profile) HasTag(tag string) bool {
	_, found := p.tag(tag)
	return found
}

// checkLocale notes what is wrong with a BCP 47 tag.
func checkLocale(p *domain.Problems, pointer, tag string) {
	if len(tag) > 35 {
		p.Add(pointer, "must have at most 35 characters")
		return
	}
	if _, err := language.Parse(tag); err != nil {
		p.Add(pointer, "is not a language tag of BCP 47 such as en-GB")
	}
}

// checkZone notes what is wrong with the name of a time zone.
func checkZone(p *domain.Problems, pointer, zone string, of domain.Subject) {
	if len(zone) > maxShort || of.KnowsZone != nil && !of.KnowsZone(zone) {
		p.Add(pointer, "is not a time zone such as Europe/Berlin")
	}
}

// checkProfile notes what is wrong with the preferences of a customer that are set.
func checkProfile(p *domain.Problems, locale, currency, zone string, of domain.Subject) {
	if locale != "" {
		checkLocale(p, "/locale", locale)
	}
	if currency != "" {
		p.Currency("/currency", currency)
	}
	if zone != "" {
		checkZone(p, "/time_zone", zone, of)
	}
}

func checkName(p *domain.Problems, n Name) {
	p.Text("/name/salutation", n.Salutation, maxShort)
	p.Text("/name/title", n.Title, maxShort)
	p.Text("/name/given", n.Given, maxName)
	p.Text("/name/middle", n.Middle, maxName)
	p.Text("/name/family", n.Family, maxName)
	p.Text("/name/display", n.Display, maxName)
	p.Text("/name/organisation", n.Organisation, maxName)
}

// decidedAt is when a fact of the profile holds from: now, but not before the
// customer is known.
func (s State) decidedAt(of domain.Subject) time.Time {
	return of.At(nil, "", nil, s.Since, "the customer")
}

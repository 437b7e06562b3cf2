package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// What demographic facts can be.
var (
	Genders        = []string{"female", "male", "non_binary", "other", "undisclosed"}
	FamilyStatuses = []string{"single", "partnered", "married", "separated", "divorced", "widowed", "undisclosed"}
	Educations     = []string{"none", "primary", "secondary", "vocational", "bachelor", "master", "doctorate", "undisclosed"}
	JobTypes       = []string{"full_time", "part_time", "self_employed", "civil_servant", "apprentice", "student", "homemaker", "unemployed", "retired", "other", "undisclosed"}
	IncomeBands    = []string{"low", "lower_middle", "middle", "upper_middle", "high", "undisclosed"}
)

// DemographicsPatch is demographic facts to change: an absent one stays as it
// is, an empty one is cleared.
type DemographicsPatch struct {
	BirthDate    *string `json:"birth_date,omitempty"` // 1984-02-29
	Gender       *string `json:"gender,omitempty" jsonschema:"enum=,enum=female,enum=male,enum=non_binary,enum=other,enum=undisclosed"`
	FamilyStatus *string `json:"family_status,omitempty" jsonschema:"enum=,enum=single,enum=partnered,enum=married,enum=separated,enum=divorced,enum=widowed,enum=undisclosed"`
	Education    *string `json:"education,omitempty" jsonschema:"enum=,enum=none,enum=primary,enum=secondary,enum=vocational,enum=bachelor,enum=master,enum=doctorate,enum=undisclosed"`
	Occupation   *string `json:"occupation,omitempty"`
	JobType      *string `json:"job_type,omitempty" jsonschema:"enum=,enum=full_time,enum=part_time,enum=self_employed,enum=civil_servant,enum=apprentice,enum=student,enum=homemaker,enum=unemployed,enum=retired,enum=other,enum=undisclosed"`
	IncomeBand   *string `json:"income_band,omitempty" jsonschema:"enum=,enum=low,enum=lower_middle,enum=middle,enum=upper_middle,enum=high,enum=undisclosed"`
	Address      *string `json:"address,omitempty"`
	PostalCode   *string `json:"postal_code,omitempty"`
	City         *string `json:"city,omitempty"`
	Region       *string `json:"region,omitempty"`
	Country      *string `json:"country,omitempty"` // ISO 3166-1, two letters
}

// UpdateDemographics changes demographic facts.
type UpdateDemographics struct {
	domain.Subject `json:"-"`
	DemographicsPatch
}

// Stream implements domain.Command.
func (c UpdateDemographics) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (UpdateDemographics) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c UpdateDemographics) Decide(s State) ([]Event, error) {
	at := s.decidedAt(c.Subject)
	var p domain.Problems
	c.DemographicsPatch.check(&p, "", c.lastBirth(at))
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	c.checkKind(&p, "", s.Kind)
	if err := p.Err(); err != nil {
		return nil, err
	}
	fields, changes := s.changes(c.patch())
	if len(fields) == 0 {
		return nil, nil
	}
	return []Event{DemographicsUpdated{fields, changes, at}}, nil
}

// lastBirth is the last date on which a customer of an instant can be born.
func (c UpdateDemographics) lastBirth(at time.Time) domain.Date { return lastBirth(c.Subject, at) }

func lastBirth(of domain.Subject, at time.Time) domain.Date {
	return max(of.DateOf(at), of.Today())
}

func (d DemographicsPatch) patch() patch {
	return patch{
		{"demographics.birth_date", d.BirthDate}, {"demographics.gender", d.Gender}, {"demographics.family_status", d.FamilyStatus},
		{"demographics.education", d.Education}, {"demographics.occupation", d.Occupation}, {"demographics.job_type", d.JobType},
		{"demographics.income_band", d.IncomeBand}, {"demographics.address", d.Address}, {"demographics.postal_code", d.PostalCode},
		{"demographics.city", d.City}, {"demographics.region", d.Region}, {"demographics.country", d.Country},
	}
}

// firstBirth is the earliest date on which a customer can be born.
var firstBirth = domain.NewDate(1850, 1, 1)

func (d DemographicsPatch) check(p *domain.Problems, pointer string, last domain.Date) {
	if text := text(d.BirthDate); text != "" {
		switch born, err := domain.ParseDate(text); {
		case err != nil:
			p.Add(pointer+"/birth_date", "must be a date such as 1984-02-29")
		case born > last:
			p.Add(pointer+"/birth_date", "lies in the future: business time is %s", last)
		case born < firstBirth:
			p.Add(pointer+"/birth_date", "must not be before %s", firstBirth)
		}
	}
	p.OneOf(pointer+"/gender", text(d.Gender), Genders...)
	p.OneOf(pointer+"/family_status", text(d.FamilyStatus), FamilyStatuses...)
	p.OneOf(pointer+"/education", text(d.Education), Educations...)
	p.Text(pointer+"/occupation", text(d.Occupation), maxShort)
	p.OneOf(pointer+"/job_type", text(d.JobType), JobTypes...)
	p.OneOf(pointer+"/income_band", text(d.IncomeBand), IncomeBands...)
	p.Text(pointer+"/address", text(d.Address), maxAddressLine)
	p.Text(pointer+"/postal_code", text(d.PostalCode), maxPostalCode)
	p.Text(pointer+"/city", text(d.City), maxShort)
	p.Text(pointer+"/region", text(d.Region), maxShort)
	if code := text(d.Country); code != "" {
		p.Country(pointer+"/country", code)
	}
}

// checkKind notes what an organisation cannot have.
func (d DemographicsPatch) checkKind(p *domain.Problems, pointer, kind string) {
	if kind != Organisation {
		return
	}
	for _, f := range []struct {
		name string
		to   *string
	}{
		{"birth_date", d.BirthDate}, {"gender", d.Gender}, {"family_status", d.FamilyStatus}, {"education", d.Education},
		{"occupation", d.Occupation}, {"job_type", d.JobType}, {"income_band", d.IncomeBand},
	} {
		if text(f.to) != "" {
			p.Add(pointer+"/"+f.name, "is of persons only; this is an organisation")
		}
	}
}

const (
	maxAddressLine = 500
	maxPostalCode  = 20
)

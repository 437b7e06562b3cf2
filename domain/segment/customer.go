package segment

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
)

// Customer is the typed customer document: everything that a rule can speak of.
// Rules know its members by the names in the tags. A date that is not known is
// nil, a text that is not known is empty.
type Customer struct {
	ID             uuid.UUID                  `cel:"-"`
	Kind           string                     `cel:"kind"`       // person or organisation
	Registered     *domain.Date               `cel:"registered"` // the business date
	Locale         string                     `cel:"locale"`     // BCP 47
	Currency       string                     `cel:"currency"`   // ISO 4217
	TimeZone       string                     `cel:"time_zone"`  // IANA
	Source         Source                     `cel:"source"`
	Organisation   Organisation               `cel:"organisation"`
	Demographics   Demographics               `cel:"demographics"`
	Psychographics Psychographics             `cel:"psychographics"`
	Attitude       Attitude                   `cel:"attitude"`
	Classification string                     `cel:"classification"`
	Tags           []string                   `cel:"tags"`
	Attributes     map[string]attribute.Value `cel:"attributes"` // by the keys of the schema, each of its type
	ContactPoints  []ContactPoint             `cel:"contact_points"`
	Suppressed     bool                       `cel:"suppressed"` // must not be contacted at all
	Stage          Stage                      `cel:"stage"`
	Owner          Owner                      `cel:"owner"`
	Loyalty        Loyalty                    `cel:"loyalty"`
	RFM            RFM                        `cel:"rfm"`
	Value          Value                      `cel:"value"`
	Orders         []Order                    `cel:"orders"` // by date; those of one day as they were recorded
	Events         []Happening                `cel:"-"`      // as they were recorded; asked by events("wire.name")

	// Reaches says whether the customer reaches a percentile (1 to 99) of a measure in
	// the calibration that stands; false where there is none. Asked by
	// percentile("measure") >= percent.
	Reaches func(measure string, percent int) bool `cel:"-"`
	// Ranked says whether a measure of the customer is known and calibrated: only then
	// is it below a percentile. nil: every measure is.
	Ranked func(measure string) bool `cel:"-"`
	// Consented says whether the last that was said of a purpose and a channel is a
	// consent, and up to and without which business date; nil: until it is withdrawn.
	// Asked by consent("purpose", "channel").
	Consented func(purpose, channel string) (given bool, until *domain.Date) `cel:"-"`
	// Cluster is the number of the customer's cluster in a clustering, 0 for none.
	// Asked by cluster("id").
	Cluster func(id string) int `cel:"-"`
	// Member says whether the customer is in another segment. Asked by
	// in_segment("id"); those are decided first.
	Member func(id string) bool `cel:"-"`
}

// Source says where a customer came from.
type Source struct {
	Channel    string `cel:"channel"`
	Detail     string `cel:"detail"`
	CampaignID string `cel:"campaign_id"`
}

// Organisation is what is known of an organisation, or of the business of a person.
type Organisation struct {
	Industry  string `cel:"industry"`
	Size      string `cel:"size"`
	LegalForm string `cel:"legal_form"`
}

// Demographics is where a customer stands in the population.
type Demographics struct {
	BirthDate    *domain.Date `cel:"birth_date"`
	Gender       string       `cel:"gender"`
	FamilyStatus string       `cel:"family_status"`
	Education    string       `cel:"education"`
	Occupation   string       `cel:"occupation"`
	JobType      string       `cel:"job_type"`
	IncomeBand   string       `cel:"income_band"`
	PostalCode   string       `cel:"postal_code"`
	City         string       `cel:"city"`
	Region       string       `cel:"region"`
	Country      string       `cel:"country"` // ISO 3166-1, two letters
}

// Psychographics is how a customer lives and thinks.
type Psychographics struct {
	Interests   []string          `cel:"interests"`
	Lifestyle   []string          `cel:"lifestyle"`
	Values      []string          `cel:"values"`
	Preferences map[string]string `cel:"preferences"`
}

// Attitude is how a customer stands to the brand and to the market, 0 to 100 each;
// -1 where it was not observed.
type Attitude struct {
	Observed            *domain.Date `cel:"observed"`
	OwnBrandAttention   int64        `cel:"own_brand_attention"`
	CompetitorAttention int64        `cel:"competitor_attention"`
	PriceSensitivity    int64        `cel:"price_sensitivity"`
	QualityTolerance    int64        `cel:"quality_tolerance"`
	NeedSatisfaction    int64        `cel:"need_satisfaction"`
	Dependency          int64        `cel:"dependency"`
}

// ContactPoint is where a customer is reached.
type ContactPoint struct {
	Type     string `cel:"type"`
	Label    string `cel:"label"`
	Verified bool   `cel:"verified"`
	Primary  bool   `cel:"primary"`
	Invalid  bool   `cel:"invalid"`
}

// Stage is where the customer is in the lifecycle.
type Stage struct {
	Name   string       `cel:"name"`
	Since  *domain.Date `cel:"since"`
	Reason string       `cel:"reason"`
}

// Owner is who looks after the customer.
type Owner struct {
	ID         string       `cel:"id"` // an employee; empty: the customer is in the pool
	Role       string       `cel:"role"`
	Since      *domain.Date `cel:"since"`
	KeyAccount string       `cel:"key_account"` // the level; empty: the customer is none
}

// Loyalty is what the customer has in the loyalty programme, as it is booked.
type Loyalty struct {
	Member       bool         `cel:"member"`
	Joined       *domain.Date `cel:"joined"`
	Tier         string       `cel:"tier"`
	TierSince    *domain.Date `cel:"tier_since"`
	Spendable    int64        `cel:"spendable"`
	Pending      int64        `cel:"pending"`
	Held         int64        `cel:"held"`
	Earned       int64        `cel:"earned"` // ever
	LastActivity *domain.Date `cel:"last_activity"`
}

// RFM is how the customer is scored by the calibration that stands.
type RFM struct {
	Scored        bool   `cel:"scored"`
	R             int64  `cel:"r"`
	F             int64  `cel:"f"`
	M             int64  `cel:"m"`
	Score         int64  `cel:"score"` // 100 r + 10 f + m
	Label         string `cel:"label"`
	Frequency     int64  `cel:"frequency"`
	MonetaryMinor int64  `cel:"monetary"` // minor units
}

// Value is what the customer is worth by the calibration that stands.
type Value struct {
	Band              string `cel:"band"` // top, middle, base, negative or unknown
	Known             bool   `cel:"known"`
	ContributionMinor int64  `cel:"contribution"` // minor units; 0 where it is not known
}

// Order is one order.
type Order struct {
	ID         string      `cel:"id"`
	EventID    uuid.UUID   `cel:"-"`
	On         domain.Date `cel:"on"` // the business date
	Currency   string      `cel:"currency"`
	Amount     int64       `cel:"amount"`   // minor units of its currency
	Refunded   int64       `cel:"refunded"` // likewise
	Net        int64       `cel:"net"`      // amount less refunded; 0 when it was cancelled
	Paid       bool        `cel:"paid"`
	Cancelled  bool        `cel:"cancelled"`
	Channel    string      `cel:"channel"`
	Store      string      `cel:"store"`
	SKUs       []string    `cel:"skus"`
	Categories []string    `cel:"categories"`
	Quantity   int64       `cel:"quantity"`
	Position   uint64      `cel:"-"` // where it stands in the log, 0 where that is not known
}

// Happening is one event of the customer: when it happened, and what it says that is
// neither personal nor nested.
type Happening struct {
	Type   string         `cel:"type"` // the wire name, such as customer.tag_added
	ID     uuid.UUID      `cel:"-"`
	On     domain.Date    `cel:"on"`
	Fields map[string]any `cel:"fields"` // string, int64, float64 or bool, by name

	Position uint64 `cel:"-"` // where it stands in the log, 0 where that is not known
}

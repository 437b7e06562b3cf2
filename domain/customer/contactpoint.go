package customer

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/world"
)

// Types of contact points.
const (
	TypeEmail     = "email"
	TypePhone     = "phone"
	TypePost      = "post"
	TypeFax       = "fax"
	TypeWeChat    = "wechat"
	TypeWhatsApp  = "whatsapp"
	TypeMessenger = "messenger"
	TypeTelegram  = "telegram"
	TypeLine      = "line"
	TypeOther     = "other"
)

// ContactTypes is every type of contact point.
var ContactTypes = []string{
	TypeEmail, TypePhone, TypePost, TypeFax, TypeWeChat, TypeWhatsApp, TypeMessenger, TypeTelegram, TypeLine, TypeOther,
}

// Identifies says whether a name of a kind is one person's, as far as one can
// tell: an objection to contact stays with it. Neighbours share an address, and the
// code of a coupon goes from hand to hand.
func Identifies(kind string) bool {
	return kind != TypePost && kind != TypeOther && kind != reservation.KindCouponCode
}

// channelsOf returns the channels that a type of contact point serves.
func channelsOf(kind string) []string {
	if kind == TypePhone {
		return []string{"phone", "sms"}
	}
	return []string{kind}
}

// PostalAddress is where letters go.
type PostalAddress struct {
	Recipient  string `json:"recipient,omitempty"`
	Street     string `json:"street"` // and number, or the post office box
	Extra      string `json:"extra,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	City       string `json:"city,omitempty"`
	Region     string `json:"region,omitempty"` // state, province, county
	Country    string `json:"country"`          // ISO 3166-1, two letters
}

func (a PostalAddress) check(p *domain.Problems, pointer string) {
	p.Required(pointer+"/street", a.Street, maxName)
	p.Text(pointer+"/recipient", a.Recipient, maxName)
	p.Text(pointer+"/extra", a.Extra, maxName)
	p.Text(pointer+"/postal_code", a.PostalCode, 20)
	p.Text(pointer+"/city", a.City, maxName)
	p.Text(pointer+"/region", a.Region, maxName)
	checkCountry(p, pointer+"/country", a.Country)
}

// place is the address without the recipient, in a form that can be compared.
func (a PostalAddress) place() string {
	parts := []string{a.Street, a.Extra, a.PostalCode, a.City, a.Region, a.Country}
	for i, part := range parts {
		parts[i] = strings.Join(strings.Fields(cases.Fold().String(norm.NFKC.String(part))), " ")
	}
	return strings.Join(parts, "\n")
}

func checkCountry(p *domain.Problems, pointer, code string) {
	if region, err := language.ParseRegion(code); len(code) != 2 || err != nil || !region.IsCountry() || region.String() != code {
		p.Add(pointer, "must be a country of ISO 3166-1 in two capital letters, such as DE")
	}
}

// NewContactPoint is a contact point as a request names it.
type NewContactPoint struct {
	// ContactPointID is chosen by the caller; else it follows from type and value.
	ContactPointID string         `json:"contact_point_id,omitempty" jsonschema:"maxLength=64"`
	Type           string         `json:"type" jsonschema:"enum=email,enum=phone,enum=post,enum=fax,enum=wechat,enum=whatsapp,enum=messenger,enum=telegram,enum=line,enum=other"`
	Value          string         `json:"value,omitempty"`   // all types but post
	Address        *PostalAddress `json:"address,omitempty"` // type post
	Region         string         `json:"region,omitempty"`  // country of a number without one: ISO 3166-1, two letters
	Label          string         `json:"label,omitempty"`   // such as private or work
	Primary        bool           `json:"primary,omitempty"`
	Verification   *Verification  `json:"verification,omitempty"`
}

// Verification says how it is known that a customer is reached somewhere.
type Verification struct {
	Method     string     `json:"method,omitempty" jsonschema:"enum=code,enum=link,enum=call,enum=document,enum=in_person,enum=other"`
	Evidence   string     `json:"evidence,omitempty"`
	VerifiedAt *time.Time `json:"verified_at,omitempty"` // now if absent
}

// Ways to verify a contact point.
var verificationMethods = []string{"code", "link", "call", "document", "in_person", "other"}

func (v Verification) check(p *domain.Problems, pointer string) {
	p.OneOf(pointer+"/method", v.Method, verificationMethods...)
	p.Text(pointer+"/evidence", v.Evidence, maxText)
	if v.Method == "" && strings.TrimSpace(v.Evidence) == "" {
		p.Add(pointer+"/evidence", "is required where there is no method")
	}
}

// NormalizeContact returns the form in which a value of a type of contact point
// is compared, and what is wrong with it, "" if nothing is. Region is the
// country of a number that names none; it may be empty.
func NormalizeContact(kind, value, region string) (normalized, problem string) {
	ok := true
	switch kind {
	case TypeEmail:
		if normalized, ok = NormalizeEmail(value); !ok {
			return "", "is not an e-mail address such as ada@example.com"
		}
	case TypePhone, TypeFax, TypeWhatsApp:
		if normalized, ok = NormalizePhone(value, region); !ok && region == "" {
			return "", "is not a phone number with its country code, such as +49 30 901820; a national one needs a region"
		} else if !ok {
			return "", "is not a phone number of the region"
		}
	case TypeOther:
		normalized = norm.NFC.String(strings.TrimSpace(value))
	default:
		normalized = handle(kind, value)
		if strings.ContainsFunc(normalized, unicode.IsSpace) {
			return "", "must not contain spaces"
		}
		if handle(kind, normalized) != normalized {
			return "", "has letters that cannot be compared"
		}
	}
	if normalized == "" {
		return "", "is required"
	}
	return normalized, ""
}

// handle is how the name of an account is compared: without case, and without
// the sign that some write before it.
func handle(kind, name string) string {
	name = strings.TrimSpace(norm.NFKC.String(strings.ToLower(norm.NFKC.String(name))))
	if kind == TypeTelegram {
		name = strings.TrimLeft(name, "@")
	}
	return name
}

// ContactName returns the name under which a normalised value of a type is
// reserved and looked up.
func ContactName(kind, normalized string) reservation.Name {
	return reservation.Name{Kind: kind, Value: normalized, Shared: kind != TypeEmail && kind != TypePhone}
}

// field is where the contact point says what it is.
func (c NewContactPoint) field() string {
	if c.Type == TypePost {
		return "/address"
	}
	return "/value"
}

// check notes what is wrong with the contact point and returns the form in which
// it is compared.
func (c NewContactPoint) check(p *domain.Problems, pointer string) (normalized string) {
	if len(c.ContactPointID) > 64 || strings.Trim(c.ContactPointID, systemLetters) != "" {
		p.Add(pointer+"/contact_point_id", "must have at most 64 letters, digits, dots, dashes or underscores")
	}
	p.Text(pointer+"/label", c.Label, maxShort)
	if c.Verification != nil {
		c.Verification.check(p, pointer+"/verification")
	}
	if !slices.Contains(ContactTypes, c.Type) {
		p.Add(pointer+"/type", "must be one of %s", strings.Join(ContactTypes, ", "))
		return ""
	}
	if c.Type == TypePost {
		return c.checkPost(p, pointer)
	}
	if c.Address != nil {
		p.Add(pointer+"/address", "is for contact points of the type post only")
	}
	numbered := c.Type == TypePhone || c.Type == TypeFax || c.Type == TypeWhatsApp
	switch {
	case c.Region == "":
	case !numbered:
		p.Add(pointer+"/region", "is for numbers only")
	default:
		checkCountry(p, pointer+"/region", c.Region)
	}
	if c.Value == "" {
		p.Add(pointer+"/value", "is required")
		return ""
	}
	var before domain.Problems
	before.Text(pointer+"/value", c.Value, maxContact)
	if before.Err() != nil {
		p.Text(pointer+"/value", c.Value, maxContact)
		return ""
	}
	normalized, problem := NormalizeContact(c.Type, c.Value, c.Region)
	if problem != "" {
		p.Add(pointer+"/value", "%s", problem)
	}
	return normalized
}

func (c NewContactPoint) checkPost(p *domain.Problems, pointer string) string {
	if c.Value != "" {
		p.Add(pointer+"/value", "is not for contact points of the type post: they have an address")
	}
	if c.Region != "" {
		p.Add(pointer+"/region", "is for numbers only")
	}
	if c.Address == nil {
		p.Add(pointer+"/address", "is required")
		return ""
	}
	c.Address.check(p, pointer+"/address")
	return c.Address.place()
}

// name returns the name under which the contact point is looked up, and reserved
// unless the policy lets several customers have it.
func (c NewContactPoint) name(k world.Known, on domain.Date) reservation.Name {
	normalized := ""
	if c.Type == TypePost && c.Address != nil {
		normalized = c.Address.place()
	} else if len(c.Value) <= 4*maxContact {
		normalized, _ = NormalizeContact(c.Type, c.Value, c.Region)
	}
	n := ContactName(c.Type, normalized)
	if p, ok := contactPolicy(k, on); ok && p.Shares(c.Type) {
		n.Shared = true
	}
	return n
}

// contactPolicy returns the policy of contacts on a date.
func contactPolicy(k world.Known, on domain.Date) (contact.Policy, bool) {
	if published, ok := k.Policy(policy.KindContact, on); ok && published.Contact != nil {
		return *published.Contact, true
	}
	return contact.Policy{}, false
}

// added returns the events that make the contact point one of the customer's.
func (c NewContactPoint) added(p *domain.Problems, pointer, normalized string, claim reservation.Claim, of domain.Subject, at time.Time) []Event {
	e := ContactPointAdded{
		ContactPointID: c.ContactPointID, Type: c.Type, Value: strings.TrimSpace(c.Value), Address: c.Address, Label: c.Label,
		Lookup: claim.Lookup, Claim: claim.ID, Objected: claim.Objected, AddedAt: at,
	}
	if e.ContactPointID == "" {
		e.ContactPointID = uuid.NewSHA1(of.Customer, fmt.Appendf(nil, "contact point %s %s", c.Type, claim.Lookup)).String()
	}
	if c.Type != TypePost && normalized != e.Value {
		e.Normalized = normalized
	}
	events := []Event{e}
	if v := c.Verification; v != nil {
		at = of.At(p, pointer+"/verification/verified_at", v.VerifiedAt, at, "the contact point was added")
		events = append(events, ContactPointVerified{
			ContactPointID: e.ContactPointID, Type: c.Type, Method: v.Method, Evidence: v.Evidence, VerifiedAt: at,
		})
	}
	return events
}

// maxContact bounds the value of a contact point, in characters.
const maxContact = 320

// Why a contact point is refused.
var (
	ErrEmailTaken             = reservation.ErrTaken(reservation.KindEmail)
	ErrPhoneTaken             = reservation.ErrTaken(reservation.KindPhone)
	ErrContactPointNotFound   = &domain.Error{Kind: domain.NotFound, Code: "contact_point_not_found"}
	ErrContactPointExists     = &domain.Error{Kind: domain.Conflict, Code: "contact_point_exists"}
	ErrContactPointUnverified = &domain.Error{Kind: domain.Conflict, Code: "contact_point_not_verified"}
	ErrContactPointInvalid    = &domain.Error{Kind: domain.Conflict, Code: "contact_point_invalid"}
	ErrContactPointNeeded     = &domain.Error{Kind: domain.Conflict, Code: "contact_point_needed"}
	ErrTooManyContactPoints   = &domain.Error{Kind: domain.Conflict, Code: "too_many_contact_points"}
)

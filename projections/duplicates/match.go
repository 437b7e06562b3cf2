package duplicates

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Feature is one kind of thing that two customers may have in common.
type Feature string

// The features.
const (
	Email        Feature = "email"            // one address
	EmailFolded  Feature = "email_folded"     // one address but for what mail providers pass over
	Phone        Feature = "phone"            // one number, WhatsApp numbers included
	Account      Feature = "account"          // one account of a messenger, or one fax number
	NameAndBirth Feature = "name_birth_date"  // one name and one date of birth
	Company      Feature = "organisation"     // two organisations of one name
	NameAndPlace Feature = "name_postal_code" // one name and one postal code
)

// Points is what each feature counts. Those of a pair are added, up to Most.
var Points = map[Feature]int{
	Email: 100, Phone: 90, Account: 90, NameAndBirth: 80, EmailFolded: 70, Company: 60, NameAndPlace: 50,
}

// Most is the highest score.
const Most = 100

// trait is something of a customer that others may share. Its letter puts the
// index in order: what counts most comes first.
type trait struct {
	letter  byte
	feature Feature
	value   string // as it is compared
	exact   string // of an e-mail address: as it is
	from    []uuid.UUID
}

const (
	letterEmail   = 'a'
	letterPhone   = 'b'
	letterAccount = 'c'
	letterBirth   = 'd'
	letterCompany = 'e'
	letterPlace   = 'f'
)

// key is where the trait stands in IndexMatch: its letter and a hash of its value.
func (t trait) key() string {
	sum := sha256.Sum256([]byte(t.value))
	return string(t.letter) + hex.EncodeToString(sum[:16])
}

// Traits are what others may share with a customer.
type Traits []trait

// Keys returns the keys of IndexMatch, ascending, each once.
func (ts Traits) Keys() []string {
	keys := make([]string, len(ts))
	for i, t := range ts {
		keys[i] = t.key()
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Of returns the feature that a key is about and the value that stands there.
func (ts Traits) Of(key string) (Feature, string) {
	for _, t := range ts {
		if t.key() == key {
			return t.feature, t.value
		}
	}
	return "", ""
}

// Traits returns what others may share with the customer. Compute it once for
// many comparisons.
func (d *Document) Traits() Traits {
	var list Traits
	for _, p := range d.Points {
		from := []uuid.UUID{p.From}
		switch p.Type {
		case customer.TypeEmail:
			if p.Value != "" {
				list = append(list, trait{letterEmail, EmailFolded, FoldEmail(p.Value), p.Value, from})
			}
		case customer.TypePhone, customer.TypeWhatsApp:
			if p.Value != "" {
				list = append(list, trait{letterPhone, Phone, p.Value, "", from})
			}
		case customer.TypePost, customer.TypeOther:
		default:
			if p.Value != "" {
				list = append(list, trait{letterAccount, Account, p.Type + ":" + p.Value, "", from})
			}
		}
	}
	name, from := d.nameKey()
	if name != "" && d.Company {
		list = append(list, trait{letterCompany, Company, name, "", from})
	}
	if name != "" && d.Birth.Value != "" && !d.Company {
		list = append(list, trait{letterBirth, NameAndBirth, d.Birth.Value + " " + name, "", sources(from, d.Birth.From)})
	}
	at := func(code, country string, events ...uuid.UUID) {
		if code = strings.Join(words(code), ""); name != "" && code != "" {
			list = append(list, trait{letterPlace, NameAndPlace, country + " " + code + " " + name, "", sources(from, events...)})
		}
	}
	at(d.Postal.Value, d.Country.Value, d.Postal.From, d.Country.From)
	for _, p := range d.Points {
		at(p.Postal, p.Country, p.From)
	}
	slices.SortStableFunc(list, func(a, b trait) int {
		return cmp.Or(cmp.Compare(a.letter, b.letter), cmp.Compare(a.value, b.value), cmp.Compare(a.exact, b.exact))
	})
	return list
}

// sources returns events and more of them, each once.
func sources(events []uuid.UUID, more ...uuid.UUID) []uuid.UUID {
	return union(slices.Clone(events), slices.DeleteFunc(more, func(id uuid.UUID) bool { return id == uuid.Nil })...)
}

// nameKey returns the name in a form in which it can be compared, "" if it says
// too little, and the events it comes from.
func (d *Document) nameKey() (key string, from []uuid.UUID) {
	switch {
	case d.Company && d.Firm.Value != "":
		return CompanyKey(d.Firm.Value), sources(nil, d.Firm.From)
	case d.Company:
		return CompanyKey(d.Display.Value), sources(nil, d.Display.From)
	case d.Given.Value != "" && d.Family.Value != "":
		return PersonKey(d.Given.Value + " " + d.Family.Value), sources(nil, d.Given.From, d.Family.From)
	}
	return PersonKey(d.Display.Value), sources(nil, d.Display.From)
}

// foldedDomains are mail providers for whom dots in a local part mean nothing, each
// with the name it is compared under.
var foldedDomains = map[string]string{"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}

// FoldEmail returns a normalised e-mail address without what providers pass over:
// a tag behind a plus sign, and for some of them dots.
func FoldEmail(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return address
	}
	local, domain := address[:at], address[at+1:]
	if plain, _, _ := strings.Cut(local, "+"); plain != "" {
		local = plain
	}
	if folded, ok := foldedDomains[domain]; ok {
		domain = folded
		if plain := strings.ReplaceAll(local, ".", ""); plain != "" {
			local = plain
		}
	}
	return local + "@" + domain
}

// PersonKey returns the name of a person without case, accents, punctuation and
// order, "" if it is not at least two words: given and family name. A name in
// Chinese characters needs two of them, however they are spaced.
func PersonKey(name string) string {
	list := words(profile.NameKey(name))
	if joined := strings.Join(list, ""); joined != "" && strings.IndexFunc(joined, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) < 0 {
		list = strings.Split(joined, "")
	}
	if len(list) < 2 {
		return ""
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// legalForms are left out of the name of an organisation, where anything else is left.
var legalForms = []string{
	"ab", "ag", "aps", "as", "bv", "co", "company", "corp", "corporation", "eg", "ek", "ev", "gmbh", "inc", "incorporated", "kg", "kk",
	"limited", "llc", "llp", "ltd", "mbh", "nv", "ohg", "oy", "plc", "pte", "pty", "sa", "sarl", "sas", "se", "sl", "spa", "srl", "ug",
}

// CompanyKey returns the name of an organisation without case, accents,
// punctuation and legal form.
func CompanyKey(name string) string {
	all := words(strings.ReplaceAll(profile.NameKey(name), ".", "")) // S.A. is SA
	if kept := slices.DeleteFunc(slices.Clone(all), func(w string) bool { return slices.Contains(legalForms, w) }); len(kept) > 0 {
		all = kept
	}
	return strings.Join(all, " ")
}

// words returns what letters and digits of a text stand together, in lower case.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// Evidence is one feature that two customers share, and where it comes from.
type Evidence struct {
	Feature Feature  `json:"feature"`
	Points  int      `json:"points"`
	Values  []string `json:"values"` // what is shared, as it is compared
	// The events that say so, in the history of each.
	A []uuid.UUID `json:"a_events"`
	B []uuid.UUID `json:"b_events"`
}

// Compare says what two customers share and how much that counts together, at
// most Most. The evidence comes in the order of the features, what counts most
// first. The order of the two makes no difference but for the names A and B.
func Compare(a, b Traits) (score int, evidence []Evidence) {
	for _, x := range a {
		for _, y := range b {
			if x.letter != y.letter || x.value != y.value {
				continue
			}
			feature, value := x.feature, x.value
			if x.exact != "" && x.exact == y.exact {
				feature, value = Email, x.exact
			}
			evidence = note(evidence, feature, value, x.from, y.from)
		}
	}
	// One address is one also when it is folded.
	if i := slices.IndexFunc(evidence, func(e Evidence) bool { return e.Feature == Email }); i >= 0 {
		evidence = slices.DeleteFunc(evidence, func(e Evidence) bool { return e.Feature == EmailFolded })
	}
	slices.SortFunc(evidence, func(x, y Evidence) int {
		return cmp.Or(y.Points-x.Points, cmp.Compare(x.Feature, y.Feature))
	})
	for _, e := range evidence {
		score += e.Points
	}
	return min(score, Most), evidence
}

// note adds what is shared to the evidence of a feature.
func note(evidence []Evidence, feature Feature, value string, a, b []uuid.UUID) []Evidence {
	i := slices.IndexFunc(evidence, func(e Evidence) bool { return e.Feature == feature })
	if i < 0 {
		i = len(evidence)
		evidence = append(evidence, Evidence{Feature: feature, Points: Points[feature]})
	}
	e := &evidence[i]
	e.Values, e.A, e.B = union(e.Values, value), union(e.A, a...), union(e.B, b...)
	return evidence
}

func union[T comparable](list []T, more ...T) []T {
	for _, x := range more {
		if !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

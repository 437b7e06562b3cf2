package customer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// domains maps the domain of an e-mail address to its form in the DNS.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// NormalizeEmail returns the form in which an e-mail address is compared: in
// lower case, the domain as it stands in the DNS. It refuses what is no address
// of the form local@domain, a quoted local part and an address without a
// top-level domain among them. A normalised address normalises to itself.
func NormalizeEmail(address string) (string, bool) {
	address = strings.TrimSpace(address)
	once, ok := normalizeEmail(address)
	if !ok || once == address {
		return once, ok
	}
	twice, ok := normalizeEmail(once)
	return once, ok && once == twice
}

func normalizeEmail(address string) (string, bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || len(address) > 4*maxContact || !utf8.ValidString(address) {
		return "", false
	}
	local := strings.ToLower(norm.NFC.String(address[:at]))
	if len(local) > 64 || !dotAtom(local) {
		return "", false
	}
	domain, err := domains.ToASCII(address[at+1:])
	if err != nil || len(local)+1+len(domain) > 254 {
		return "", false
	}
	dot := strings.LastIndexByte(domain, '.')
	if dot < 1 || dot == len(domain)-1 || strings.Trim(domain[dot+1:], "0123456789") == "" {
		return "", false
	}
	return local + "@" + domain, true
}

// dotAtom says whether a local part is one that needs no quotes (RFC 5322, and RFC
// 6531 for letters beyond ASCII).
func dotAtom(local string) bool {
	for part := range strings.SplitSeq(local, ".") {
		if part == "" {
			return false
		}
		for _, r := range part {
			switch {
			case 'a' <= r && r <= 'z', '0' <= r && r <= '9', strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r):
			case r < utf8.RuneSelf, unicode.IsControl(r), unicode.IsSpace(r), !unicode.IsGraphic(r):
				return false
			}
		}
	}
	return true
}

// NormalizePhone returns a phone number in the form of E.164, with the extension,
// if it has one, behind ;ext=. Region is the country of a national number, empty
// if there is none. It refuses a number that its country does not have.
// A normalised number normalises to itself.
func NormalizePhone(number, region string) (string, bool) {
	number = strings.TrimSpace(number)
	once, ok := normalizePhone(number, region)
	if !ok || once == number {
		return once, ok
	}
	twice, ok := normalizePhone(once, "")
	return once, ok && once == twice
}

func normalizePhone(number, region string) (string, bool) {
	if len(number) > 4*maxContact {
		return "", false
	}
	if region == "" {
		region = phonenumbers.UNKNOWN_REGION
	}
	n, err := phonenumbers.Parse(number, region)
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	e164 := phonenumbers.Format(n, phonenumbers.E164)
	if ext := n.GetExtension(); ext != "" {
		e164 += ";ext=" + ext
	}
	return e164, true
}

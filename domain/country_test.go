package domain_test

import (
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain"
)

func TestCountries(t *testing.T) {
	n := 0
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, a := range letters {
		for _, b := range letters {
			if code := string(a) + string(b); domain.IsCountry(code) {
				n++
				if domain.IsCountry(strings.ToLower(code)) {
					t.Errorf("%s is taken in lower case", code)
				}
			}
		}
	}
	if n != 249+1 { // and Kosovo
		t.Errorf("%d countries", n)
	}
	for code, want := range map[string]bool{
		"DE": true, "US": true, "CN": true, "SS": true, "ZW": true, "AD": true, "XK": true,
		"UK": false, "EU": false, "DD": false, "SU": false, "ZZ": false, "D": false, "DEU": false, "": false, " D": false, "E ": false,
	} {
		if domain.IsCountry(code) != want {
			t.Errorf("%q: %v", code, !want)
		}
	}
	var p domain.Problems
	p.Country("/country", "UK")
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), `/country: "UK" is not a country`) {
		t.Error(err)
	}
}

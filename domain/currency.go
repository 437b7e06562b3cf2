package domain

import "github.com/Rhymond/go-money"

// MinorUnits returns the number of decimals of an ISO 4217 currency: 2 for EUR,
// 0 for JPY, 3 for KWD. It knows the current list and most withdrawn
// currencies, so that the past can be recorded. What has no minor unit (gold,
// special drawing rights) is no currency here. Codes are upper case.
func MinorUnits(currency string) (decimals int, ok bool) {
	if n, ok := moreMinorUnits[currency]; ok {
		return n, n >= 0
	}
	if len(currency) != 3 {
		return 0, false
	}
	c := money.GetCurrency(currency)
	if c == nil || c.Code != currency { // go-money takes lower case as well
		return 0, false
	}
	return c.Fraction, true
}

// MajorUnit returns how many minor units make one unit of a currency: 100 for
// EUR, 1 for JPY. ok is false for a currency that is not known.
func MajorUnit(currency string) (minor int64, ok bool) {
	n, ok := MinorUnits(currency)
	minor = 1
	for range n {
		minor *= 10
	}
	return minor, ok
}

// moreMinorUnits is what go-money lacks of ISO 4217, and, as -1, what it has
// beside it.
var moreMinorUnits = map[string]int{
	"BOV": 2, "CHE": 2, "CHW": 2, "COU": 2, "MXV": 2, "USN": 2, "UYI": 0, "UYW": 4, "VED": 2, "XAD": 2, "ZWG": 2,
	"ATS": 2, "BEF": 0, "CYP": 2, "DEM": 2, "ESP": 0, "FIM": 2, "FRF": 2, "GRD": 0, "IEP": 2, "ITL": 0, "LUF": 0,
	"MTL": 2, "NLG": 2, "PTE": 0, "SIT": 2,
	"GGP": -1, "IMP": -1, "JEP": -1, "XAG": -1, "XAU": -1, "XDR": -1,
}

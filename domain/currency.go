package domain

import "strings"

// MinorUnits returns how many decimal digits the minor unit of an ISO 4217
// currency has (2 for EUR, 0 for JPY, 3 for KWD), and whether it is a currency.
func MinorUnits(currency string) (digits int, known bool) {
	if len(currency) != 3 {
		return 0, false
	}
	digits, known = minorUnits[currency]
	return digits, known
}

// minorUnits is ISO 4217's list of currencies in use, and those it replaced so
// recently that orders in them are still being told.
var minorUnits = func() map[string]int {
	byDigits := map[int]string{
		0: `BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF`,
		2: `AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
		    CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP
		    GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT
		    LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN
		    NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
		    SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS
		    VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL`,
		3: `BHD IQD JOD KWD LYD OMR TND`,
		4: `CLF UYW`,
	}
	m := map[string]int{}
	for digits, codes := range byDigits {
		for _, c := range strings.Fields(codes) {
			m[c] = digits
		}
	}
	return m
}()

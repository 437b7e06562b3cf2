package segment

// Ready is a segment that comes with the program: a body for define-segment, as it is
// or changed.
type Ready struct {
	SegmentID   string   `json:"segment_id"`
	Kind        string   `json:"kind"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Labels      []string `json:"labels"`
	Rule        string   `json:"rule"`
}

// Shipped returns the segments that come with the program. One that asks for others
// comes after them. They rest on nothing that a deployment has to define first, so
// that each may be defined as it is; places, ages, days and numbers are examples to
// be changed.
func Shipped() []Ready {
	var all []Ready
	for _, group := range shipped {
		for _, s := range group.segments {
			all = append(all, Ready{s.id, Dynamic, s.name, s.about, []string{group.label}, s.rule})
		}
	}
	return all
}

// bought are the orders by which a customer is called a buyer.
const bought = `orders.filter(o, o.paid && !o.cancelled)`

// ready is a line of the table.
type ready struct{ id, name, about, rule string }

var shipped = []struct {
	label    string
	segments []ready
}{
	{"rfm", []ready{
		{"rfm-champions", "Champions", "Bought lately, buy often and spend most. Labels are those of the RFM policy in force.", `rfm.label == "Champions"`},
		{"rfm-loyal-customers", "Loyal customers", "Buy often and spend well, if not as lately as the champions.", `rfm.label == "Loyal Customers"`},
		{"rfm-potential-loyalist", "Potential loyalists", "Bought lately and more than once; they may become loyal.", `rfm.label == "Potential Loyalist"`},
		{"rfm-new-customers", "New customers by RFM", "Bought lately, not often, and little yet.", `rfm.label == "New Customers"`},
		{"rfm-promising", "Promising", "Bought lately, seldom, but not for little.", `rfm.label == "Promising"`},
		{"rfm-need-attention", "Need attention", "Good in everything, best in nothing, and not here of late.", `rfm.label == "Need Attention"`},
		{"rfm-about-to-sleep", "About to sleep", "Not here of late, and neither often nor for much before: they will be lost if nothing happens.", `rfm.label == "About To Sleep"`},
		{"rfm-at-risk", "At risk by RFM", "Bought often and for much, but long ago.", `rfm.label == "At Risk"`},
		{"rfm-cant-lose-them", "Can't lose them", "Brought most, and have not come back for longest.", `rfm.label == "Can't Lose Them"`},
		{"rfm-hibernating", "Hibernating", "Bought long ago, seldom and for little.", `rfm.label == "Hibernating"`},
		{"rfm-lost", "Lost by RFM", "Bought longest ago, and least often.", `rfm.label == "Lost"`},
	}},
	{"value", []ready{
		{"value-top", "Top of the pyramid", "The customers who contribute most: by the value policy the best 5 per cent of those whose contribution is known.", `value.band == "top"`},
		{"value-middle", "Middle of the pyramid", "Next to the top: by the value policy 15 per cent.", `value.band == "middle"`},
		{"value-base", "Base of the pyramid", "All others who cost no more than they bring.", `value.band == "base"`},
		{"value-negative", "Cost more than they bring", "Their contribution is below zero: goods, points, service and campaigns cost more than they paid.", `value.band == "negative"`},
		{"value-unknown", "Value not known", "No costs are known of their orders, or nobody is there to compare with. It is not zero: it is not known.", `value.band == "unknown"`},
	}},
	{"lifecycle", []ready{
		{"prospects", "Prospects", "Known, and no order was paid yet: the stages before the first purchase.", `stage.name in ["potential", "converting"]`},
		{"new-customers", "New customers", "The first order that was paid is of the last 30 days.", `days_since(` + bought + `.first().on) < 30`},
		{"one-time-buyers", "Bought once", "Paid exactly one order, whenever that was.", bought + `.count() == 1`},
		{"second-order-due", "Second order due", "Paid one order, 30 to 89 days ago: the time in which a second one comes or does not.", bought + `.count() == 1 && days_since(` + bought + `.last().on) >= 30 && days_since(` + bought + `.last().on) < 90`},
		{"repeat-customers", "Repeat customers", "Paid at least two orders.", bought + `.count() >= 2`},
		{"slipping-regulars", "Regulars who slip away", "Paid at least three orders, and none for 60 to 179 days.", bought + `.count() >= 3 && days_since(` + bought + `.last().on) >= 60 && days_since(` + bought + `.last().on) < 180`},
		{"at-risk", "At risk", "Bought before and silent for longer than the lifecycle policy lets pass: 90 days unless it says otherwise.", `stage.name == "at_risk"`},
		{"lapsed", "Lapsed", "The last order that was paid is 180 days old or older.", `days_since(` + bought + `.last().on) >= 180`},
		{"won-back", "Won back", "Buys, and was given up before: the stage is active after it was churned.", `stage.name == "active" && events("customer.stage_entered").exists(e, e.fields.stage == "churned")`},
	}},
	{"geo", []ready{
		{"germany-austria-switzerland", "Germany, Austria, Switzerland", "Lives in a country where German is written. An example of countries.", `demographics.country in ["DE", "AT", "CH"]`},
		{"european-union", "European Union", "Lives in one of its member states.", `demographics.country in ["AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"]`},
		{"berlin", "Berlin", "Lives in Berlin, by the city or by the postal code. An example of a place.", `demographics.country == "DE" && (demographics.city.lowerAscii() == "berlin" || demographics.postal_code.matches("^1[0-4][0-9]{3}$") && demographics.postal_code >= "10115" && demographics.postal_code <= "14199")`},
		{"country-unknown", "Country not known", "Nobody knows where they live: ask.", `!has(demographics.country)`},
	}},
	{"demo", []ready{
		{"minors", "Minors", "Not of age: leave them out of what is for adults.", `age(demographics.birth_date) < 18`},
		{"aged-18-to-34", "Aged 18 to 34", "By the date of birth; the membership changes on the birthday.", `age(demographics.birth_date) >= 18 && age(demographics.birth_date) < 35`},
		{"aged-35-to-54", "Aged 35 to 54", "By the date of birth.", `age(demographics.birth_date) >= 35 && age(demographics.birth_date) < 55`},
		{"aged-55-and-over", "Aged 55 and over", "By the date of birth.", `age(demographics.birth_date) >= 55`},
		{"higher-income", "Higher income", "The band of income is upper middle or high.", `demographics.income_band in ["upper_middle", "high"]`},
		{"businesses", "Businesses", "Organisations, and persons who are classified as business.", `kind == "organisation" || classification == "business"`},
	}},
	{"behaviour", []ready{
		{"buys-on-the-web", "Buys on the web", "Paid an order that came through the web in the last year.", bought + `.within(365).exists(o, o.channel == "web")`},
		{"buys-in-stores", "Buys in stores", "Paid an order in a store in the last year.", bought + `.within(365).exists(o, o.channel == "store")`},
		{"frequent-buyers", "Frequent buyers", "Paid at least four orders in the last 365 days.", bought + `.within(365).count() >= 4`},
		{"big-baskets", "Big baskets", "Among the tenth of the customers whose orders are largest on average.", `percentile("average_order") >= 90`},
		{"best-twentieth", "Best twentieth by revenue", "Among the 5 per cent who brought most in the days of the value policy.", `percentile("revenue_window") >= 95`},
		{"often-sends-back", "Often sends back", "Of at least two orders, half or more were refunded, wholly or in part.", `orders.count() >= 2 && orders.filter(o, o.refunded > 0).count() * 2 >= orders.count()`},
		{"order-unpaid", "Order unpaid", "Has an order that nobody paid or cancelled for two weeks.", `orders.exists(o, !o.paid && !o.cancelled && days_since(o.on) >= 14)`},
		{"refunded-and-silent", "Silent after a refund", "Had a refund, and ordered nothing in the 90 days after it.", `events("customer.refund_recorded").not_followed_by(orders, 90)`},
		{"long-not-contacted", "Not contacted for half a year", "Bought, and nobody contacted them in the last 180 days.", bought + `.count() > 0 && events("customer.contact_recorded").within(180).count() == 0`},
	}},
	{"psycho", []ready{
		{"price-sensitive", "Price sensitive", "The price decides: 70 or more of 100.", `attitude.price_sensitivity >= 70`},
		{"brand-friends", "Friends of the brand", "Look at us and hardly at others: own brand 70 or more, competitors 30 or less.", `attitude.own_brand_attention >= 70 && attitude.competitor_attention <= 30`},
		{"looking-elsewhere", "Looking elsewhere", "Buy from us and look at competitors: 70 or more.", `attitude.competitor_attention >= 70 && ` + bought + `.count() > 0`},
		{"interested-in-sport", "Interested in sport", "Says so among the interests. An example of an interest.", `psychographics.interests.exists(i, i.lowerAscii() in ["sport", "sports", "fitness", "running"])`},
	}},
	{"key-account", []ready{
		{"key-accounts", "Key accounts", "Designated as key accounts, of whatever level.", `has(owner.key_account)`},
		{"key-accounts-silent", "Key accounts gone silent", "Key accounts who ordered nothing for 60 days.", `has(owner.key_account) && orders.within(60).count() == 0`},
		{"key-account-candidates", "Key accounts to be", "Among the 5 per cent who brought most ever, and no key account yet.", `percentile("revenue") >= 95 && !has(owner.key_account)`},
	}},
	{"loyalty", []ready{
		{"members", "Members", "In the loyalty programme.", `loyalty.member`},
		{"gold-members", "Gold members", "In the tier gold. An example of a tier.", `loyalty.member && loyalty.tier == "gold"`},
		{"nearly-a-reward", "Nearly a reward", "Members with 80 to 99 points: the next order takes them to a hundred. Put the numbers of your programme.", `loyalty.member && loyalty.spendable >= 80 && loyalty.spendable < 100`},
		{"sleeping-points", "Sleeping points", "Members with points to spend whose account was not touched for 180 days.", `loyalty.member && loyalty.spendable > 0 && days_since(loyalty.last_activity) >= 180`},
		{"buyers-not-members", "Buyers who are no members", "Paid at least two orders and are not in the programme: invite them.", bought + `.count() >= 2 && !loyalty.member`},
	}},
	{"consent", []ready{
		{"reachable-by-email", "Reachable by e-mail", "Consents to marketing by e-mail, has an address that works, and is not suppressed. Whether an e-mail may be sent this minute is for contactability to say.", `consent("marketing", "email") && !suppressed && contact_points.exists(p, p.type == "email" && !p.invalid)`},
		{"consent-missing", "Consent missing", "Bought in the last year, has an address, and gave no consent to marketing by e-mail: ask at the next occasion.", bought + `.within(365).count() > 0 && contact_points.exists(p, p.type == "email" && !p.invalid) && !consent("marketing", "email")`},
		{"win-back", "To be won back", "Lapsed, and reachable by e-mail. It asks for two other segments.", `in_segment("lapsed") && in_segment("reachable-by-email")`},
	}},
}

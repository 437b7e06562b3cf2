package rfm

import (
	"fmt"
	"strings"
)

// The label tables shipped. They are data: a policy carries a copy of its own.
const (
	Segment11 = "segment_11" // eleven segments, every code of five bins in one of them
	SegmentV  = "segment_v"  // ten segments of ranges, as the vignette of the R package rfm has them
	SegmentT  = "segment_t"  // ten segments of ranges, as the tests of the R package rfm have them
)

// LabelTables lists the names of the shipped label tables.
func LabelTables() []string { return []string{Segment11, SegmentV, SegmentT} }

// LabelTable returns a shipped label table, for five bins; nil if there is none
// of that name.
func LabelTable(name string) []Label {
	switch name {
	case Segment11:
		return byCode(segment11)
	case SegmentV:
		return byRange(segmentV)
	case SegmentT:
		return byRange(segmentT)
	}
	return nil
}

const segment11 = `
Champions: 555 554 544 545 454 455 445
Loyal Customers: 543 444 435 355 354 345 344 335
Potential Loyalist: 553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323
New Customers: 512 511 422 421 412 411 311
Promising: 525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313
Need Attention: 535 534 443 434 343 334 325 324
About To Sleep: 331 321 312 221 213 231 241 251
At Risk: 255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124
Can't Lose Them: 155 154 144 214 215 115 114 113
Hibernating: 332 322 233 232 223 222 132 123 122 212 211
Lost: 111 112 121 131 141 151`

const segmentV = `
Champions: 5-5 5-5 5-5
Potential Loyalist: 3-5 3-5 2-5
Loyal Customers: 2-4 2-4 2-4
Promising: 3-4 1-3 3-5
New Customers: 4-5 1-3 1-5
Can't Lose Them: 1-2 3-4 4-5
At Risk: 1-2 2-5 4-5
Need Attention: 1-3 3-5 3-5
About To Sleep: 2-3 1-3 1-4
Lost: 1-1 1-5 1-5`

const segmentT = `
Champions: 4-5 4-5 4-5
Loyal Customers: 2-5 3-5 3-5
Potential Loyalist: 3-5 1-3 1-3
New Customers: 4-5 1-1 1-1
Promising: 3-4 1-1 1-1
Need Attention: 2-3 2-3 2-3
About To Sleep: 2-3 1-2 1-2
At Risk: 1-2 2-5 2-5
Can't Lose Them: 1-1 4-5 4-5
Lost: 1-2 1-2 1-2`

func byCode(table string) []Label {
	var labels []Label
	for line := range strings.Lines(strings.TrimSpace(table)) {
		name, codes, _ := strings.Cut(line, ":")
		labels = append(labels, Label{Name: name, Codes: strings.Fields(codes)})
	}
	return labels
}

// byRange reads lines of a name and the ranges of recency, frequency and monetary value.
func byRange(table string) []Label {
	var labels []Label
	for line := range strings.Lines(strings.TrimSpace(table)) {
		name, ranges, _ := strings.Cut(line, ":")
		l := Label{Name: name, Recency: new(Range), Frequency: new(Range), Monetary: new(Range)}
		if _, err := fmt.Sscanf(ranges, "%d-%d %d-%d %d-%d", &l.Recency.From, &l.Recency.To,
			&l.Frequency.From, &l.Frequency.To, &l.Monetary.From, &l.Monetary.To); err != nil {
			panic("rfm: label table: " + line)
		}
		labels = append(labels, l)
	}
	return labels
}

package segment

import "github.com/rapport-crm/rapport/domain"

// Try checks the rule as publishing it would, for a look at what it would do: as that
// of a segment, or of one that there is not yet where the id is empty. It returns the
// version that it would be, whose number is that of nothing.
func (d Definition) Try(id string) (VersionPublished, error) {
	var p domain.Problems
	if d.Rule == "" {
		p.Add("/rule", "is required")
		return VersionPublished{}, p.Err()
	}
	attributes, asks, err := d.compile(&p, id)
	return VersionPublished{SegmentID: id, Rule: d.Rule, Attributes: attributes, Asks: asks}, err
}
